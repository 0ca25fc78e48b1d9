#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "core/formats/tokenizer.h"

namespace headroom {

/// Held-out text as ids of one vocabulary.
struct HeldOutText {
  std::vector<std::vector<std::int32_t>> rows;
  std::int64_t n_tokens = 0;  ///< predicted ones: all but the first of each row
  double floor = 0;           ///< nats a token; no model can go below it
};

/// assets/text/heldout-grammar.json (which text, its floor and source) and the text beside it: one row a line, words by single spaces.
/// Nothing when a word of the text is not in the vocabulary: the loss would say something about the tokenizer, not about heads.
/// Errors  Error when the files are missing or not as described.
std::optional<HeldOutText> read_held_out_text(const std::filesystem::path& assets, const Tokenizer& tokenizer);

}  // namespace headroom
