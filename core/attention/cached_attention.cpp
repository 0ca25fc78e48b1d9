#include "core/attention/cached_attention.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <vector>

#include "core/attention/cached_plain.h"
#include "core/tensor/error.h"
#include "core/tensor/tensor.h"

namespace headroom {
namespace {

using cached_detail::CachedCall;

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

struct CachedAttention::State {
  explicit State(ThreadPool& threads) : pool(threads) {}

  ThreadPool& pool;
};

CachedAttention::CachedAttention(ThreadPool& pool) : state_(std::make_unique<State>(pool)) {}
CachedAttention::~CachedAttention() = default;
CachedAttention::CachedAttention(CachedAttention&&) noexcept = default;
CachedAttention& CachedAttention::operator=(CachedAttention&&) noexcept = default;

void CachedAttention::run(const AttentionConfig& config, const ConstHeadsView& q, const CachedPages& pages,
                          const CachedOutputs& outputs, std::stop_token stop) {
  const CachedCall call{config, q, pages, outputs};
  check_call(call);
  std::vector<AttentionWork> work(static_cast<std::size_t>(config.n_heads));
  state_->pool.parallel_for(
      config.n_heads,
      [&](std::int64_t head, int) {
        if (config.is_pruned(head)) return clear_head(call, head);
        run_plain_head(call, head, work[static_cast<std::size_t>(head)]);
      },
      stop);
  if (outputs.work == nullptr) return;
  *outputs.work = {};
  for (const AttentionWork& head : work) {
    outputs.work->flops += head.flops;
    outputs.work->bytes_moved += head.bytes_moved;
    outputs.work->bytes_allocated += head.bytes_allocated;
  }
}

}  // namespace headroom
