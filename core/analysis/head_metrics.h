#pragma once

#include <array>
#include <stop_token>
#include <string_view>
#include <vector>

#include "core/model/forward.h"

namespace headroom {

/// Patterns that can be measured on any one sentence. Each score is a mean probability in [0, 1] over the rows where it is defined.
enum class HeadPattern { kPreviousToken, kFirstToken, kSelf, kBroadcast };
inline constexpr std::array kHeadPatterns{HeadPattern::kPreviousToken, HeadPattern::kFirstToken, HeadPattern::kSelf,
                                          HeadPattern::kBroadcast};
std::string_view pattern_name(HeadPattern pattern);        ///< "previous token"
std::string_view pattern_definition(HeadPattern pattern);  ///< one sentence: what is averaged over which rows

/// A pattern names a head only at or above this score, on this sentence.
inline constexpr double kPatternThreshold = 0.5;

struct HeadMetrics {
  bool is_pruned = false;
  double entropy = 0;           ///< mean over rows with at least two visible keys, nats
  double relative_entropy = 0;  ///< mean of entropy / log(visible keys), in [0, 1]
  std::array<double, kHeadPatterns.size()> scores{};
  /// Whether query i and key i are the same token. Where they are not, as in cross-attention, no pattern is defined: scores are 0.
  bool has_own_tokens = true;
  /// The strongest pattern at or above kPatternThreshold, or none.
  bool has_pattern = false;
  HeadPattern strongest = HeadPattern::kPreviousToken;  ///< the highest score, named or not
  /// Rows looked at, of how many: fewer of a long text, whose numbers are then an estimate. Both 0 when pruned.
  std::int64_t n_rows = 0, n_rows_total = 0;
  bool is_sampled() const { return n_rows < n_rows_total; }
  // Of attention that was read from a file:
  std::int64_t n_rows_broken = 0;  ///< of n_rows, those that hold NaN: left out of every mean
  double largest_sum_error = 0;    ///< largest |sum of a row's probabilities - 1| of the other rows that see a key
};

struct HeadMetricsOptions {
  std::int64_t max_rows = 512;  ///< of a longer text this many rows are looked at, evenly spread to the last
  std::stop_token stop = {};
  ThreadPool* pool = nullptr;  ///< heads and rows are shared out over it; one caller at a time for each pool
};

/// Shape  [n_layers][n_heads of the unpruned model]. The values do not depend on the pool.
/// Errors  Cancelled; Error when a file cannot be read.
std::vector<std::vector<HeadMetrics>> measure_heads(const ForwardTrace& trace, std::int64_t n_heads,
                                                    const HeadMetricsOptions& options = {});

}  // namespace headroom
