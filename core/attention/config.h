#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/attention/mask.h"

namespace headroom {

inline constexpr std::int64_t kMaxDHead = 256;

/// How keys and values are stored. Sixteen bits halve what is read; every sum is still made in float32.
enum class KvStorage { kFloat32, kFloat16, kBFloat16 };
const char* kv_storage_name(KvStorage storage);  ///< "float32"

struct Dropout {
  float probability = 0;
  std::uint64_t seed = 0;
  bool operator==(const Dropout&) const = default;
};

/// A number added to each score (nats), by head and by how far the key stands from the query: T5's relative positions, whose buckets say the
/// same of all distances beyond a largest one.
struct PositionBias {
  std::int64_t n_heads = 0;
  std::int64_t reach = 0;     ///< a distance beyond +-reach counts as that
  std::vector<float> values;  ///< [n_heads, 2 * reach + 1]: entry reach + clamp(key - query position, -reach, reach)

  const float* row(std::int64_t head) const { return values.data() + head * (2 * reach + 1); }
  float at(std::int64_t head, std::int64_t distance) const;
};

/// Everything that one attention call needs to know beside its tensors.
struct AttentionConfig {
  std::int64_t batch = 1;
  std::int64_t n_heads = 1;
  std::int64_t n_kv_heads = 1;
  std::int64_t d_head = 1;
  std::int64_t seq_q = 1;
  std::int64_t seq_k = 1;
  /// Factor on q·k; unset: 1 / sqrt(d_head).
  std::optional<float> scale;
  /// Above 0: a scaled score s becomes soft_cap * tanh(s / soft_cap), before the bias and the mask. Source  Gemma Team 2024, arXiv:2408.00118.
  float soft_cap = 0;
  /// Added after scale and soft_cap. Null: none.
  std::shared_ptr<const PositionBias> position_bias;
  Mask mask;
  /// Heads to skip: their out is 0 and their logsumexp -inf. Empty: none. Otherwise n_heads entries, non-zero = pruned.
  std::vector<std::uint8_t> pruned;
  /// Which K/V head each query head reads. Empty: head / (n_heads / n_kv_heads). Uneven groups arise when heads are removed.
  std::vector<std::int64_t> kv_head_of;
  std::optional<Dropout> dropout;
  KvStorage kv_storage = KvStorage::kFloat32;

  float effective_scale() const;
  std::int64_t kv_head(std::int64_t head) const;
  bool is_pruned(std::int64_t head) const { return !pruned.empty() && pruned[static_cast<std::size_t>(head)] != 0; }
};

/// One sentence on the first thing that is wrong, or nothing when the configuration can be run.
std::optional<std::string> validate(const AttentionConfig& config);

}  // namespace headroom
