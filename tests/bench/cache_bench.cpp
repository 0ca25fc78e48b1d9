// One token attends over a cache in pages, for each number format and page length: bytes of K and V read in a second, beside what this
// machine reads of the same memory and beside flash decoding of a contiguous cache, all in the same windows. Pages lie in a random order.
// "near": a short cache read again and again; "far": caches in rotation that no processor's cache holds. One thread is timed by its
// processor time. Each case is checked against flash attention over the rows that the pages hold before it is timed.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/attention/cached_attention.h"
#include "core/speed/commit.h"
#include "core/speed/problem.h"
#include "core/tensor/machine.h"

namespace {

using namespace headroom;

constexpr double kFarBytes = 256e6;

AttentionConfig decode_config(std::int64_t n_heads, std::int64_t n_kv_heads, std::int64_t d_head, std::int64_t seq_k) {
  AttentionConfig config;
  config.n_heads = n_heads;
  config.n_kv_heads = n_kv_heads;
  config.d_head = d_head;
  config.seq_k = seq_k;
  config.mask.query_offset = seq_k - 1;
  return config;
}

struct Case {
  std::string shape;
  AttentionConfig config;
  RowFormat format;
  std::int64_t page_rows;
  double least_bytes;  ///< of all copies
};

/// Copies of a cache, each in pages of random order, with K and V as flash decoding reads them.
class Caches {
 public:
  explicit Caches(const Case& c)
      : layout_(page_layout({c.format, c.config.n_kv_heads, c.config.d_head, c.page_rows})),
        n_pages_((c.config.seq_k + c.page_rows - 1) / c.page_rows),
        stride_((layout_.bytes + 63) / 64 * 64),
        k_(static_cast<std::size_t>(c.config.n_kv_heads * c.config.seq_k * c.config.d_head)),
        v_(k_.size()) {
    fill_values(k_.span(), 1);
    fill_values(v_.span(), 2);
    const auto copies = std::max(1.0, std::ceil(c.least_bytes / static_cast<double>(n_pages_ * stride_)));
    n_copies_ = static_cast<std::int64_t>(copies);
    memory_ = AlignedBuffer<std::byte>(static_cast<std::size_t>(n_copies_ * n_pages_ * stride_));
    std::mt19937_64 random(7);
    for (std::int64_t copy = 0; copy < n_copies_; ++copy)
      fill(c.config, copy, random);
  }

  CachedPages pages(std::int64_t n_rows) const {
    return {layout_,
            n_rows,
            std::span(parts_).subspan(static_cast<std::size_t>(copy_ * n_pages_), static_cast<std::size_t>(n_pages_)),
            {}};
  }
  std::span<const std::byte> memory() const {
    const auto bytes = static_cast<std::size_t>(n_pages_ * stride_);
    return memory_.span().subspan(static_cast<std::size_t>(copy_) * bytes, bytes);
  }
  void turn_to_next_copy() { copy_ = (copy_ + 1) % n_copies_; }
  /// What the pages hold.
  AttentionInputs inputs(const AttentionConfig& config) const {
    AttentionInputs inputs;
    inputs.k = ConstHeadsView::head_major(k_.data(), 1, config.n_kv_heads, config.seq_k, config.d_head);
    inputs.v = ConstHeadsView::head_major(v_.data(), 1, config.n_kv_heads, config.seq_k, config.d_head);
    return inputs;
  }

 private:
  void fill(const AttentionConfig& config, std::int64_t copy, std::mt19937_64& random) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(n_pages_));
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    for (const std::int64_t at : order)
      parts_.push_back(memory_.data() + (copy * n_pages_ + at) * stride_);
    for (std::int64_t head = 0; head < config.n_kv_heads; ++head) {
      for (std::int64_t slot = 0; slot < config.seq_k; ++slot) {
        const std::int64_t page = copy * n_pages_ + slot / layout_.page_rows;
        std::byte* const part = memory_.data() + (parts_[static_cast<std::size_t>(page)] - memory_.data());
        float* const k = k_.data() + (head * config.seq_k + slot) * config.d_head;
        float* const v = v_.data() + (head * config.seq_k + slot) * config.d_head;
        const PageSlot to{part, head, slot % layout_.page_rows};
        write_cached_row(layout_, to, k, v);
        read_cached_row(layout_, to, k, v);
      }
    }
  }

  PageLayout layout_;
  std::int64_t n_pages_, stride_, n_copies_ = 1, copy_ = 0;
  AlignedBuffer<float> k_, v_;
  AlignedBuffer<std::byte> memory_;
  std::vector<const std::byte*> parts_;
};

/// q and room for what attention gives.
struct Query {
  explicit Query(const AttentionConfig& config)
      : q(static_cast<std::size_t>(config.n_heads * config.d_head)),
        out(q.size()),
        logsumexp(static_cast<std::size_t>(config.n_heads)),
        q_view(ConstHeadsView::head_major(q.data(), 1, config.n_heads, 1, config.d_head)),
        out_view(HeadsView::head_major(out.data(), 1, config.n_heads, 1, config.d_head)) {
    fill_values(q.span(), 3);
  }
  AlignedBuffer<float> q, out, logsumexp;
  ConstHeadsView q_view;
  HeadsView out_view;
};

void check(const Case& c, const Caches& caches, CachedAttention& attention, ThreadPool& pool) {
  Query query(c.config), expected(c.config);
  attention.run(c.config, query.q_view, caches.pages(c.config.seq_k), {query.out_view, query.logsumexp.span(), {}});
  AttentionInputs inputs = caches.inputs(c.config);
  inputs.q = expected.q_view;
  make_flash_backend(pool)->run(c.config, inputs, {expected.out_view, expected.logsumexp.span(), {}});
  for (std::size_t i = 0; i < expected.out.size(); ++i) {
    if (!(std::abs(query.out[i] - expected.out[i]) <= 1e-4F)) throw std::runtime_error("not timed, it is wrong: " + c.shape);
  }
}

/// Bytes over the processor time (of several threads: the time) that a call takes.
template <typename Call>
double rate(int threads, double bytes, const Call& call) {
  const WorkClock clock(threads);
  call();
  return 1e-9 * bytes / clock.seconds();
}

void run(benchmark::State& state, const Case& c, int threads) {
  ThreadPool pool(threads);
  CachedAttention attention(pool);
  Caches caches(c);
  check(c, caches, attention, pool);
  Query query(c.config);
  AttentionConfig contiguous = c.config;
  const bool has_flash = !has_scale(c.format);
  contiguous.kv_storage = c.format == RowFormat::kFloat16    ? KvStorage::kFloat16
                          : c.format == RowFormat::kBFloat16 ? KvStorage::kBFloat16
                                                             : KvStorage::kFloat32;
  AttentionProblem flash_problem(contiguous, c.least_bytes);
  const auto flash = make_flash_backend(pool);
  AttentionWork work;
  const auto attend = [&] {
    attention.run(c.config, query.q_view, caches.pages(c.config.seq_k), {query.out_view, query.logsumexp.span(), {}, &work});
  };
  attend();
  const double bytes = static_cast<double>(2 * c.config.n_kv_heads * c.config.seq_k * row_bytes(c.format, c.config.d_head).total());
  double best = 0, best_read = 0, best_flash = 0;
  int turn = 0;
  for (auto _ : state) {
    caches.turn_to_next_copy();
    const std::array blocks{caches.memory()};
    best_read = std::max(best_read, read_gbps(pool, blocks, ++turn % 2 == 0 ? ReadOrder::kOneStream : ReadOrder::kFourStreams));
    if (has_flash) {
      flash_problem.turn_to_next_copy();
      best_flash = std::max(best_flash,
                            rate(threads, bytes, [&] { flash->run(contiguous, flash_problem.inputs(), flash_problem.outputs()); }));
    }
    caches.turn_to_next_copy();
    const double now = rate(threads, bytes, attend);
    state.SetIterationTime(1e-9 * bytes / now);
    best = std::max(best, now);
  }
  state.counters["GB/s"] = best;
  state.counters["read_GB/s"] = best_read;
  state.counters["%read"] = 100 * best / best_read;
  if (has_flash) state.counters["flash_GB/s"] = best_flash;
  state.counters["ns/row"] = bytes / best / static_cast<double>(c.config.n_kv_heads * c.config.seq_k);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("commit", source_commit());
  benchmark::AddCustomContext("cpu", cpu_name());
  benchmark::AddCustomContext("simd", simd_name());
  std::vector<int> thread_counts{1};
  if (const int all = ThreadPool().n_threads(); all > 1) thread_counts.push_back(all);
  struct Shape {
    const char* name;
    std::int64_t n_heads, n_kv_heads, d_head;
  };
  for (const int threads : thread_counts) {
    for (const Shape& shape : {Shape{"heads_12_of_64", 12, 12, 64}, Shape{"heads_32_on_8_of_128", 32, 8, 128}}) {
      for (const bool is_far : {false, true}) {
        const AttentionConfig config = decode_config(shape.n_heads, shape.n_kv_heads, shape.d_head, is_far ? 8192 : 256);
        for (const RowFormat format :
             {RowFormat::kFloat32, RowFormat::kFloat16, RowFormat::kBFloat16, RowFormat::kInt8, RowFormat::kInt4}) {
          for (const std::int64_t page_rows : {1, 16, 64, 8192}) {
            const Case c{shape.name, config, format, page_rows, is_far ? kFarBytes : 0};
            const std::string name = c.shape + (is_far ? "/far/" : "/near/") + row_format_name(format) +
                                     "/page:" + std::to_string(page_rows) + "/threads:" + std::to_string(threads);
            benchmark::RegisterBenchmark(name.c_str(), [c, threads](benchmark::State& state) { run(state, c, threads); })
                ->UseManualTime()
                ->Iterations(is_far ? 24 : 400)
                ->Unit(benchmark::kMillisecond);
          }
        }
      }
    }
  }
  try {
    benchmark::RunSpecifiedBenchmarks();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  benchmark::Shutdown();
  return 0;
}
