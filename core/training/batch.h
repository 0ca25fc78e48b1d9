#pragma once

#include <cstdint>
#include <vector>

namespace headroom {

/// A target that is not counted in the loss.
inline constexpr std::int32_t kIgnored = -1;

/// Rows of equal length that one pass reads. Row r's token i lies at [r * seq + i].
struct Batch {
  std::int64_t n_rows = 0;
  std::int64_t seq = 0;
  std::vector<std::int32_t> inputs;   ///< [n_rows * seq] ids; of an encoder-decoder: the decoder's
  std::vector<std::int32_t> targets;  ///< [n_rows * seq] the id to predict at each position, or kIgnored
  /// An encoder-decoder's other sequence: ids padded to source_seq, and how many of each row are real. Empty otherwise.
  std::int64_t source_seq = 0;
  std::vector<std::int32_t> sources;         ///< [n_rows * source_seq]; padding is any id
  std::vector<std::int32_t> source_lengths;  ///< [n_rows]
  /// Distillation: a teacher's probabilities after the temperature, for every position. Empty: the targets alone teach.
  std::vector<float> teacher;  ///< [n_rows * seq, vocab_size]

  std::int64_t n_tokens() const { return n_rows * seq; }
};

/// How much a teacher counts: loss = (1 - weight) CE(targets) + weight T² KL(teacher ‖ model at temperature T).
/// Source  Hinton et al. 2015, arXiv:1503.02531.
struct Distillation {
  float weight = 0.9f;
  float temperature = 2;
};

}  // namespace headroom
