#include "core/attention/cached_attention.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "core/attention/cached_call.h"
#include "core/attention/cached_kernel.h"
#include "core/attention/flash_kernel.h"
#include "core/tensor/aligned_buffer.h"
#include "core/tensor/error.h"
#include "core/tensor/tensor.h"
#include "core/tensor/work_count.h"

namespace headroom {
namespace {

using cached_detail::CachedCall;
using cached_detail::CachedItem;
using cached_detail::CachedTask;

template <typename T>
void check_heads(const char* name, const BasicHeadsView<T>& view, const AttentionConfig& config) {
  const std::array<std::int64_t, 4> shape{1, config.n_heads, config.seq_q, config.d_head};
  const std::array<std::int64_t, 4> actual{view.batch, view.n_heads, view.seq, view.d_head};
  if (actual != shape)
    throw ShapeError(std::string(name) + " has the shape " + shape_text(actual) + " instead of " + shape_text(shape));
  if (view.data == nullptr) throw ShapeError(std::string(name) + " points to nothing");
}

void check_size(const char* name, std::size_t size, std::int64_t rows, std::int64_t columns) {
  if (static_cast<std::int64_t>(size) == rows * columns) return;
  throw ShapeError(std::string(name) + " has " + std::to_string(size) + " elements instead of " + std::to_string(rows) + " x " +
                   std::to_string(columns));
}

void check_pages(const AttentionConfig& config, const CachedPages& pages) {
  const PageLayout& layout = pages.layout;
  if (layout.n_kv_heads != config.n_kv_heads || layout.d_head != config.d_head || layout.page_rows < 1) {
    throw ShapeError("the cache holds " + std::to_string(layout.n_kv_heads) + " heads of " + std::to_string(layout.d_head) +
                     " numbers in pages of " + std::to_string(layout.page_rows) + " rows; attention reads " +
                     std::to_string(config.n_kv_heads) + " heads of " + std::to_string(config.d_head));
  }
  if (pages.n_rows < 0 || pages.n_rows > std::numeric_limits<std::int32_t>::max())
    throw ShapeError("the cache has " + std::to_string(pages.n_rows) + " rows; it must have 0 to 2^31 - 1");
  const std::int64_t n_pages = (pages.n_rows + layout.page_rows - 1) / layout.page_rows;
  if (std::ssize(pages.pages) < n_pages) {
    throw ShapeError("the cache has " + std::to_string(pages.pages.size()) + " pages; " + std::to_string(pages.n_rows) +
                     " rows need " + std::to_string(n_pages));
  }
  if (std::find(pages.pages.begin(), pages.pages.begin() + n_pages, nullptr) != pages.pages.begin() + n_pages)
    throw ShapeError("a page of the cache points to nothing");
  if (!pages.positions.empty()) check_size("positions", pages.positions.size(), config.n_kv_heads, pages.n_rows);
}

void check_call(const CachedCall& call) {
  const AttentionConfig& config = call.config;
  if (const auto wrong = validate(config)) throw ShapeError("attention over a cache cannot run: " + *wrong);
  if (config.batch != 1)
    throw ShapeError("attention over a cache cannot run: batch is " + std::to_string(config.batch) +
                     "; a cache belongs to one sequence");
  if (config.dropout) throw ShapeError("attention over a cache cannot run: it drops nothing, and a dropout is set");
  check_heads("q", call.q, config);
  check_heads("out", call.outputs.out, config);
  check_size("logsumexp", call.outputs.logsumexp.size(), config.n_heads, config.seq_q);
  check_pages(config, call.pages);
  if (!call.outputs.probs.empty()) check_size("probs", call.outputs.probs.size(), config.n_heads, call.pages.n_rows);
}

void clear_head(const CachedCall& call, std::int64_t head) {
  const AttentionConfig& config = call.config;
  for (std::int64_t i = 0; i < config.seq_q; ++i) {
    std::fill_n(call.outputs.out.row(0, head, i), config.d_head, 0.0F);
    call.outputs.logsumexp[static_cast<std::size_t>(head * config.seq_q + i)] = -std::numeric_limits<float>::infinity();
  }
  if (!call.outputs.probs.empty()) std::fill_n(call.outputs.probs.begin() + head * call.pages.n_rows, call.pages.n_rows, 0.0F);
}

}  // namespace

/// Attention of one object: memory stays between calls.
struct CachedAttention::State {
  explicit State(ThreadPool& threads) : pool_(threads), threads_(static_cast<std::size_t>(threads.n_threads())) {}

  void run(const CachedCall& call, const std::stop_token& stop) {
    for (Thread& thread : threads_)
      thread.work = {};
    group_heads(call);
    if (groups_.empty()) return;
    if (!cached_detail::has_cached_kernel()) return run_plain(call, stop);
    cut(call);
    const CachedTask task{call, groups_, heads_};
    if (!call.outputs.probs.empty()) {
      for (const std::int64_t head : heads_)
        std::fill_n(call.outputs.probs.begin() + head * call.pages.n_rows, call.pages.n_rows,
                    -std::numeric_limits<float>::infinity());
    }
    const std::size_t scratch_size = cached_detail::cached_scratch_size(task, queries_per_chunk_);
    for_each(
        n_chunks_ * n_stretches_,
        [&](std::int64_t at, int thread_index) {
          Thread& thread = threads_[static_cast<std::size_t>(thread_index)];
          if (thread.scratch.size() < scratch_size) thread.scratch = AlignedBuffer<float>(scratch_size);
          const std::span<float> partial = partial_.span().subspan(static_cast<std::size_t>(at) * partial_size_, partial_size_);
          cached_detail::run_cached_item(task, item(call, at), partial, thread.scratch.span(), thread.work);
        },
        stop);
    for_each(
        n_chunks_, [&](std::int64_t chunk, int) { merge(call, chunk); }, stop);
    Thread& first = threads_.front();
    first.work.bytes_moved += 8 * static_cast<double>(std::ssize(heads_) * call.config.seq_q * call.config.d_head);
    first.work.bytes_allocated += static_cast<double>(partial_.size() * sizeof(float));
    for (Thread& thread : threads_)
      thread.work.bytes_allocated += static_cast<double>(thread.scratch.size() * sizeof(float));
  }

  WorkCount counted(const CachedCall& call, const AttentionWork& work) const {
    const double query_bytes = 8 * static_cast<double>(std::ssize(heads_) * call.config.seq_q * call.config.d_head);
    return {.attention_flops = work.flops, .kv_bytes = work.bytes_moved - query_bytes, .query_bytes = query_bytes};
  }

  AttentionWork work() const {
    AttentionWork sum;
    for (const Thread& thread : threads_) {
      sum.flops += thread.work.flops;
      sum.bytes_moved += thread.work.bytes_moved;
      sum.bytes_allocated += thread.work.bytes_allocated;
    }
    return sum;
  }

 private:
  struct Thread {
    AlignedBuffer<float> scratch;
    AttentionWork work;
  };

  void group_heads(const CachedCall& call) {
    groups_.clear();
    heads_.clear();
    for (std::int64_t kv_head = 0; kv_head < call.config.n_kv_heads; ++kv_head) {
      const std::size_t begin = heads_.size();
      for (std::int64_t head = 0; head < call.config.n_heads; ++head) {
        if (!call.config.is_pruned(head) && call.config.kv_head(head) == kv_head) heads_.push_back(head);
      }
      if (heads_.size() > begin) groups_.push_back({kv_head, begin, heads_.size()});
    }
  }

  void run_plain(const CachedCall& call, const std::stop_token& stop) {
    pool_.parallel_for(
        std::ssize(heads_),
        [&](std::int64_t at, int thread) {
          cached_detail::run_plain_head(call, heads_[static_cast<std::size_t>(at)],
                                        threads_[static_cast<std::size_t>(thread)].work);
        },
        stop);
  }

  /// Chunks of queries, and where there are few of them stretches of the slots.
  void cut(const CachedCall& call) {
    // More rows would leave the nearest caches; shorter stretches would cost more in merging than they bring in balance.
    constexpr std::int64_t kRowsOfChunk = 64, kFewestSlots = 256, kItemsPerThread = 4;
    const AttentionConfig& config = call.config;
    std::int64_t largest_group = 0;
    for (const flash_detail::HeadGroup& group : groups_)
      largest_group = std::max(largest_group, group.size());
    queries_per_chunk_ = std::min(config.seq_q, std::max<std::int64_t>(1, kRowsOfChunk / largest_group));
    n_chunks_ = (config.seq_q + queries_per_chunk_ - 1) / queries_per_chunk_;
    const KeyRange slots = slots_of(call, {0, config.seq_q});
    const std::int64_t n_slots = slots.end - slots.begin;
    const std::int64_t n_threads = pool_.n_threads(), most = n_threads == 1 ? 1 : kItemsPerThread * n_threads;
    n_stretches_ = std::clamp<std::int64_t>(n_slots / kFewestSlots, 1, std::max<std::int64_t>(1, most / n_chunks_));
    partial_size_ = static_cast<std::size_t>(queries_per_chunk_ * std::ssize(heads_) * (config.d_head + 2));
    const std::size_t size = partial_size_ * static_cast<std::size_t>(n_chunks_ * n_stretches_);
    if (partial_.size() < size) partial_ = AlignedBuffer<float>(size);
    // Waking the other threads costs some microseconds.
    constexpr double kWorthThreads = 5e5;
    is_shared_ =
        static_cast<double>(n_slots * config.seq_q) * static_cast<double>(std::ssize(heads_) * config.d_head) >= kWorthThreads;
  }

  KeyRange queries(const CachedCall& call, std::int64_t chunk) const {
    const std::int64_t begin = chunk * queries_per_chunk_;
    return {begin, std::min(call.config.seq_q, begin + queries_per_chunk_)};
  }

  CachedItem item(const CachedCall& call, std::int64_t at) const {
    // The last queries first: where they see what was before them, they are the costly ones.
    const KeyRange of = queries(call, n_chunks_ - 1 - at / n_stretches_), slots = slots_of(call, of);
    const std::int64_t stretch = at % n_stretches_, length = slots.end - slots.begin;
    return {of, {slots.begin + stretch * length / n_stretches_, slots.begin + (stretch + 1) * length / n_stretches_}};
  }

  template <typename Body>
  void for_each(std::int64_t n, const Body& body, const std::stop_token& stop) {
    if (is_shared_ && n > 1) return pool_.parallel_for(n, body, stop);
    for (std::int64_t at = 0; at < n; ++at) {
      if (stop.stop_requested()) throw Cancelled();
      body(at, 0);
    }
  }

  /// What the stretches found becomes the rows of a chunk of queries.
  void merge(const CachedCall& call, std::int64_t chunk) const {
    const AttentionConfig& config = call.config;
    const std::size_t first = static_cast<std::size_t>((n_chunks_ - 1 - chunk) * n_stretches_) * partial_size_;
    flash_detail::PartialRows rows{partial_.data() + first, partial_size_, static_cast<std::size_t>(n_stretches_),
                                   static_cast<std::size_t>(config.d_head)};
    const KeyRange of = queries(call, chunk);
    for (const flash_detail::HeadGroup& group : groups_) {
      for (std::int64_t query = of.begin; query < of.end; ++query) {
        for (std::size_t at = group.begin; at < group.end; ++at, rows.first += config.d_head + 2) {
          const std::int64_t head = heads_[at];
          const double log2_sum = flash_detail::merge_partials(rows, call.outputs.out.row(0, head, query));
          call.outputs.logsumexp[static_cast<std::size_t>(head * config.seq_q + query)] =
              static_cast<float>(log2_sum * std::numbers::ln2);
          if (call.outputs.probs.empty() || query + 1 != config.seq_q) continue;
          const auto n_rows = static_cast<std::size_t>(call.pages.n_rows);
          cached_detail::finish_probs(call.outputs.probs.subspan(static_cast<std::size_t>(head) * n_rows, n_rows),
                                      static_cast<float>(log2_sum));
        }
      }
    }
  }

  ThreadPool& pool_;
  std::vector<Thread> threads_;
  std::vector<flash_detail::HeadGroup> groups_;
  std::vector<std::int64_t> heads_;
  std::int64_t queries_per_chunk_ = 1, n_chunks_ = 1, n_stretches_ = 1;
  bool is_shared_ = false;
  std::size_t partial_size_ = 0;
  AlignedBuffer<float> partial_;  // [chunks, the last one first, stretches, partial_size_]
};

CachedAttention::CachedAttention(ThreadPool& pool) : state_(std::make_unique<State>(pool)) {}
CachedAttention::~CachedAttention() = default;
CachedAttention::CachedAttention(CachedAttention&&) noexcept = default;
CachedAttention& CachedAttention::operator=(CachedAttention&&) noexcept = default;

void CachedAttention::run(const AttentionConfig& config, const ConstHeadsView& q, const CachedPages& pages,
                          const CachedOutputs& outputs, std::stop_token stop) {
  const CachedCall call{config, q, pages, outputs};
  check_call(call);
  for (std::int64_t head = 0; head < config.n_heads; ++head) {
    if (config.is_pruned(head)) clear_head(call, head);
  }
  state_->run(call, stop);
  const AttentionWork work = state_->work();
  record_work(state_->counted(call, work));
  if (outputs.work != nullptr) *outputs.work = work;
}

}  // namespace headroom
