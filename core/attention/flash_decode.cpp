#include "core/attention/flash_decode.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace headroom::flash_detail {
namespace {

constexpr double kLn2 = 0.6931471805599453;

KeySegment segment_of(const AttentionConfig& config) {
  const bool is_window = config.mask.pattern.kind == PatternKind::kLocalWindow;
  return {{nullptr, 0, 1, config.seq_k}, is_window ? RowRule::kWindow : RowRule::kDirection, config.mask.pattern.window};
}

/// What any query of the entry sees, and what all see.
struct Seen {
  KeyRange any, all;
  bool has_empty_row = false;
};
Seen seen_by(const AttentionConfig& config, std::int64_t b) {
  const KeySegment segment = segment_of(config);
  Seen seen{{config.seq_k, 0}, {0, config.seq_k}, false};
  for (std::int64_t query = 0; query < config.seq_q; ++query) {
    const KeyRange run = rule_range(config, segment, b, query);
    seen.has_empty_row = seen.has_empty_row || run.begin >= run.end;
    seen.any = {std::min(seen.any.begin, run.begin), std::max(seen.any.end, run.end)};
    seen.all = {std::max(seen.all.begin, run.begin), std::min(seen.all.end, run.end)};
  }
  return seen;
}

}  // namespace

KeyRange common_keys(const AttentionConfig& config, const Stretch& stretch) {
  const KeyRange all = seen_by(config, stretch.b).all;
  const KeyRange common{std::max(all.begin, stretch.keys.begin), std::min(all.end, stretch.keys.end)};
  return common.begin < common.end ? common : KeyRange{stretch.keys.begin, stretch.keys.begin};
}

bool Decoder::suits(const Call& call) {
  const AttentionConfig& config = call.config;
  if (!is_range_mask(config.mask) || config.dropout) return false;
  std::int64_t most_rows = 0;
  for (const HeadGroup& group : call.plan.groups()) {
    most_rows = std::max(most_rows, config.seq_q * group.size());
  }
  if (most_rows == 0 || most_rows > most_decode_rows()) return false;
  for (std::int64_t b = 0; b < config.batch; ++b) {
    const Seen seen = seen_by(config, b);
    const std::int64_t n_uncommon = (seen.any.end - seen.any.begin) - (seen.all.end - seen.all.begin);
    if (seen.has_empty_row || n_uncommon > 2 * most_decode_rows()) return false;
  }
  return true;
}

void Decoder::cut(const AttentionConfig& config) {
  // Shorter stretches would cost more in merging than they bring in balance.
  constexpr std::int64_t kFewestKeys = 256, kStretchesPerThread = 4;
  const std::int64_t n_threads = pool_.n_threads();
  const std::int64_t most = n_threads == 1 ? 1 : kStretchesPerThread * n_threads;
  stretches_per_entry_ = static_cast<std::size_t>(std::clamp<std::int64_t>(config.seq_k / kFewestKeys, 1, most));
  stretches_.clear();
  for (std::int64_t b = 0; b < config.batch; ++b) {
    const KeyRange any = seen_by(config, b).any;
    const auto n = static_cast<std::int64_t>(stretches_per_entry_), length = any.end - any.begin;
    for (std::int64_t i = 0; i < n; ++i) {
      stretches_.push_back({b, {any.begin + i * length / n, any.begin + (i + 1) * length / n}});
    }
  }
}

void Decoder::run(const Call& call, const std::stop_token& stop, AttentionWork& work) {
  const AttentionConfig& config = call.config;
  cut(config);
  std::int64_t n_rows = 0;
  for (const HeadGroup& group : call.plan.groups())
    n_rows += config.seq_q * group.size();
  partial_size_ = static_cast<std::size_t>(n_rows * (config.d_head + 2));
  if (partial_.size() < stretches_.size() * partial_size_) partial_ = AlignedBuffer<float>(stretches_.size() * partial_size_);
  const std::size_t scratch_size = decode_scratch_size(call);
  pool_.parallel_for(
      static_cast<std::int64_t>(stretches_.size()),
      [&](std::int64_t item, int thread) {
        AlignedBuffer<float>& scratch = scratch_[static_cast<std::size_t>(thread)];
        if (scratch.size() < scratch_size) scratch = AlignedBuffer<float>(scratch_size);
        const auto at = static_cast<std::size_t>(item);
        decode_stretch(call, stretches_[at], partial_.span().subspan(at * partial_size_, partial_size_), scratch.span());
      },
      stop);
  for (std::int64_t b = 0; b < config.batch; ++b)
    merge(call, b);
  double n_keys = 0;
  for (const Stretch& stretch : stretches_)
    n_keys += static_cast<double>(stretch.keys.end - stretch.keys.begin);
  const auto rows = static_cast<double>(n_rows), d_head = static_cast<double>(config.d_head);
  const auto groups = static_cast<double>(call.plan.groups().size());
  const double bytes = config.kv_storage == KvStorage::kFloat32 ? 4 : 2;
  work.flops += 4 * n_keys * rows * d_head;
  work.bytes_moved += 2 * n_keys * groups * d_head * bytes + 8 * rows * d_head * static_cast<double>(config.batch);
  for (const AlignedBuffer<float>& scratch : scratch_)
    work.bytes_allocated += static_cast<double>(scratch.size() * sizeof(float));
  work.bytes_allocated += static_cast<double>(partial_.size() * sizeof(float));
}

/// One entry's stretches become its rows.
void Decoder::merge(const Call& call, std::int64_t b) const {
  const AttentionConfig& config = call.config;
  const auto d_head = static_cast<std::size_t>(config.d_head);
  const std::span<const float> partial =
      partial_.span().subspan(static_cast<std::size_t>(b) * stretches_per_entry_ * partial_size_);
  std::size_t at = 0;
  for (const HeadGroup& group : call.plan.groups()) {
    for (std::int64_t query = 0; query < config.seq_q; ++query) {
      for (const std::int64_t head : call.plan.heads(group)) {
        const PartialRows rows{partial.data() + at, partial_size_, stretches_per_entry_, d_head};
        const double logsumexp = merge_partials(rows, call.outputs.out.row(b, head, query)) * kLn2;
        call.outputs.logsumexp[static_cast<std::size_t>((b * config.n_heads + head) * config.seq_q + query)] =
            static_cast<float>(logsumexp);
        at += d_head + 2;
      }
    }
  }
}

}  // namespace headroom::flash_detail
