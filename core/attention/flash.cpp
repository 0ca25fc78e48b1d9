#include <algorithm>
#include <limits>
#include <vector>

#include "core/attention/backend.h"
#include "core/attention/flash_kernel.h"
#include "core/tensor/aligned_buffer.h"
#include "core/tensor/dtype.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using flash_detail::Block;

/// The unpruned heads, those of one K/V head side by side.
struct HeadGroups {
  std::vector<std::int64_t> heads;
  std::vector<std::size_t> begins;  // group of K/V head g: heads[begins[g] ... begins[g + 1])
};

HeadGroups group_heads(const AttentionConfig& config) {
  HeadGroups groups;
  for (std::int64_t kv_head = 0; kv_head < config.n_kv_heads; ++kv_head) {
    groups.begins.push_back(groups.heads.size());
    for (std::int64_t head = 0; head < config.n_heads; ++head) {
      if (config.kv_head(head) == kv_head && !config.is_pruned(head)) groups.heads.push_back(head);
    }
  }
  groups.begins.push_back(groups.heads.size());
  return groups;
}

/// Blocks of all heads, those with the most keys first: under a causal mask late queries cost most, and what is long must not come last.
std::vector<Block> cut_blocks(const AttentionConfig& config, const HeadGroups& groups) {
  const std::int64_t block_rows = flash_detail::block_rows();
  const std::int64_t queries_per_block = std::min(config.seq_q, block_rows);
  const auto heads_per_block = static_cast<std::size_t>(block_rows / queries_per_block);
  std::vector<Block> blocks;
  for (std::int64_t begin = (config.seq_q - 1) / queries_per_block * queries_per_block; begin >= 0; begin -= queries_per_block) {
    for (std::int64_t b = 0; b < config.batch; ++b) {
      for (std::int64_t kv_head = 0; kv_head < config.n_kv_heads; ++kv_head) {
        const std::size_t group_end = groups.begins[static_cast<std::size_t>(kv_head) + 1];
        for (std::size_t h = groups.begins[static_cast<std::size_t>(kv_head)]; h < group_end; h += heads_per_block) {
          const std::span<const std::int64_t> heads(groups.heads.data() + h, std::min(heads_per_block, group_end - h));
          blocks.push_back({b, kv_head, heads, begin, std::min(config.seq_q, begin + queries_per_block)});
        }
      }
    }
  }
  return blocks;
}

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
  explicit FlashBackend(ThreadPool& pool) : pool_(pool), scratch_(static_cast<std::size_t>(pool.n_threads())) {}

  std::string_view name() const override { return "flash"; }
  Support supports(const AttentionConfig& config) const override {
    const auto wrong = validate(config);
    return {!wrong.has_value(), wrong.value_or("")};
  }

  void run(const AttentionConfig& config, const AttentionInputs& inputs, const AttentionOutputs& outputs,
           std::stop_token stop) override {
    check_arguments(config, inputs, outputs);
    if (!outputs.probs.empty()) throw ShapeError("flash never stores probabilities; they follow from q, k and logsumexp");
    if (config.kv_storage != KvStorage::kFloat32) {
      run_widened(config, inputs, outputs, stop);
      return;
    }
    clear_pruned_heads(config, outputs);
    const HeadGroups groups = group_heads(config);
    const std::vector<Block> blocks = cut_blocks(config, groups);
    const flash_detail::Call call{config, inputs, outputs};
    const std::size_t scratch_size = flash_detail::scratch_size(config.d_head);
    const auto run_item = [&](std::int64_t item, int thread) {
      AlignedBuffer<float>& scratch = scratch_[static_cast<std::size_t>(thread)];
      if (scratch.size() < scratch_size) scratch = AlignedBuffer<float>(scratch_size);
      flash_detail::run_block(call, blocks[static_cast<std::size_t>(item)], scratch.span());
    };
    // Waking the other threads costs some microseconds: as much as this many multiplications.
    constexpr double kMinWork = 400e3;
    const double work =
        static_cast<double>(config.batch * config.n_heads * config.seq_q) * static_cast<double>(config.seq_k * config.d_head);
    const auto n_blocks = static_cast<std::int64_t>(blocks.size());
    if (work >= kMinWork) {
      pool_.parallel_for(n_blocks, run_item, stop);
      return;
    }
    for (std::int64_t item = 0; item < n_blocks; ++item) {
      if (stop.stop_requested()) throw Cancelled();
      run_item(item, 0);
    }
  }

 private:
  void run_widened(AttentionConfig config, AttentionInputs inputs, const AttentionOutputs& outputs, std::stop_token stop) {
    const auto widen = [&](const ConstHeads16View& view, std::vector<float>& wide) {
      for (std::int64_t b = 0; b < view.batch; ++b) {
        for (std::int64_t head = 0; head < view.n_heads; ++head) {
          for (std::int64_t j = 0; j < view.seq; ++j) {
            for (std::int64_t c = 0; c < view.d_head; ++c) {
              const std::uint16_t bits = view.row(b, head, j)[c];
              wide.push_back(config.kv_storage == KvStorage::kFloat16 ? from_float16(bits) : from_bfloat16(bits));
            }
          }
        }
      }
      return ConstHeadsView::head_major(wide.data(), view.batch, view.n_heads, view.seq, view.d_head);
    };
    std::vector<float> k, v;
    inputs.k = widen(inputs.k16, k);
    inputs.v = widen(inputs.v16, v);
    config.kv_storage = KvStorage::kFloat32;
    run(config, inputs, outputs, std::move(stop));
  }

  ThreadPool& pool_;
  std::vector<AlignedBuffer<float>> scratch_;  // one per thread, kept between calls
};

}  // namespace

std::unique_ptr<AttentionBackend> make_flash_backend(ThreadPool& pool) { return std::make_unique<FlashBackend>(pool); }

}  // namespace headroom
