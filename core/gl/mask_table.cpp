#include "core/gl/mask_table.h"

#include <algorithm>

namespace headroom::gl {
namespace {

constexpr std::int64_t kMaxPosition = std::int64_t{1} << 30;
/// Every pair of blocks is looked at once: some seconds at this number, and 8 MiB of bits.
constexpr std::int64_t kMaxBlockPairs = std::int64_t{1} << 26;

static_assert(static_cast<int>(PatternKind::kDense) == HEADROOM_DENSE);
static_assert(static_cast<int>(PatternKind::kLocalWindow) == HEADROOM_LOCAL_WINDOW);
static_assert(static_cast<int>(PatternKind::kStrided) == HEADROOM_STRIDED);
static_assert(static_cast<int>(PatternKind::kGlobalLocal) == HEADROOM_GLOBAL_LOCAL);
static_assert(static_cast<int>(PatternKind::kRandomBlocks) == HEADROOM_RANDOM_BLOCKS);
static_assert(static_cast<int>(PatternKind::kHashedBuckets) == HEADROOM_HASHED_BUCKETS);

struct BlockGrid {
  std::int64_t first_row = 0, n_rows = 0, n_cols = 0;
};

BlockGrid block_grid(const AttentionConfig& config) {
  const std::int64_t block = config.mask.pattern.block;
  const std::int64_t offset = config.mask.query_offset;
  BlockGrid grid;
  grid.first_row = offset / block;
  grid.n_rows = (offset + std::max<std::int64_t>(config.seq_q, 1) - 1) / block - grid.first_row + 1;
  grid.n_cols = (std::max<std::int64_t>(config.seq_k, 1) - 1) / block + 1;
  return grid;
}

/// Distances are below kMaxPosition, so a larger limit keeps the same pairs.
int clamped(std::int64_t value) { return static_cast<int>(std::clamp<std::int64_t>(value, 0, kMaxPosition)); }

int append(std::vector<std::uint32_t>& words, const auto& values) {
  const int at = static_cast<int>(words.size());
  for (const auto value : values)
    words.push_back(static_cast<std::uint32_t>(value));
  return at;
}

}  // namespace

std::optional<std::string> mask_limit(const AttentionConfig& config) {
  const std::int64_t end = std::max(config.mask.query_offset + config.seq_q, config.seq_k);
  if (config.mask.query_offset < 0 || end > kMaxPosition) {
    return "The GPU counts positions from 0 to " + std::to_string(kMaxPosition) + "; this mask goes beyond";
  }
  if (config.mask.pattern.kind == PatternKind::kRandomBlocks) {
    const BlockGrid grid = block_grid(config);
    if (grid.n_rows > kMaxBlockPairs / grid.n_cols) {
      return "Random blocks of " + std::to_string(config.mask.pattern.block) + " make " + std::to_string(grid.n_rows) + " x " +
             std::to_string(grid.n_cols) + " blocks; the GPU's table holds " + std::to_string(kMaxBlockPairs) +
             ": use larger blocks";
    }
  }
  return std::nullopt;
}

void MaskTable::update(const AttentionConfig& config, AttentionParams& params) {
  const MaskPattern& pattern = config.mask.pattern;
  params.is_causal = config.mask.direction == Direction::kCausal ? 1 : 0;
  params.query_offset = static_cast<int>(config.mask.query_offset);
  params.window = clamped(pattern.window);
  params.stride = std::max(clamped(pattern.stride), 1);
  params.n_global = clamped(pattern.n_global);
  params.block = std::max(clamped(pattern.block), 1);

  std::vector<std::uint32_t> words;
  params.heads_at = 0;
  for (std::int64_t head = 0; head < config.n_heads; ++head) {
    if (config.is_pruned(head)) continue;
    words.push_back(static_cast<std::uint32_t>(head));
    words.push_back(static_cast<std::uint32_t>(config.kv_head(head)));
  }
  n_active_ = static_cast<int>(words.size() / 2);
  params.key_lengths_at = config.mask.key_lengths.empty() ? -1 : append(words, config.mask.key_lengths);
  if (pattern.kind == PatternKind::kHashedBuckets) {
    params.query_bucket_at = append(words, pattern.query_bucket);
    params.key_bucket_at = append(words, pattern.key_bucket);
  }
  if (pattern.kind == PatternKind::kRandomBlocks) append_blocks(config, params, words);
  if (words == uploaded_) return;
  uploaded_.clear();  // stays so when the upload fails
  buffer_.upload(std::span<const std::uint32_t>(words), "the table of heads and mask");
  uploaded_ = std::move(words);
}

void MaskTable::append_blocks(const AttentionConfig& config, AttentionParams& params, std::vector<std::uint32_t>& words) {
  const BlockGrid grid = block_grid(config);
  const std::int64_t row_words = (grid.n_cols + 31) / 32;
  const BlockKey key{config.mask.pattern, config.mask.query_offset, config.seq_q, config.seq_k};
  if (block_key_ != key) {
    // The rule stays with is_visible: one pair of positions stands for its pair of blocks.
    Mask probe;
    probe.direction = Direction::kBidirectional;
    probe.pattern = config.mask.pattern;
    const std::int64_t block = config.mask.pattern.block;
    block_words_.assign(static_cast<std::size_t>(grid.n_rows * row_words), 0);
    for (std::int64_t row = 0; row < grid.n_rows; ++row) {
      for (std::int64_t col = 0; col < grid.n_cols; ++col) {
        if (!is_visible(probe, 0, (grid.first_row + row) * block, col * block)) continue;
        block_words_[static_cast<std::size_t>(row * row_words + col / 32)] |= std::uint32_t{1} << (col % 32);
      }
    }
    block_key_ = key;
  }
  params.first_query_block = static_cast<int>(grid.first_row);
  params.block_row_words = static_cast<int>(row_words);
  params.blocks_at = append(words, block_words_);
}

}  // namespace headroom::gl
