#include "core/analysis/head_metrics.h"

#include <algorithm>
#include <cmath>

#include "core/analysis/key_block.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// A key is broadcast only to a crowd: with fewer rows a mean says more about them than about the key.
constexpr std::int64_t kMinBroadcastRows = 3;

/// A mean that is 0 when there was nothing to average.
struct Mean {
  double sum = 0;
  std::int64_t count = 0;
  void add(double value) {
    sum += value;
    ++count;
  }
  double value() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
};

/// At most max_rows rows, evenly spread from the first to the last.
std::vector<std::int64_t> sample_rows(std::int64_t seq, std::int64_t max_rows) {
  const std::int64_t n = std::min(seq, std::max<std::int64_t>(1, max_rows));
  std::vector<std::int64_t> rows;
  for (std::int64_t r = 0; r < n; ++r)
    rows.push_back(n == 1 ? seq - 1 : r * (seq - 1) / (n - 1));
  return rows;
}

/// Adds up one head's rows; a row comes as its visible keys, their scores and probabilities.
class HeadMeter {
 public:
  explicit HeadMeter(std::int64_t seq) : broadcast_(static_cast<std::size_t>(seq)) {}

  /// `scores` and `probs` cover `keys`, of which at least one is visible; masked entries of both are NaN.
  void add_row(std::int64_t query, KeyRange keys, const float* scores, const float* probs, float logsumexp) {
    double entropy = 0;
    std::int64_t n_visible = 0;
    for (std::int64_t j = keys.begin; j < keys.end; ++j) {
      const double p = probs[j - keys.begin];
      if (std::isnan(p)) continue;
      ++n_visible;
      // -log p = logsumexp - score: exact also where p is too small for a logarithm.
      entropy += p * (static_cast<double>(logsumexp) - static_cast<double>(scores[j - keys.begin]));
      if (j != query && j >= 1) broadcast_[static_cast<std::size_t>(j)].add(p);
    }
    if (n_visible >= 2) {
      entropy_.add(entropy);
      relative_entropy_.add(entropy / std::log(static_cast<double>(n_visible)));
    }
    if (query == 0) return;
    const auto at = [&](std::int64_t key) {
      return key >= keys.begin && key < keys.end ? static_cast<double>(probs[key - keys.begin]) : NAN;
    };
    const auto or_zero = [](double p) { return std::isnan(p) ? 0.0 : p; };
    if (!std::isnan(at(query - 1))) previous_.add(at(query - 1));
    first_.add(or_zero(at(0)));
    self_.add(or_zero(at(query)));
  }

  HeadMetrics metrics() const {
    HeadMetrics metrics;
    // Rounding may leave a hair outside the bounds that the definitions give.
    metrics.entropy = std::max(0.0, entropy_.value());
    metrics.relative_entropy = std::clamp(relative_entropy_.value(), 0.0, 1.0);
    double broadcast = 0;
    for (const Mean& mean : broadcast_) {
      if (mean.count >= kMinBroadcastRows) broadcast = std::max(broadcast, mean.value());
    }
    metrics.scores = {previous_.value(), first_.value(), self_.value(), broadcast};
    for (double& score : metrics.scores)
      score = std::clamp(score, 0.0, 1.0);
    const auto strongest = std::max_element(metrics.scores.begin(), metrics.scores.end());
    metrics.strongest = kHeadPatterns[static_cast<std::size_t>(strongest - metrics.scores.begin())];
    metrics.has_pattern = *strongest >= kPatternThreshold;
    return metrics;
  }

 private:
  Mean entropy_, relative_entropy_, previous_, first_, self_;
  std::vector<Mean> broadcast_;
};

HeadMetrics measure_head(const ForwardTrace& trace, const HeadView& head, const std::vector<std::int64_t>& rows) {
  const KeyBlock block(head, {0, head.seq});
  std::vector<float> scores(static_cast<std::size_t>(head.seq));
  std::vector<float> probs(static_cast<std::size_t>(head.seq));
  HeadMeter meter(head.seq);
  for (const std::int64_t query : rows) {
    const KeyRange keys = key_range(trace.mask, 0, query, head.seq);
    if (keys.begin >= keys.end) continue;
    block.scores(query, keys, scores.data());
    mask_with_nan(trace.mask, query, keys, scores.data());
    std::copy_n(scores.data(), keys.end - keys.begin, probs.data());
    scores_to_probs(probs.data(), keys.end - keys.begin, head.logsumexp_of(query));
    meter.add_row(query, keys, scores.data(), probs.data(), head.logsumexp_of(query));
  }
  return meter.metrics();
}

}  // namespace

std::string_view pattern_name(HeadPattern pattern) {
  switch (pattern) {
    case HeadPattern::kPreviousToken:
      return "previous token";
    case HeadPattern::kFirstToken:
      return "first token";
    case HeadPattern::kSelf:
      return "self";
    case HeadPattern::kBroadcast:
      return "broadcast";
  }
  return "";
}

std::string_view pattern_definition(HeadPattern pattern) {
  switch (pattern) {
    case HeadPattern::kPreviousToken:
      return "Mean probability of the token just before, over every row after the first whose previous token is visible.";
    case HeadPattern::kFirstToken:
      return "Mean probability of the first token, over every row after the first that sees any key; 0 where it is masked.";
    case HeadPattern::kSelf:
      return "Mean probability of the row's own token, over every row after the first that sees any key; 0 where it is masked.";
    case HeadPattern::kBroadcast:
      return "The largest mean probability that one token, not the first, gets from the other rows that see it, when these are at "
             "least 3.";
  }
  return "";
}

std::vector<std::vector<HeadMetrics>> measure_heads(const ForwardTrace& trace, std::int64_t n_heads,
                                                    const HeadMetricsOptions& options) {
  const std::vector<std::int64_t> rows = sample_rows(std::ssize(trace.ids), options.max_rows);
  std::vector<std::vector<HeadMetrics>> all;
  for (const LayerTrace& layer : trace.layers) {
    std::vector<HeadMetrics>& measured = all.emplace_back(static_cast<std::size_t>(n_heads));
    for (std::int64_t head = 0; head < n_heads; ++head) {
      if (options.stop.stop_requested()) throw Cancelled();
      HeadMetrics& metrics = measured[static_cast<std::size_t>(head)];
      const std::int64_t index = layer.index_of(head);
      if (index < 0) {
        metrics.is_pruned = true;
      } else {
        metrics = measure_head(trace, view_head(layer, index), rows);
        metrics.n_rows = std::ssize(rows);
        metrics.n_rows_total = std::ssize(trace.ids);
      }
    }
  }
  return all;
}

}  // namespace headroom
