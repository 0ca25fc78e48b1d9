#include "core/attention/config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace headroom {
namespace {

std::string count(std::int64_t n) { return std::to_string(n); }

std::optional<std::string> check_sizes(const AttentionConfig& config) {
  struct Size {
    const char* name;
    std::int64_t value;
  };
  const std::array<Size, 6> sizes{{{"batch", config.batch},
                                   {"n_heads", config.n_heads},
                                   {"n_kv_heads", config.n_kv_heads},
                                   {"d_head", config.d_head},
                                   {"seq_q", config.seq_q},
                                   {"seq_k", config.seq_k}}};
  constexpr std::int64_t kMaxSize = std::numeric_limits<std::int32_t>::max();
  for (const Size& size : sizes) {
    if (size.value < 1) return std::string(size.name) + " is " + count(size.value) + "; it must be at least 1";
    if (size.value > kMaxSize)
      return std::string(size.name) + " is " + count(size.value) + "; it must be at most " + count(kMaxSize);
  }
  if (config.d_head > kMaxDHead) return "d_head is " + count(config.d_head) + "; it must be at most " + count(kMaxDHead);
  // Four factors of 31 bits could overflow an index.
  const double elements = static_cast<double>(config.batch) * static_cast<double>(config.n_heads) *
                          static_cast<double>(std::max(config.seq_q, config.seq_k)) * static_cast<double>(config.d_head);
  if (elements > 1e15) return "the tensors would hold " + std::to_string(elements) + " elements; no memory holds them";
  return std::nullopt;
}

std::optional<std::string> check_heads(const AttentionConfig& config) {
  if (config.kv_head_of.empty()) {
    if (config.n_heads % config.n_kv_heads != 0) {
      return "n_kv_heads " + count(config.n_kv_heads) + " does not divide n_heads " + count(config.n_heads);
    }
  } else if (static_cast<std::int64_t>(config.kv_head_of.size()) != config.n_heads) {
    return "kv_head_of has " + std::to_string(config.kv_head_of.size()) + " entries; it must have one for each of the " +
           count(config.n_heads) + " heads";
  }
  for (std::size_t head = 0; head < config.kv_head_of.size(); ++head) {
    const std::int64_t kv_head = config.kv_head_of[head];
    if (kv_head < 0 || kv_head >= config.n_kv_heads) {
      return "head " + std::to_string(head) + " reads K/V head " + count(kv_head) + "; there are only " + count(config.n_kv_heads);
    }
  }
  if (!config.pruned.empty() && static_cast<std::int64_t>(config.pruned.size()) != config.n_heads) {
    return "pruned has " + std::to_string(config.pruned.size()) + " entries; it must have one for each of the " +
           count(config.n_heads) + " heads";
  }
  return std::nullopt;
}

std::optional<std::string> check_terms(const AttentionConfig& config) {
  if (config.scale && !std::isfinite(*config.scale)) return "the score scale is not a finite number";
  // NaN fails both comparisons.
  if (!(config.soft_cap >= 0 && config.soft_cap <= std::numeric_limits<float>::max())) {
    return "the soft cap of the scores is " + std::to_string(config.soft_cap) + "; it must be a finite number, 0 (none) or above";
  }
  if (config.position_bias == nullptr) return std::nullopt;
  constexpr std::int64_t kMaxReach = std::int64_t{1} << 28, kMaxValues = std::numeric_limits<std::int32_t>::max();
  const PositionBias& bias = *config.position_bias;
  if (bias.n_heads != config.n_heads)
    return "the position bias is of " + count(bias.n_heads) + " heads; the layer has " + count(config.n_heads);
  if (bias.reach < 0 || bias.reach > kMaxReach)
    return "the position bias reaches " + count(bias.reach) + " positions; it must lie between 0 and " + count(kMaxReach);
  const std::int64_t n_values = bias.n_heads * (2 * bias.reach + 1);
  if (n_values > kMaxValues) return "the position bias has more than " + count(kMaxValues) + " values";
  if (std::ssize(bias.values) != n_values) {
    return "the position bias has " + std::to_string(bias.values.size()) + " values; " + count(bias.n_heads) +
           " heads that reach " + count(bias.reach) + " positions need " + count(n_values);
  }
  return std::nullopt;
}

std::optional<std::string> check_pattern(const AttentionConfig& config) {
  const MaskPattern& pattern = config.mask.pattern;
  switch (pattern.kind) {
    case PatternKind::kDense:
      return std::nullopt;
    case PatternKind::kLocalWindow:
      if (pattern.window < 1) return "the local window is " + count(pattern.window) + "; it must hold at least 1 key";
      return std::nullopt;
    case PatternKind::kStrided:
      if (pattern.stride < 1) return "the stride is " + count(pattern.stride) + "; it must be at least 1";
      return std::nullopt;
    case PatternKind::kGlobalLocal:
      if (pattern.window < 1) return "the local window is " + count(pattern.window) + "; it must hold at least 1 key";
      if (pattern.n_global < 0) return "n_global is " + count(pattern.n_global) + "; it must not be negative";
      return std::nullopt;
    case PatternKind::kRandomBlocks:
      if (pattern.block < 1) return "the block is " + count(pattern.block) + "; it must hold at least 1 position";
      if (pattern.blocks_per_row < 0 || pattern.blocks_per_row > kMaxBlocksPerRow) {
        return "blocks_per_row is " + count(pattern.blocks_per_row) + "; it must lie between 0 and " + count(kMaxBlocksPerRow);
      }
      return std::nullopt;
    case PatternKind::kHashedBuckets:
      if (static_cast<std::int64_t>(pattern.query_bucket.size()) != config.seq_q) {
        return "query_bucket has " + std::to_string(pattern.query_bucket.size()) + " entries; it must have one for each of the " +
               count(config.seq_q) + " queries";
      }
      if (static_cast<std::int64_t>(pattern.key_bucket.size()) != config.seq_k) {
        return "key_bucket has " + std::to_string(pattern.key_bucket.size()) + " entries; it must have one for each of the " +
               count(config.seq_k) + " keys";
      }
      return std::nullopt;
  }
  return "the mask pattern is unknown";
}

std::optional<std::string> check_mask(const AttentionConfig& config) {
  constexpr std::int64_t kMaxOffset = std::numeric_limits<std::int32_t>::max();
  const Mask& mask = config.mask;
  if (mask.query_offset < 0 || mask.query_offset > kMaxOffset) {
    return "query_offset is " + count(mask.query_offset) + "; it must lie between 0 and " + count(kMaxOffset);
  }
  if (!mask.key_lengths.empty() && static_cast<std::int64_t>(mask.key_lengths.size()) != config.batch) {
    return "key_lengths has " + std::to_string(mask.key_lengths.size()) + " entries; it must have one for each of the " +
           count(config.batch) + " batch entries";
  }
  for (const std::int64_t length : mask.key_lengths) {
    if (length < 0 || length > config.seq_k) {
      return "a key length is " + count(length) + "; it must lie between 0 and seq_k " + count(config.seq_k);
    }
  }
  return check_pattern(config);
}

}  // namespace

const char* kv_storage_name(KvStorage storage) {
  switch (storage) {
    case KvStorage::kFloat32:
      return "float32";
    case KvStorage::kFloat16:
      return "float16";
    case KvStorage::kBFloat16:
      return "bfloat16";
  }
  return "";
}

float PositionBias::at(std::int64_t head, std::int64_t distance) const {
  return row(head)[reach + std::clamp(distance, -reach, reach)];
}

float AttentionConfig::effective_scale() const {
  return scale.value_or(static_cast<float>(1.0 / std::sqrt(static_cast<double>(d_head))));
}

std::int64_t AttentionConfig::kv_head(std::int64_t head) const {
  return kv_head_of.empty() ? head / (n_heads / n_kv_heads) : kv_head_of[static_cast<std::size_t>(head)];
}

std::optional<std::string> validate(const AttentionConfig& config) {
  if (auto wrong = check_sizes(config)) return wrong;
  if (auto wrong = check_heads(config)) return wrong;
  if (auto wrong = check_mask(config)) return wrong;
  if (auto wrong = check_terms(config)) return wrong;
  // NaN fails both comparisons.
  if (config.dropout && !(config.dropout->probability >= 0 && config.dropout->probability < 1)) {
    return "the dropout probability is " + std::to_string(config.dropout->probability) + "; it must be at least 0 and below 1";
  }
  return std::nullopt;
}

}  // namespace headroom
