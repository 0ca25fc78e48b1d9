#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "core/attention/backend.h"
#include "core/attention/config.h"
#include "core/gl/attention.h"
#include "core/gl/buffer.h"
#include "core/gl/context.h"
#include "core/gl/fused_shape.h"
#include "core/gl/mask_table.h"
#include "core/gl/pacer.h"
#include "core/gl/program.h"
#include "core/gl/slice_walk.h"
#include "core/gl/tuner.h"

namespace headroom::gl {

/// ceil(a / b) for a >= 0, b > 0.
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
/// vec4s that hold `width` floats.
constexpr std::int64_t vec4s(std::int64_t width) { return ceil_div(width, 4); }

/// How k and v lie on the device: what their Buffers must be made with.
Texel texel_of(KvStorage storage);
/// Bytes of four stored numbers.
constexpr std::int64_t vec4_bytes(KvStorage storage) { return storage == KvStorage::kFloat32 ? 16 : 8; }

/// Tensors of one attention call on the device; each head's width is padded with zeros to whole vec4s.
struct DeviceAttention {
  const Buffer* q = nullptr;
  const Buffer* k = nullptr;
  const Buffer* v = nullptr;  ///< k and v share kv_place but for where they begin
  const Buffer* out = nullptr;
  const Buffer* logsumexp = nullptr;  ///< [batch, n_heads, seq_q]
  HeadsPlace q_place, k_place, out_place;
  std::int64_t v_at = 0;
};

/// What one call gives beside out and logsumexp.
struct AttentionExtras {
  std::span<float> probs = {};    ///< [batch, n_heads, seq_q, seq_k] or empty; naive kernels only, rows of pruned heads left alone
  AttentionWork* work = nullptr;  ///< may be null
};

/// Waits for storage writes to be seen by fetches, storage reads and copies.
void storage_barrier();

/// The attention kernels: computes out and logsumexp of every head that is not pruned.
///
/// Long calls are cut into dispatches of some milliseconds, see Pacer.
/// Memory  The fused kernels keep nothing beside their tensors and a table of heads and mask. The naive ones keep scores and probs of whole
///         heads, as many as a storage block holds: naive_bytes().
class AttentionKernels {
 public:
  /// `facts` may be smaller than the device's, to see calls cut and refused.
  AttentionKernels(const DeviceFacts& facts, Kernel kernel, const GpuOptions& options = {});

  /// Limits of this device, each with its number.
  Support supports(const AttentionConfig& config) const;

  /// Errors  Error when the device fails; Cancelled.
  void run(const AttentionConfig& config, const DeviceAttention& tensors, const AttentionExtras& extras,
           const std::stop_token& stop);

  /// Bytes of scores and probs that the naive kernels hold at once.
  std::int64_t naive_bytes(const AttentionConfig& config) const;
  /// The shape that the last fused run used.
  const FusedShape& last_shape() const { return shape_; }
  std::int64_t n_dispatches() const { return pacer_.n_dispatches(); }

 private:
  std::int64_t naive_rows(const AttentionConfig& config) const;
  SliceWalk::Limits limits(const AttentionConfig& config) const;
  void set_params(const AttentionConfig& config, const DeviceAttention& tensors);
  void set_slice(const Slice& slice);
  void bind_out(const DeviceAttention& tensors, Span4 span);

  FusedShape choose_shape(const AttentionConfig& config, const DeviceAttention& tensors, const std::stop_token& stop);
  bool is_right(const FusedShape& shape, const AttentionConfig& config, const std::stop_token& stop);
  std::optional<double> time_shape(const FusedShape& shape, const AttentionConfig& config, const DeviceAttention& tensors,
                                   const std::stop_token& stop);
  void run_fused(const AttentionConfig& config, const DeviceAttention& tensors, const std::stop_token& stop);
  void dispatch_fused(const AttentionConfig& config, const DeviceAttention& tensors, const Slice& slice, Span4 out);
  void run_naive(const AttentionConfig& config, const DeviceAttention& tensors, const AttentionExtras& extras,
                 const std::stop_token& stop);
  void run_slab(const AttentionConfig& config, const DeviceAttention& tensors, const Slice& slab, Span4 out,
                const std::stop_token& stop);
  void read_probs(const AttentionConfig& config, const Slice& slab, std::span<float> probs) const;
  void count_work(const AttentionConfig& config, AttentionWork& work) const;

  DeviceFacts facts_;
  Kernel kernel_;
  GpuOptions options_;
  Pacer pacer_;
  Tuner tuner_;
  ProgramCache programs_;
  MaskTable mask_;
  UniformBuffer uniforms_;
  AttentionParams params_{};
  FusedShape shape_;
  std::vector<std::int64_t> active_heads_;
  Buffer scores_{Texel::kVec4};
  Buffer probs_{Texel::kVec4};
};

}  // namespace headroom::gl
