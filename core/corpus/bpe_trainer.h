#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/bpe.h"

namespace headroom {

/// A word of a text and how often it occurs.
struct CountedWord {
  std::string_view bytes;
  std::int64_t count = 0;
};

struct BpeTrainerOptions {
  std::int64_t vocabulary = 512;                 ///< entries wanted, special tokens and the 256 bytes included
  std::vector<std::string> special_tokens = {};  ///< the first ids
  std::int64_t least_count = 2;                  ///< a pair that occurs less often is not merged
  std::function<void(double share)> on_progress = {};
  std::stop_token stop = {};
};

/// A byte-level vocabulary: special tokens, the 256 bytes, then what merges make, in the order in which they were learned.
struct TrainedBpe {
  std::vector<std::string> special_tokens;
  std::vector<std::string> pieces;  ///< the bytes of each id; of a special token its name
  std::vector<BpeMerges::Merge> merges;
  bool ran_out = false;  ///< no pair occurred often enough any more before the vocabulary was full

  std::int64_t size() const { return static_cast<std::int64_t>(pieces.size()); }
  /// The id of a byte that stands alone.
  std::int32_t byte_id(unsigned char byte) const { return byte_ids[byte]; }
  std::vector<std::int32_t> byte_ids;  ///< [256]
};

/// Learns merges: the most frequent pair of neighbours becomes one piece, again and again; of equally frequent pairs the one with the smaller
/// ids. Pairs are never sought across words. The same words give the same vocabulary, which is the one that Hugging Face's BpeTrainer
/// learns over the same initial alphabet. Counts are kept up to date at the places that change, so a merge costs what it changes.
/// Errors  Error when the vocabulary cannot hold the special tokens and the bytes; Cancelled.
/// Source  Sennrich et al. 2016, arXiv:1508.07909, algorithm 1.
TrainedBpe train_bpe(std::span<const CountedWord> words, const BpeTrainerOptions& options);

/// The vocabulary as tokenizer.json: byte-level BPE, GPT-2's words, and the special token `first` before every text ("" = none).
std::string tokenizer_json_of(const TrainedBpe& bpe, const std::string& first);

}  // namespace headroom
