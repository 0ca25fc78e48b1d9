#include "core/attention/score_block.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/tensor/error.h"

namespace headroom::score_detail {
namespace {

/// Positions beyond it are all far from every key; distances to keys then stay within 32 bits.
constexpr std::int64_t kFarPosition = std::int64_t{1} << 30;

std::int32_t tag_of(const Mask& mask, std::int64_t row) {
  const MaskPattern& pattern = mask.pattern;
  if (pattern.kind == PatternKind::kStrided) return static_cast<std::int32_t>((mask.query_offset + row) % pattern.stride);
  if (pattern.kind == PatternKind::kHashedBuckets && row < std::ssize(pattern.query_bucket)) {
    return pattern.query_bucket[static_cast<std::size_t>(row)];
  }
  return 0;
}

bool is_empty(KeyRange range) { return range.begin >= range.end; }

KeyRange intersect(KeyRange a, KeyRange b) { return {std::max(a.begin, b.begin), std::min(a.end, b.end)}; }

KeyRange hull(KeyRange a, KeyRange b) {
  if (is_empty(a)) return b;
  if (is_empty(b)) return a;
  return {std::min(a.begin, b.begin), std::max(a.end, b.end)};
}

/// Rows of K lie far apart (all heads between them), where the processor does not look ahead by itself.
void copy_keys(const ScoreSource& source, KeyRange keys, float* target) {
  constexpr std::int64_t kFloatsPerLine = 16, kKeysAhead = 16;
  const auto row_bytes = static_cast<std::size_t>(source.d_head) * sizeof(float);
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    const float* const ahead = source.k + std::min(j + kKeysAhead, source.seq_k - 1) * source.k_stride;
    for (std::int64_t c = 0; c < source.d_head; c += kFloatsPerLine) {
      hwy::Prefetch(ahead + c);
    }
    std::memcpy(target + (j - keys.begin) * source.d_head, source.k + j * source.k_stride, row_bytes);
  }
}

}  // namespace

double score_of(const ScoreSource& source, std::int64_t row, std::int64_t key) {
  const float* const q = source.q + row * source.q_stride;
  const float* const k = source.k + key * source.k_stride;
  double score = 0;
  for (std::int64_t c = 0; c < source.d_head; ++c)
    score += static_cast<double>(q[c]) * static_cast<double>(k[c]);
  score *= static_cast<double>(source.scale);
  const auto cap = static_cast<double>(source.soft_cap);
  if (cap > 0) score = cap * std::tanh(score / cap);
  if (source.bias == nullptr) return score;
  const std::int64_t distance = key - source.mask->query_offset - row;
  return score + static_cast<double>(source.bias[source.reach + std::clamp(distance, -source.reach, source.reach)]);
}

KeyRange outer_range(const Mask& mask, std::int64_t row, std::int64_t seq_k) {
  if (is_range_mask(mask)) return key_range(mask, 0, row, seq_k);
  KeyRange range{0, seq_k};
  if (!mask.key_lengths.empty()) range.end = std::min(range.end, mask.key_lengths[0]);
  if (mask.direction == Direction::kCausal) range.end = std::min(range.end, mask.query_offset + row + 1);
  if (mask.pattern.kind == PatternKind::kHashedBuckets) {
    if (row >= std::ssize(mask.pattern.query_bucket)) return {};
    range.end = std::min(range.end, std::ssize(mask.pattern.key_bucket));
  }
  return range.begin < range.end ? range : KeyRange{};
}

LaneBlock::LaneBlock(const ScoreSource& source, std::span<const std::int64_t> rows)
    : mask_(source.mask), seq_k_(source.seq_k), rows_(rows.begin(), rows.end()) {
  const std::int64_t lanes = score_detail::lanes();
  width_ = std::max<std::int64_t>(1, (n_rows() + lanes - 1) / lanes) * lanes;
  queries_ = AlignedBuffer<float>(static_cast<std::size_t>(source.d_head * width_));
  ints_ = AlignedBuffer<std::int32_t>(static_cast<std::size_t>(4 * width_));
  state_ = AlignedBuffer<float>(static_cast<std::size_t>(7 * width_));
  pack_queries(source, rows_, width_, queries_.data());
  for (std::int64_t lane = 0; lane < n_rows(); ++lane) {
    const std::int64_t row = rows_[static_cast<std::size_t>(lane)];
    const KeyRange seen = outer_range(*mask_, row, seq_k_);
    ints_[static_cast<std::size_t>(lane)] = static_cast<std::int32_t>(seen.begin);
    ints_[static_cast<std::size_t>(width_ + lane)] = static_cast<std::int32_t>(seen.end);
    ints_[static_cast<std::size_t>(2 * width_ + lane)] =
        static_cast<std::int32_t>(std::min(mask_->query_offset + row, kFarPosition));
    tag()[lane] = tag_of(*mask_, row);
    range_ = hull(range_, seen);
  }
  if (mask_->pattern.kind == PatternKind::kRandomBlocks) keep_blocks();
}

void LaneBlock::keep_blocks() {
  const MaskPattern& pattern = mask_->pattern;
  const std::int64_t n_key_blocks = (seq_k_ + pattern.block - 1) / pattern.block;
  const auto add = [&](std::int64_t key_block, std::int64_t lane) {
    if (key_block < n_key_blocks) kept_.push_back({static_cast<std::int32_t>(key_block), static_cast<std::int32_t>(lane)});
  };
  const auto block_of = [&](std::int64_t lane) {
    return (mask_->query_offset + rows_[static_cast<std::size_t>(lane)]) / pattern.block;
  };
  std::vector<std::int64_t> drawn;
  for (std::int64_t lane = 0; lane < n_rows(); ++lane) {
    if (lane == 0 || block_of(lane) != block_of(lane - 1)) {
      drawn.clear();
      append_drawn_blocks(pattern, block_of(lane), drawn);
    }
    add(block_of(lane), lane);
    for (const std::int64_t block : drawn)
      add(block, lane);
  }
  if (mask_->direction == Direction::kBidirectional && n_rows() > 0) {
    for (std::int64_t later = block_of(0) + 1; later < n_key_blocks; ++later) {
      drawn.clear();
      append_drawn_blocks(pattern, later, drawn);
      for (const std::int64_t block : drawn) {
        std::int64_t lane =
            std::partition_point(rows_.begin(), rows_.end(),
                                 [&](std::int64_t row) { return (mask_->query_offset + row) / pattern.block < block; }) -
            rows_.begin();
        for (; lane < n_rows() && block_of(lane) == block; ++lane)
          add(later, lane);
      }
    }
  }
  std::sort(kept_.begin(), kept_.end(), [](const KeptBlock& a, const KeptBlock& b) { return a.key_block < b.key_block; });
  if (kept_.empty()) {
    range_ = {};
  } else {
    range_ = intersect(range_, {kept_.front().key_block * pattern.block, (kept_.back().key_block + 1) * pattern.block});
  }
}

std::span<const LaneBlock::KeptBlock> LaneBlock::kept_blocks(KeyRange keys) const {
  const std::int64_t first = keys.begin / mask_->pattern.block, last = (keys.end - 1) / mask_->pattern.block;
  const auto from = std::partition_point(kept_.begin(), kept_.end(), [&](const KeptBlock& kept) { return kept.key_block < first; });
  const auto to = std::partition_point(from, kept_.end(), [&](const KeptBlock& kept) { return kept.key_block <= last; });
  return {from, to};
}

bool LaneBlock::may_see(KeyRange keys) const {
  const KeyRange shared = intersect(keys, range_);
  if (is_empty(shared)) return false;
  return mask_->pattern.kind != PatternKind::kRandomBlocks || !kept_blocks(shared).empty();
}

std::vector<LaneBlock> make_blocks(const ScoreSource& source, std::span<const std::int64_t> rows) {
  std::vector<LaneBlock> blocks;
  const std::int64_t lanes = score_detail::lanes(), n = std::ssize(rows);
  const std::int64_t n_vectors = (n + lanes - 1) / lanes;
  const std::int64_t n_blocks = (n_vectors + 2) / 3;
  for (std::int64_t b = 0; b < n_blocks; ++b) {
    const std::int64_t begin = b * n_vectors / n_blocks * lanes, end = std::min(n, (b + 1) * n_vectors / n_blocks * lanes);
    blocks.emplace_back(source, rows.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
  }
  return blocks;
}

void for_each_chunk(const ScoreSource& source, std::span<LaneBlock> blocks, KeyRange limit,
                    const std::function<void(LaneBlock&, const KeyChunk&)>& body, const std::stop_token& stop) {
  KeyRange all;
  for (const LaneBlock& block : blocks)
    all = hull(all, intersect(block.range(), limit));
  if (is_empty(all)) return;
  AlignedBuffer<float> copied(static_cast<std::size_t>(std::min(kKeysPerChunk, all.end - all.begin) * source.d_head));
  for (std::int64_t begin = all.begin; begin < all.end;) {
    const KeyRange keys{begin, std::min(all.end, (begin / kKeysPerChunk + 1) * kKeysPerChunk)};
    begin = keys.end;
    if (stop.stop_requested()) throw Cancelled();
    bool is_copied = false;
    for (LaneBlock& block : blocks) {
      if (!block.may_see(keys)) continue;
      if (!is_copied) copy_keys(source, keys, copied.data());
      is_copied = true;
      body(block, {keys, copied.data()});
    }
  }
}

}  // namespace headroom::score_detail
