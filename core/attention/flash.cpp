#include <algorithm>
#include <limits>
#include <vector>

#include "core/attention/backend.h"
#include "core/attention/flash_decode.h"
#include "core/attention/flash_kernel.h"
#include "core/attention/flash_plan.h"
#include "core/tensor/aligned_buffer.h"
#include "core/tensor/error.h"
#include "core/tensor/work_count.h"

namespace headroom {
namespace {

using flash_detail::Item;
using flash_detail::Result;

void clear_pruned_heads(const AttentionConfig& config, const AttentionOutputs& outputs) {
  for (std::int64_t b = 0; b < config.batch; ++b) {
    for (std::int64_t head = 0; head < config.n_heads; ++head) {
      if (!config.is_pruned(head)) continue;
      for (std::int64_t i = 0; i < config.seq_q; ++i) {
        std::fill_n(outputs.out.row(b, head, i), config.d_head, 0.0F);
        outputs.logsumexp[static_cast<std::size_t>((b * config.n_heads + head) * config.seq_q + i)] =
            -std::numeric_limits<float>::infinity();
      }
    }
  }
}

/// Tiled attention with a running maximum and sum: memory grows with seq, never with its square.
/// Source  Dao et al. 2022, arXiv:2205.14135, algorithm 1; the order of loops as in Dao 2023, arXiv:2307.08691.
class FlashBackend final : public AttentionBackend {
 public:
  explicit FlashBackend(ThreadPool& pool) : pool_(pool), threads_(static_cast<std::size_t>(pool.n_threads())), decoder_(pool) {}

  std::string_view name() const override { return "flash"; }
  Support supports(const AttentionConfig& config) const override {
    const auto wrong = validate(config);
    return {!wrong.has_value(), wrong.value_or("")};
  }

  void run(const AttentionConfig& config, const AttentionInputs& inputs, const AttentionOutputs& outputs,
           std::stop_token stop) override {
    check_arguments(config, inputs, outputs);
    if (!outputs.probs.empty()) throw ShapeError("flash never stores probabilities; they follow from q, k and logsumexp");
    clear_pruned_heads(config, outputs);
    plan_.make(config, flash_detail::rows_per_item());
    for (Thread& thread : threads_)
      thread.work = {};
    const flash_detail::Call call{config, inputs, outputs, plan_};
    AttentionWork decoded;
    std::int64_t n_rows = 0;  // of q and of the result, as often as they are read and written
    if (flash_detail::Decoder::suits(call)) {
      decoder_.run(call, stop, decoded);
      for (const flash_detail::HeadGroup& group : plan_.groups())
        n_rows += config.batch * config.seq_q * group.size();
    } else {
      run_items(call, plan_.items(), Result::kWritten, stop);
      run_items(call, plan_.merged_items(), Result::kMerged, stop);
      for (const std::span<const Item> items : {plan_.items(), plan_.merged_items()})
        for (const Item& item : items)
          n_rows += item.row_end - item.row_begin;
    }
    const AttentionWork work = count_work(decoded);
    const double query_bytes = 8 * static_cast<double>(n_rows * config.d_head);
    record_work({.attention_flops = work.flops, .kv_bytes = work.bytes_moved - query_bytes, .query_bytes = query_bytes});
    if (outputs.work != nullptr) *outputs.work = work;
  }

 private:
  struct Thread {
    AlignedBuffer<float> scratch;  // kept between calls
    AttentionWork work;
  };

  void run_items(const flash_detail::Call& call, std::span<const Item> items, Result result, const std::stop_token& stop) {
    const std::size_t scratch_size = flash_detail::scratch_size(call.config);
    const auto run_item = [&](std::int64_t item, int thread_index) {
      Thread& thread = threads_[static_cast<std::size_t>(thread_index)];
      if (thread.scratch.size() < scratch_size) thread.scratch = AlignedBuffer<float>(scratch_size);
      flash_detail::run_item(call, items[static_cast<std::size_t>(item)], result, thread.scratch.span(), thread.work);
    };
    // Waking the other threads costs some microseconds: as much as this many pairs of 64 dimensions.
    constexpr double kMinPairs = 8e3;
    double pairs = 0;
    for (const Item& item : items) {
      pairs += item.cost;
      if (pairs >= kMinPairs) break;
    }
    const auto n_items = static_cast<std::int64_t>(items.size());
    if (pairs >= kMinPairs) {
      pool_.parallel_for(n_items, run_item, stop);
      return;
    }
    for (std::int64_t item = 0; item < n_items; ++item) {
      if (stop.stop_requested()) throw Cancelled();
      run_item(item, 0);
    }
  }

  AttentionWork count_work(AttentionWork work) const {
    for (const Thread& thread : threads_) {
      work.flops += thread.work.flops;
      work.bytes_moved += thread.work.bytes_moved;
      work.bytes_allocated += static_cast<double>(thread.scratch.size() * sizeof(float));
    }
    return work;
  }

  ThreadPool& pool_;
  std::vector<Thread> threads_;
  flash_detail::Plan plan_;
  flash_detail::Decoder decoder_;
};

}  // namespace

std::unique_ptr<AttentionBackend> make_flash_backend(ThreadPool& pool) { return std::make_unique<FlashBackend>(pool); }

}  // namespace headroom
