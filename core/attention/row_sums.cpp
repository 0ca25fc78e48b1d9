#include "core/attention/row_sums.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "core/attention/sum_kernel.h"
#include "core/tensor/error.h"
#include "core/tensor/tensor.h"

namespace headroom {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
/// A NaN that no computation makes, so that every float can be a row's value.
constexpr std::uint32_t kUnknown = 0x7fc0'0bad;

/// With as many rows a key that is brought near is used often enough, and their queries still fit beside it.
constexpr std::int64_t kRowsPerItem = 768;

void check_view(const char* name, const ConstHeadsView& view, std::int64_t n_heads, std::int64_t seq, std::int64_t d_head) {
  const bool fits = view.batch == 1 && view.n_heads == n_heads && view.seq == seq && view.d_head == d_head;
  if (fits && (view.data != nullptr || n_heads == 0)) return;
  const std::int64_t actual[] = {view.batch, view.n_heads, view.seq, view.d_head}, wanted[] = {1, n_heads, seq, d_head};
  throw ShapeError("row sums need a " + std::string(name) + " of the shape " + shape_text(wanted) + ", and this one has " +
                   (view.data == nullptr ? "no data" : shape_text(actual)));
}

}  // namespace

RowSums::RowSums(AttentionConfig config, ConstHeadsView q, ConstHeadsView k) : config_(std::move(config)), q_(q), k_(k) {
  if (const auto wrong = validate(config_)) throw ShapeError("row sums cannot be computed: " + *wrong);
  if (config_.batch != 1) throw ShapeError("row sums are of one text, not of a batch of " + std::to_string(config_.batch));
  check_view("q", q_, config_.n_heads, config_.seq_q, config_.d_head);
  check_view("k", k_, config_.n_kv_heads, config_.seq_k, config_.d_head);
  const auto n = static_cast<std::size_t>(config_.n_heads * config_.seq_q);
  slots_ = std::make_unique<Slot[]>(n);
  for (std::size_t i = 0; i < n; ++i)
    slots_[i].logsumexp.store(kUnknown, std::memory_order_relaxed);
}

RowSums::Slot& RowSums::slot(std::int64_t head, std::int64_t row) const {
  if (head < 0 || head >= config_.n_heads || row < 0 || row >= config_.seq_q) {
    throw ShapeError("row " + std::to_string(row) + " of head " + std::to_string(head) + " is not among the " +
                     std::to_string(config_.seq_q) + " rows of " + std::to_string(config_.n_heads) + " heads");
  }
  return slots_[static_cast<std::size_t>(head * config_.seq_q + row)];
}

bool RowSums::is_known(std::int64_t head, std::int64_t row) const {
  return slot(head, row).logsumexp.load(std::memory_order_acquire) != kUnknown;
}

double RowSums::share_known() const {
  const double n = static_cast<double>(config_.n_heads * config_.seq_q);
  return n == 0 ? 1 : static_cast<double>(n_known_.load(std::memory_order_relaxed)) / n;
}

RowSummary RowSums::row(std::int64_t head, std::int64_t row) const {
  if (!is_known(head, row)) compute(head, std::span(&row, 1));
  const Slot& known = slot(head, row);
  const std::uint32_t bits = known.logsumexp.load(std::memory_order_acquire);
  return {.logsumexp = std::bit_cast<float>(bits),
          .smallest = known.smallest.load(std::memory_order_relaxed),
          .largest = known.largest.load(std::memory_order_relaxed),
          .smallest_later = known.smallest_later.load(std::memory_order_relaxed),
          .largest_later = known.largest_later.load(std::memory_order_relaxed)};
}

void RowSums::compute(std::int64_t head, KeyRange rows, std::stop_token stop, ThreadPool* pool) const {
  std::vector<std::int64_t> list(static_cast<std::size_t>(std::max<std::int64_t>(0, rows.end - rows.begin)));
  std::iota(list.begin(), list.end(), rows.begin);
  compute(head, list, stop, pool);
}

void RowSums::compute(std::int64_t head, std::span<const std::int64_t> rows, std::stop_token stop, ThreadPool* pool) const {
  std::vector<std::int64_t> wanted;
  for (const std::int64_t row : rows) {
    if (!is_known(head, row)) wanted.push_back(row);
  }
  std::ranges::sort(wanted);
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  const std::int64_t n = std::ssize(wanted), n_threads = pool != nullptr ? pool->n_threads() : 1;
  if (n == 0) return;
  const std::int64_t lanes = score_detail::lanes();
  const std::int64_t even_share = (n + n_threads - 1) / n_threads;
  const std::int64_t share = (std::min(even_share, kRowsPerItem) + lanes - 1) / lanes * lanes;
  const std::int64_t n_items = (n + share - 1) / share;
  const auto compute_item = [&](std::int64_t item, int) {
    const std::int64_t begin = (n_items - 1 - item) * share;  // late rows of a causal mask cost most: they must not come last
    compute_rows(head,
                 std::span(wanted).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(std::min(share, n - begin))),
                 stop);
  };
  if (pool != nullptr && n_items > 1) {
    pool->parallel_for(n_items, compute_item, stop);
    return;
  }
  for (std::int64_t item = 0; item < n_items; ++item)
    compute_item(item, 0);
}

void RowSums::compute_rows(std::int64_t head, std::span<const std::int64_t> rows, const std::stop_token& stop) const {
  if (config_.is_pruned(head)) {
    for (const std::int64_t row : rows)
      learn(head, row, {-kInfinity, kInfinity, -kInfinity, kInfinity, -kInfinity});
    return;
  }
  const score_detail::ScoreSource source{.q = q_.row(0, head, 0),
                                         .q_stride = q_.row_stride,
                                         .k = k_.row(0, config_.kv_head(head), 0),
                                         .k_stride = k_.row_stride,
                                         .d_head = config_.d_head,
                                         .seq_k = config_.seq_k,
                                         .scale = config_.effective_scale(),
                                         .mask = &config_.mask,
                                         .soft_cap = config_.soft_cap,
                                         .bias = config_.position_bias != nullptr ? config_.position_bias->row(head) : nullptr,
                                         .reach = config_.position_bias != nullptr ? config_.position_bias->reach : 0};
  std::vector<score_detail::LaneBlock> blocks = score_detail::make_blocks(source, rows);
  for (score_detail::LaneBlock& block : blocks)
    score_detail::begin_sums(block);
  AlignedBuffer<float> scratch(score_detail::scratch_size());
  const auto add = [&](score_detail::LaneBlock& block, const score_detail::KeyChunk& chunk) {
    score_detail::add_chunk({source, block, chunk, scratch.data()});
  };
  score_detail::for_each_chunk(source, blocks, {0, config_.seq_k}, add, stop);
  for (score_detail::LaneBlock& block : blocks) {
    for (std::int64_t lane = 0; lane < block.n_rows(); ++lane)
      learn(head, block.rows()[static_cast<std::size_t>(lane)], score_detail::end_sums(block, lane));
  }
}

void RowSums::learn(std::int64_t head, std::int64_t row, const RowSummary& found) const {
  Slot& target = slot(head, row);
  target.smallest.store(found.smallest, std::memory_order_relaxed);
  target.largest.store(found.largest, std::memory_order_relaxed);
  target.smallest_later.store(found.smallest_later, std::memory_order_relaxed);
  target.largest_later.store(found.largest_later, std::memory_order_relaxed);
  const std::uint32_t before = target.logsumexp.exchange(std::bit_cast<std::uint32_t>(found.logsumexp), std::memory_order_acq_rel);
  if (before == kUnknown) n_known_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace headroom
