#include "core/gl/slice_walk.h"

#include <algorithm>

namespace headroom::gl {

SliceWalk::SliceWalk(const AttentionConfig& config, const std::vector<std::int64_t>& active, const HeadsPlace& out, std::int64_t d4,
                     const Limits& limits)
    : active_(active), out_(out), limits_(limits), batch_(config.batch), seq_q_(config.seq_q), d4_(d4) {
  if (active_.empty() || seq_q_ == 0) b_ = batch_;
}

Span4 SliceWalk::out_span(const Slice& slice) const {
  const auto head = [&](std::int64_t active) { return active_[static_cast<std::size_t>(active)] * out_.head; };
  const std::int64_t first = out_.at + slice.first_batch * out_.batch + head(slice.first_active) + slice.first_query * out_.row;
  const std::int64_t last = out_.at + (slice.first_batch + slice.n_batch - 1) * out_.batch +
                            head(slice.first_active + slice.n_active - 1) + (slice.first_query + slice.n_queries - 1) * out_.row;
  return {first, last + d4_};
}

/// From where the walk stands, without the limits on out.
Slice SliceWalk::unlimited(std::int64_t rows) const {
  const auto n_active = static_cast<std::int64_t>(active_.size());
  const bool is_at_batch = a_ == 0 && i_ == 0;
  if (is_at_batch && n_active * seq_q_ <= rows && seq_q_ <= limits_.queries && n_active <= limits_.groups) {
    const std::int64_t batches = std::min({batch_ - b_, rows / (n_active * seq_q_), limits_.groups / n_active});
    return {b_, batches, 0, n_active, 0, seq_q_};
  }
  if (i_ == 0 && seq_q_ <= rows && seq_q_ <= limits_.queries) {
    return {b_, 1, a_, std::min({n_active - a_, rows / seq_q_, limits_.groups}), 0, seq_q_};
  }
  const std::int64_t most = std::min({std::max(rows, limits_.granule), limits_.queries, limits_.rows});
  const std::int64_t cut = std::max(most / limits_.granule * limits_.granule, std::min(limits_.granule, limits_.rows));
  return {b_, 1, a_, 1, i_, std::min(cut, seq_q_ - i_)};
}

std::optional<Slice> SliceWalk::next(double rows) {
  if (b_ >= batch_) return std::nullopt;
  Slice slice = unlimited(std::min(static_cast<std::int64_t>(std::clamp(rows, 1.0, 1e12)), limits_.rows));
  while (slice.n_batch > 1 && out_span(slice).size() > limits_.out4)
    slice.n_batch /= 2;
  while (slice.n_active > 1 && out_span(slice).size() > limits_.out4)
    slice.n_active /= 2;
  if (out_span(slice).size() > limits_.out4) {
    slice.n_queries = std::clamp<std::int64_t>((limits_.out4 - d4_) / std::max<std::int64_t>(out_.row, 1), 1, slice.n_queries);
  }
  // Less than a whole head or batch entry: go on inside it.
  i_ = slice.first_query + slice.n_queries;
  a_ = slice.first_active;
  b_ = slice.first_batch;
  if (i_ < seq_q_) return slice;
  i_ = 0;
  a_ += slice.n_active;
  if (a_ < static_cast<std::int64_t>(active_.size())) return slice;
  a_ = 0;
  b_ += slice.n_batch;
  return slice;
}

}  // namespace headroom::gl
