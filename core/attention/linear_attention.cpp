#include "core/attention/linear_attention.h"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "core/attention/linear_attention_kernel.h"
#include "core/tensor/aligned_buffer.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using linear_attention_detail::Call;
using linear_attention_detail::Group;

/// Query heads of each K/V head, pruned ones left out.
struct Groups {
  std::vector<std::int64_t> heads;
  std::vector<Group> groups;
};

Groups group_heads(const AttentionConfig& config) {
  Groups result;
  result.heads.reserve(static_cast<std::size_t>(config.n_heads));
  std::vector<std::size_t> begins;
  for (std::int64_t kv_head = 0; kv_head < config.n_kv_heads; ++kv_head) {
    begins.push_back(result.heads.size());
    for (std::int64_t head = 0; head < config.n_heads; ++head) {
      if (config.kv_head(head) == kv_head && !config.is_pruned(head)) result.heads.push_back(head);
    }
  }
  begins.push_back(result.heads.size());
  for (std::int64_t b = 0; b < config.batch; ++b) {
    for (std::size_t kv_head = 0; kv_head + 1 < begins.size(); ++kv_head) {
      const auto heads =
          std::span<const std::int64_t>(result.heads).subspan(begins[kv_head], begins[kv_head + 1] - begins[kv_head]);
      if (!heads.empty()) result.groups.push_back({b, static_cast<std::int64_t>(kv_head), heads});
    }
  }
  return result;
}

std::int64_t n_real_keys(const AttentionConfig& config, std::int64_t b) {
  return config.mask.key_lengths.empty() ? config.seq_k : config.mask.key_lengths[static_cast<std::size_t>(b)];
}

/// Rows of one segment, and keys that it finds summed up beside those of the segments before.
struct Segment {
  KeyRange rows, keys;
};

/// Segment s of n: rows shared out evenly. Causal rows bring their own keys, so a segment sums up only what lies before its first row and
/// behind the first row of the segment before; bidirectional ones see all keys, and the segments share those out.
Segment segment_of(const AttentionConfig& config, std::int64_t b, std::int64_t s, std::int64_t n) {
  const std::int64_t chunk = linear_attention_detail::chunk_keys();
  const auto border = [chunk, n](std::int64_t count, std::int64_t at) {
    return at == n ? count : std::min(count, (count * at / n + chunk - 1) / chunk * chunk);
  };
  const std::int64_t n_keys = n_real_keys(config, b);
  Segment segment{{border(config.seq_q, s), border(config.seq_q, s + 1)}, {border(n_keys, s), border(n_keys, s + 1)}};
  if (config.mask.direction == Direction::kBidirectional) return segment;
  const std::int64_t before = s == 0 ? 0 : std::min(n_keys, config.mask.query_offset + border(config.seq_q, s - 1));
  segment.keys = {before, std::min(n_keys, config.mask.query_offset + segment.rows.begin)};
  return segment;
}

void clear_pruned_heads(const AttentionConfig& config, const LinearAttentionOutputs& outputs) {
  for (std::int64_t b = 0; b < config.batch; ++b) {
    for (std::int64_t head = 0; head < config.n_heads; ++head) {
      for (std::int64_t i = 0; config.is_pruned(head) && i < config.seq_q; ++i) {
        std::fill_n(outputs.out.row(b, head, i), config.d_head, 0.0F);
        if (!outputs.normaliser.empty())
          outputs.normaliser[static_cast<std::size_t>((b * config.n_heads + head) * config.seq_q + i)] = 0;
      }
    }
  }
}

/// What the kernel does for these shapes; a chunk's pairs are computed whole and the hidden ones then cleared.
AttentionWork count_work(const AttentionConfig& config, const Groups& groups, std::int64_t n_segments) {
  AttentionWork work;
  const auto d_head = static_cast<double>(config.d_head), seq_q = static_cast<double>(config.seq_q);
  const bool is_causal = config.mask.direction == Direction::kCausal;
  for (const Group& group : groups.groups) {
    const auto n_heads = static_cast<double>(group.heads.size()), n_keys = static_cast<double>(n_real_keys(config, group.b));
    const double own_keys = is_causal ? std::clamp(n_keys - static_cast<double>(config.mask.query_offset), 0.0, seq_q) : 0;
    // A row with the sums; its products with the keys of its chunk; each key into the sums, twice where segments look ahead.
    work.flops += n_heads * seq_q * 2 * d_head * d_head;
    work.flops += n_heads * own_keys * 4 * d_head * static_cast<double>(linear_attention_detail::chunk_keys());
    work.flops += (n_keys + (n_segments > 1 ? own_keys : 0)) * 2 * d_head * d_head;
    work.bytes_moved += 4 * (n_heads * 2 * seq_q + (n_segments > 1 && is_causal ? 4 : 2) * n_keys) * d_head;
  }
  return work;
}

}  // namespace

/// Kept between calls.
struct LinearAttention::Memory {
  AlignedBuffer<float> sums;                  // [groups, segments, sums_size]
  std::vector<AlignedBuffer<float>> scratch;  // one per thread
};

LinearAttention::LinearAttention(ThreadPool& pool) : pool_(pool), memory_(std::make_unique<Memory>()) {
  memory_->scratch.resize(static_cast<std::size_t>(pool.n_threads()));
}

LinearAttention::~LinearAttention() = default;

Support LinearAttention::supports(const AttentionConfig& config) {
  if (const auto wrong = validate(config)) return {false, *wrong};
  if (config.mask.pattern.kind != PatternKind::kDense)
    return {false, "linear attention knows no pattern, only causal and bidirectional"};
  if (config.dropout) return {false, "linear attention has no probabilities that dropout could drop"};
  if (config.scale) return {false, "linear attention has no score scale: its features are not proportional to q"};
  if (config.kv_storage != KvStorage::kFloat32) return {false, "linear attention reads float32 keys and values only"};
  return {};
}

void LinearAttention::run(const AttentionConfig& config, const AttentionInputs& inputs, const LinearAttentionOutputs& outputs,
                          std::stop_token stop) {
  if (const Support support = supports(config); !support.ok) throw ShapeError(support.reason);
  const auto n_rows = static_cast<std::size_t>(config.batch * config.n_heads * config.seq_q);
  std::vector<float> unused(outputs.normaliser.empty() ? n_rows : 0);
  check_arguments(config, inputs, {outputs.out, outputs.normaliser.empty() ? std::span<float>(unused) : outputs.normaliser, {}});
  clear_pruned_heads(config, outputs);
  const Groups groups = group_heads(config);
  const auto n_groups = static_cast<std::int64_t>(groups.groups.size());
  if (n_groups == 0) return;

  // Segments cost a second pass over the keys, so only where the K/V heads alone do not keep all threads busy.
  constexpr std::int64_t kMinRows = 512;
  const std::int64_t n_wanted = n_groups % pool_.n_threads() == 0 ? 1 : (2 * pool_.n_threads() + n_groups - 1) / n_groups;
  const std::int64_t n_segments = std::clamp<std::int64_t>(std::max(config.seq_q, config.seq_k) / kMinRows, 1, n_wanted);
  const std::size_t sums_size = linear_attention_detail::sums_size(config.d_head);
  const std::size_t scratch_size = linear_attention_detail::scratch_size(config.d_head);
  const auto n_items = n_groups * n_segments;
  if (memory_->sums.size() < static_cast<std::size_t>(n_items) * sums_size)
    memory_->sums = AlignedBuffer<float>(static_cast<std::size_t>(n_items) * sums_size);
  for (AlignedBuffer<float>& scratch : memory_->scratch) {
    if (scratch.size() < scratch_size) scratch = AlignedBuffer<float>(scratch_size);
  }
  const Call call{config, inputs, outputs};
  const auto sums = [&](std::int64_t item) { return memory_->sums.data() + static_cast<std::size_t>(item) * sums_size; };
  const auto scratch = [&](int thread) { return memory_->scratch[static_cast<std::size_t>(thread)].data(); };
  const auto group_of = [&](std::int64_t item) -> const Group& {
    return groups.groups[static_cast<std::size_t>(item / n_segments)];
  };

  pool_.parallel_for(
      n_items,
      [&](std::int64_t item, int thread) {
        std::fill_n(sums(item), sums_size, 0.0F);
        const Group& group = group_of(item);
        linear_attention_detail::add_keys(call, group, segment_of(config, group.b, item % n_segments, n_segments).keys,
                                          {sums(item), scratch(thread)});
      },
      stop);
  // Each segment's sums become those of all keys before it, or of all keys.
  const bool is_causal = config.mask.direction == Direction::kCausal;
  for (std::int64_t item = 1; item < n_items; ++item) {
    if (item % n_segments == 0) continue;
    std::transform(sums(item), sums(item) + sums_size, sums(item - 1), sums(item), std::plus<>());
  }
  for (std::int64_t item = n_items - 2; item >= 0 && !is_causal; --item) {
    if (item % n_segments != n_segments - 1) std::copy_n(sums(item + 1), sums_size, sums(item));
  }
  pool_.parallel_for(
      n_items,
      [&](std::int64_t item, int thread) {
        const Group& group = group_of(item);
        linear_attention_detail::run_rows(call, group, segment_of(config, group.b, item % n_segments, n_segments).rows,
                                          {sums(item), scratch(thread)});
      },
      stop);
  if (outputs.work == nullptr) return;
  *outputs.work = count_work(config, groups, n_segments);
  outputs.work->bytes_allocated = 4.0 * static_cast<double>(memory_->sums.size() + scratch_size * memory_->scratch.size());
}

}  // namespace headroom
