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
  /// The strongest pattern at or above kPatternThreshold, or none.
  bool has_pattern = false;
  HeadPattern strongest = HeadPattern::kPreviousToken;  ///< the highest score, named or not
};

/// Shape  [n_layers][n_heads of the unpruned model]. For long sequences rows are sampled evenly (at most max_rows); says so in the figure.
std::vector<std::vector<HeadMetrics>> measure_heads(const ForwardTrace& trace, std::int64_t n_heads, std::int64_t max_rows = 512,
                                                    std::stop_token stop = {});

}  // namespace headroom
