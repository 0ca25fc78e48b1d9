#include "core/analysis/head_metrics.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/analysis/head_view.h"
#include "core/analysis/stored_head.h"
#include "core/analysis/tile.h"
#include "core/attention/meter_kernel.h"
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

/// At most max_rows rows, evenly spread to the last: those that a tile of max_rows cell rows, one sample each, looks at, so that its row sums
/// serve both.
std::vector<std::int64_t> sample_rows(std::int64_t seq, std::int64_t max_rows) {
  if (seq < 1) return {};
  const std::int64_t n = std::clamp<std::int64_t>(max_rows, 1, seq);
  return sampled_offsets({.row_begin = 0, .row_end = seq, .rows = n, .row_samples = 1});
}

double prob_of(const HeadView& head, std::int64_t query, std::int64_t key) {
  if (!is_visible(*head.source.mask, 0, query, key)) return 0;
  return std::exp(score_detail::score_of(head.source, query, key) - static_cast<double>(head.logsumexp_of(query)));
}

/// Adds up one head's rows.
class HeadMeter {
 public:
  struct Row {
    std::int64_t query = 0;
    double entropy = 0;  ///< nats
    double n_keys = 0;   ///< that the row sees
  };
  void add_row(const Row& row) {
    if (row.n_keys < 2) return;
    entropy_.add(row.entropy);
    relative_entropy_.add(row.entropy / std::log(row.n_keys));
  }

  /// Where row i and key i are the same token. prob_of(key): of this row, 0 where masked.
  template <typename ProbOf>
  void add_patterns(const Row& row, const Mask& mask, const ProbOf& prob_of_key) {
    if (row.query == 0 || row.n_keys == 0) return;
    if (is_visible(mask, 0, row.query, row.query - 1)) previous_.add(prob_of_key(row.query - 1));
    first_.add(prob_of_key(0));
    self_.add(prob_of_key(row.query));
  }

  HeadMetrics metrics(const score_detail::KeyMeters& keys, bool has_own_tokens) const {
    HeadMetrics metrics;
    metrics.has_own_tokens = has_own_tokens;
    // Rounding may leave a hair outside the bounds that the definitions give.
    metrics.entropy = std::max(0.0, entropy_.value());
    metrics.relative_entropy = std::clamp(relative_entropy_.value(), 0.0, 1.0);
    if (!has_own_tokens) return metrics;
    double broadcast = 0;
    for (std::size_t j = 1; j < keys.probs.size(); ++j) {
      if (keys.n_rows[j] >= kMinBroadcastRows) broadcast = std::max(broadcast, keys.probs[j] / keys.n_rows[j]);
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
};

/// Rows of one head to look at, and whether its patterns are defined.
struct Looked {
  const std::vector<std::int64_t>& rows;
  bool has_own_tokens = true;
};

HeadMetrics measure_head(const HeadView& head, const Looked& looked, const std::stop_token& stop) {
  const std::vector<std::int64_t>& rows = looked.rows;
  if (head.row_sums != nullptr) head.row_sums->compute(head.index, rows, stop);
  std::vector<score_detail::LaneBlock> blocks = score_detail::make_blocks(head.source, rows);
  for (score_detail::LaneBlock& block : blocks) {
    for (std::int64_t lane = 0; lane < block.n_rows(); ++lane) {
      const float logsumexp = head.logsumexp_of(block.rows()[static_cast<std::size_t>(lane)]);
      block.state(0)[lane] = std::isinf(logsumexp) && logsumexp < 0 ? 0.0F : logsumexp;
    }
    score_detail::begin_meters(block);
  }
  score_detail::KeyMeters keys(head.seq_k());
  AlignedBuffer<float> scratch(score_detail::scratch_size());
  const auto add = [&](score_detail::LaneBlock& block, const score_detail::KeyChunk& chunk) {
    score_detail::meter_chunk({head.source, block, chunk, scratch.data()}, keys);
  };
  score_detail::for_each_chunk(head.source, blocks, {0, head.seq_k()}, add, stop);
  HeadMeter meter;
  for (score_detail::LaneBlock& block : blocks) {
    for (std::int64_t lane = 0; lane < block.n_rows(); ++lane) {
      const HeadMeter::Row row{block.rows()[static_cast<std::size_t>(lane)], static_cast<double>(block.state(1)[lane]),
                               static_cast<double>(block.state(2)[lane])};
      meter.add_row(row);
      if (looked.has_own_tokens)
        meter.add_patterns(row, *head.source.mask, [&](std::int64_t key) { return prob_of(head, row.query, key); });
    }
  }
  HeadMetrics metrics = meter.metrics(keys, looked.has_own_tokens);
  metrics.n_rows = std::ssize(rows);
  metrics.n_rows_total = head.seq_q();
  return metrics;
}

/// The same of a head whose probabilities lie in a file.
HeadMetrics measure_stored(const StoredHead& head, const Mask& mask, const Looked& looked, const std::stop_token& stop) {
  HeadMeter meter;
  score_detail::KeyMeters keys(head.seq_k());
  std::int64_t n_broken = 0;
  double largest_sum_error = 0;
  head.for_each_row(looked.rows, stop, [&](const StoredRow& stored) {
    HeadMeter::Row row{stored.row, 0, 0};
    double sum = 0;
    for (std::size_t j = 0; j < stored.values.size(); ++j) {
      if (stored.is_masked[j] != 0) continue;
      const auto p = static_cast<double>(stored.values[j]);
      ++row.n_keys;
      sum += p;
      if (p > 0) row.entropy -= p * std::log(p);
    }
    if (!std::isfinite(sum)) {
      ++n_broken;
      return;
    }
    if (row.n_keys > 0) largest_sum_error = std::max(largest_sum_error, std::abs(sum - 1));
    meter.add_row(row);
    if (!looked.has_own_tokens) return;
    meter.add_patterns(row, mask,
                       [&](std::int64_t key) { return static_cast<double>(stored.values[static_cast<std::size_t>(key)]); });
    for (std::size_t j = 0; j < stored.values.size(); ++j) {
      if (stored.is_masked[j] != 0 || std::cmp_equal(j, stored.row)) continue;
      keys.probs[j] += static_cast<double>(stored.values[j]);
      ++keys.n_rows[j];
    }
  });
  HeadMetrics metrics = meter.metrics(keys, looked.has_own_tokens);
  metrics.n_rows = std::ssize(looked.rows);
  metrics.n_rows_total = head.seq_q();
  metrics.n_rows_broken = n_broken;
  metrics.largest_sum_error = largest_sum_error;
  return metrics;
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
  std::vector<std::vector<HeadMetrics>> all(trace.layers.size(), std::vector<HeadMetrics>(static_cast<std::size_t>(n_heads)));
  std::vector<std::vector<std::int64_t>> rows;  // of each layer
  for (const LayerTrace& layer : trace.layers)
    rows.push_back(sample_rows(matrix_size(trace, layer).seq_q, options.max_rows));
  const auto measure_item = [&](std::int64_t item, int) {
    const auto l = static_cast<std::size_t>(item / n_heads), h = static_cast<std::size_t>(item % n_heads);
    const LayerTrace& layer = trace.layers[l];
    const std::int64_t index = layer.index_of(item % n_heads);
    if (rows[l].empty()) return;
    const Looked looked{rows[l], has_own_tokens(trace, layer)};
    if (index < 0) {
      all[l][h].is_pruned = true;
    } else if (layer.stored != nullptr) {
      all[l][h] = measure_stored(StoredHead(layer, index, Quantity::kProbs), layer.mask, looked, options.stop);
    } else {
      all[l][h] = measure_head(view_head(layer, index), looked, options.stop);
    }
  };
  const std::int64_t n_items = std::ssize(trace.layers) * n_heads;
  if (options.pool != nullptr) {
    options.pool->parallel_for(n_items, measure_item, options.stop);
    return all;
  }
  for (std::int64_t item = 0; item < n_items; ++item) {
    if (options.stop.stop_requested()) throw Cancelled();
    measure_item(item, 0);
  }
  return all;
}

}  // namespace headroom
