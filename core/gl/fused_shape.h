#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/attention/config.h"
#include "core/gl/context.h"
#include "core/gl/shader_source.h"

namespace headroom::gl {

/// One compilation of a fused attention kernel: how many queries and keys a thread holds, and how threads work together.
struct FusedShape {
  enum class Family {
    kStraight,  ///< attention_fused.comp: a thread alone, texture fetches, no barrier; for software renderers
    kTiled,     ///< attention_tiled.comp: a work group shares tiles in shared memory; for GPUs
  };
  enum class Reads { kTexels, kStorage };      ///< how q, k and v are read from memory
  enum class RowSums { kShared, kSubgroups };  ///< how the eight threads of a row agree on its maximum and sum
  Family family = Family::kStraight;
  int queries = 4;  ///< a thread
  int keys = 4;     ///< a thread and step, a multiple of 4
  int rows = 8;     ///< threads side by side along the queries; tiled groups have eight times as many threads
  Reads reads = Reads::kTexels;
  RowSums row_sums = RowSums::kShared;

  /// "straight 8x8", "tiled 64x32 (4x4) storage subgroups": queries x keys of a work group (of a thread).
  std::string name() const;
  /// Queries of one work group.
  std::int64_t group_queries() const { return std::int64_t{queries} * rows; }
  /// Queries x keys that are computed or skipped together.
  std::int64_t tile_queries() const { return family == Family::kStraight ? queries : group_queries(); }
  std::int64_t tile_keys() const { return family == Family::kStraight ? keys : 8 * keys; }
  /// d_head as the kernel computes it, padding included.
  std::int64_t padded_d_head(std::int64_t d_head) const;
  std::int64_t shared_bytes() const;
  std::vector<ShaderDefine> defines(const AttentionConfig& config) const;
  const char* shader() const { return family == Family::kStraight ? "attention_fused.comp" : "attention_tiled.comp"; }
  bool operator==(const FusedShape&) const = default;
};

/// Every shape that this device can run for this problem, the one expected to be best first; never empty.
/// Software renderers get one or two, because each compilation takes them seconds.
std::vector<FusedShape> fused_shapes(const DeviceFacts& facts, const AttentionConfig& config);
/// The shapes of both families that can run, whatever the device is. `name` names one of them in GpuOptions::attention_shape.
std::vector<FusedShape> all_fused_shapes(const DeviceFacts& facts, const AttentionConfig& config);

}  // namespace headroom::gl
