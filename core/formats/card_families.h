#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/cost/card.h"
#include "core/formats/config_reader.h"

namespace headroom {

/// What a family's code fixes that its config.json does not say, for counting exactly. A new family is one more row in card_families.cpp.
struct CardFamily {
  std::string_view model_type;
  std::string_view classes;  ///< what its classes' names begin with: "Llama"
  CardKind kind = CardKind::kDecoder;
  CardPositions positions = CardPositions::kRotary;
  CardBlock block;
  double rotary_part = 1;            ///< of each head, where the file does not say
  std::int64_t absent_kv_heads = 0;  ///< num_key_value_heads when the file has none; 0: as many as heads
  std::int64_t absent_d_head = 0;    ///< head_dim when the file has none; 0: d_model / heads
  std::int64_t absent_window = 0;    ///< sliding_window when the file has none
  std::int64_t extra_positions = 0;  ///< rows of the position table above the context
  bool ties_by_default = true;
};

/// nullptr for a family that is not in the table. Looks at model_type first, then at the class that architectures names.
const CardFamily* find_card_family(std::string_view model_type, std::string_view architecture);

/// The family's block with the choices that the configuration makes: biases, gates, ties, what the class adds on top. Fills the card's
/// kind, positions and block, and tells in its notices what is left out of the count.
void fill_block(const ConfigReader& reader, const CardFamily& family, std::string_view architecture, ModelCard& card);

/// Which keys each layer of the card's main stack sees at most; needs n_layers. Empty when no layer has a window.
/// Errors  Error for a window of 0 or below, and for layer_types of another length.
void fill_windows(const ConfigReader& reader, const CardFamily* family, ModelCard& card);

}  // namespace headroom
