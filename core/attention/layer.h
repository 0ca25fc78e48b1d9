#pragma once

#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/attention/backend.h"
#include "core/attention/rotary.h"
#include "core/tensor/tensor.h"

namespace headroom {

/// Parameters of one attention layer, by reference. Checkpoint layout: y = x · weightᵀ + bias.
struct AttentionLayerParams {
  ConstWeightView w_q;                        ///< [n_heads * d_head, d_model]
  ConstWeightView w_k;                        ///< [n_kv_heads * d_head, d_model]
  ConstWeightView w_v;                        ///< [n_kv_heads * d_head, d_model]
  ConstWeightView w_o;                        ///< [d_model, n_heads * d_head]
  std::span<const float> b_q, b_k, b_v, b_o;  ///< each empty or one per output
  /// [d_head] gains of an RMS norm of each head's q and k before rotation (Qwen3); empty: none.
  std::span<const float> q_norm = {}, k_norm = {};
  float norm_eps = 1e-6f;  ///< of q_norm and k_norm
};

/// How long one stage took.
struct StageTime {
  std::string stage;  ///< "q k v", "rotary", "attention", "W_O", ...
  double ms = 0;      ///< milliseconds, measured
};

/// What one attention layer computed, kept so that any probability can be evaluated later: P_ij = exp(s_ij - logsumexp_i),
/// with s_ij the score that the configuration says of q_i·k_j.
struct AttentionLayerResult {
  Tensor q;          ///< [seq, n_heads * d_head] after its norm and rotation
  Tensor k;          ///< [seq, n_kv_heads * d_head] after its norm and rotation
  Tensor v;          ///< [seq, n_kv_heads * d_head]
  Tensor logsumexp;  ///< [n_heads, seq], nats
  Tensor head_out;   ///< [seq, n_heads * d_head]
  Tensor out;        ///< [seq, d_model], after W_O
  std::vector<StageTime> times;
};

/// Self-attention of one sequence with its projections: q, k, v; rotation; attention; W_O.
///
/// Shapes  x [seq, d_model]; config.seq_q == config.seq_k == seq, batch 1.
/// Errors  ShapeError, Cancelled, and Error when the device fails.
class AttentionLayer {
 public:
  virtual ~AttentionLayer() = default;
  virtual std::string_view name() const = 0;
  virtual Support supports(const AttentionConfig& config) const = 0;
  /// The same of a whole layer, whose norms and rotation a device may lack.
  virtual Support supports_layer(const AttentionConfig& config, const AttentionLayerParams& /*params*/,
                                 const std::optional<Rotary>& /*rotary*/) const {
    return supports(config);
  }
  virtual AttentionLayerResult run(const AttentionConfig& config, const AttentionLayerParams& params,
                                   const std::optional<Rotary>& rotary, ConstMatrixView x, std::stop_token stop = {}) = 0;
};

/// The layer on the processor, with any CPU backend for its attention. `pool` and `backend` must outlive it.
std::unique_ptr<AttentionLayer> make_cpu_attention_layer(ThreadPool& pool, AttentionBackend& backend);

}  // namespace headroom
