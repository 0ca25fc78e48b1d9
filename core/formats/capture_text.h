#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/formats/capture_attention.h"
#include "core/formats/capture_file.h"
#include "core/formats/tokenizer.h"

namespace headroom {

/// Which text of which stack, and how many queries and keys its arrays have.
struct TextOfCapture {
  AttentionStack stack = AttentionStack::kSelf;
  bool has_other_stacks = false;
  std::int64_t entry = 0, n_entries = 1;
  std::int64_t seq_q = 0, seq_k = 0;
  std::int64_t query_start = 0;  ///< keys before query 0, where both count the same tokens
};

/// The real tokens by "attention_mask" ([keys] or [batch, keys], 1 = real): padding on either side is left out. All where there is none.
CaptureWindow real_tokens(const CaptureFile& file, const TextOfCapture& text, std::vector<std::string>& notices);

struct CaptureTokens {
  std::vector<Token> tokens;      ///< of the queries in the window
  std::vector<Token> key_tokens;  ///< empty where they are the same
  std::vector<std::int32_t> ids, key_ids;
  std::string text;
};
/// From "tokens" and "key_tokens" (JSON lists in the metadata, arrays of texts, or U8 arrays of JSON "tokens_utf8"), "input_ids",
/// "key_ids", "offsets" with "text"; a list of lists for a batch. What is missing or of another length is told and numbered instead.
CaptureTokens read_tokens(const CaptureFile& file, const TextOfCapture& text, const CaptureWindow& window,
                          std::vector<std::string>& notices);

/// What the metadata say about who sees whom.
struct MaskClaim {
  std::optional<Direction> direction;       ///< "causal"
  std::optional<std::int64_t> query_start;  ///< "query_start"
  MaskPattern pattern;                      ///< "window" or "pattern"
};
/// Of a layer: "window.003" there stands before "window". What is no number is told.
MaskClaim read_mask_claim(const CaptureFile& file, std::int64_t layer, std::vector<std::string>& notices);
/// The metadata's entries for a mask, as read_mask_claim reads them back.
std::vector<std::pair<std::string, std::string>> mask_metadata(const Mask& mask);
/// A layer's own: only what stands in its pattern.
std::vector<std::pair<std::string, std::string>> layer_mask_metadata(const Mask& mask, std::int64_t layer);

/// A number of the metadata. Nothing where there is none, or where it is no number (told).
std::optional<double> metadata_number(const CaptureFile& file, const std::string& key, std::vector<std::string>& notices);

/// A list of whole numbers from 0, "[0, 2, 3]". Nothing where there is none, or where it is none (told).
std::optional<std::vector<std::int64_t>> metadata_numbers(const CaptureFile& file, const std::string& key,
                                                          std::vector<std::string>& notices);

/// "attn.003": how arrays of a layer are called.
std::string layer_key(std::string_view stem, std::int64_t layer);

}  // namespace headroom
