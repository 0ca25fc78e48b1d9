#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>

#include "core/attention/backend.h"
#include "core/attention/config.h"
#include "core/gl/attention.h"
#include "core/gl/buffer.h"
#include "core/gl/context.h"
#include "core/gl/mask_table.h"
#include "core/gl/program.h"

namespace headroom::gl {

/// ceil(a / b) for a >= 0, b > 0.
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
/// vec4s that hold `width` floats.
constexpr std::int64_t vec4s(std::int64_t width) { return ceil_div(width, 4); }

/// Where heads lie in a buffer of vec4s: vec4 of (b, h, i) = at + b * batch + h * head + i * row.
struct HeadsPlace {
  std::int64_t at = 0, batch = 0, head = 0, row = 0;
};

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

/// Floating-point operations of one dispatch: a tenth of a second on a software renderer; on GPUs enough threads to fill the largest, and
/// no more than some seconds on the smallest.
constexpr double slice_flops_of(bool is_software) { return is_software ? 2e9 : 1e11; }

/// Waits for storage writes to be seen by fetches, storage reads and copies.
void storage_barrier();

/// The attention kernels: computes out and logsumexp of every head that is not pruned.
///
/// Long calls are cut into slices, so that stopping is heard between them and no driver's watchdog bites.
/// The kernels use neither shared memory nor barriers: software renderers run both as scalar loops, and on a GPU the caches serve the
/// fetches that neighbouring threads share.
class AttentionKernels {
 public:
  /// `facts` and `slice_flops` may be smaller than the device's, to see calls cut.
  AttentionKernels(const DeviceFacts& facts, Kernel kernel, std::optional<double> slice_flops = {})
      : facts_(facts), kernel_(kernel), slice_flops_(slice_flops.value_or(slice_flops_of(facts.is_software))) {}

  /// Limits of this device, each with its number.
  Support supports(const AttentionConfig& config) const;

  /// `probs` [batch, n_heads, seq_q, seq_k] or empty; filled by the naive kernels only, rows of pruned heads left alone.
  /// Errors  Error when the device fails; Cancelled.
  void run(const AttentionConfig& config, const DeviceAttention& tensors, std::span<float> probs, std::stop_token stop);

 private:
  struct Slice {
    std::int64_t first_batch = 0, n_batch = 0, first_active = 0, n_active = 0, first_query = 0, n_queries = 0;
  };
  struct Tiling {
    int queries = 4;      ///< a thread
    int local_size = 8;   ///< threads of a work group
    int max_chunk4 = 16;  ///< vec4s of a head's out a thread holds
  };
  Tiling tiling() const;
  std::int64_t max_slice_queries(const AttentionConfig& config) const;
  std::vector<Slice> slices(const AttentionConfig& config) const;
  void run_fused(const AttentionConfig& config, const DeviceAttention& tensors, const Slice& slice);
  void run_naive(const AttentionConfig& config, const DeviceAttention& tensors, const Slice& slice);
  void read_probs(const AttentionConfig& config, const Slice& slice, std::span<float> probs) const;

  DeviceFacts facts_;
  Kernel kernel_;
  double slice_flops_;
  ProgramCache programs_;
  MaskTable mask_;
  UniformBuffer uniforms_;
  AttentionParams params_{};
  std::vector<std::int64_t> active_heads_;
  Buffer scores_{Texel::kVec4};
  Buffer probs_{Texel::kVec4};
};

}  // namespace headroom::gl
