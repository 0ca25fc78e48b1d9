#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace headroom {

/// What a model's files say of writing: which tokens begin and end it.
struct GenerationIds {
  std::optional<std::int32_t> decoder_start;  ///< of an encoder-decoder: the decoder's first token
  std::optional<std::int32_t> forced_first;   ///< what a decoder must write first (forced_bos_token_id)
  std::vector<std::int32_t> ends;             ///< eos_token_id, one or several

  bool operator==(const GenerationIds&) const = default;
};

/// generation_config.json where it is there and says so, else config.json. An id that is no token of the vocabulary is left out.
/// Edge  Nothing known when neither says it; without decoder_start_token_id a decoder starts with bos_token_id, without that with pad_token_id, as T5 does
///       (Raffel et al. 2020, arXiv:1910.10683).
/// Errors  Error when a file is there but is no JSON.
GenerationIds read_generation_ids(const std::filesystem::path& folder, std::int64_t vocab_size);

}  // namespace headroom
