#pragma once

#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/attention/config.h"
#include "core/tensor/parallel.h"
#include "core/tensor/view.h"

namespace headroom {

struct Support {
  bool ok = true;
  std::string reason;  ///< Why not, one sentence; empty when ok.
};

struct AttentionInputs {
  ConstHeadsView q;  ///< [batch, n_heads, seq_q, d_head], rotated where the model rotates
  ConstHeadsView k;  ///< [batch, n_kv_heads, seq_k, d_head]
  ConstHeadsView v;  ///< [batch, n_kv_heads, seq_k, d_head]
  /// Read instead of k and v where config.kv_storage is 16 bits wide; same shapes. Conversions: core/tensor/dtype.h.
  ConstHeads16View k16 = {}, v16 = {};
};

/// What one run did, counted by the kernel where it did it.
struct AttentionWork {
  double flops = 0;        ///< of the products with K and V, a multiply-add counting two; pairs computed and then hidden count too
  double bytes_moved = 0;  ///< read and written outside a block's own scratch: q, k, v, out, and scores where they are materialised
  double bytes_allocated = 0;  ///< scratch memory held for the run, all threads together
};

struct AttentionOutputs {
  HeadsView out;               ///< [batch, n_heads, seq_q, d_head]
  std::span<float> logsumexp;  ///< [batch, n_heads, seq_q] in nats
  std::span<float> probs;  ///< [batch, n_heads, seq_q, seq_k] or empty; only backends that materialise can fill it; before dropout
  AttentionWork* work = nullptr;  ///< filled when set; the GPU backend counts what its shaders are written to do
};

/// Softmax attention: out_i = sum_j exp(scale * q_i·k_j - logsumexp_i) v_j over the visible j.
///
/// Shapes  as in AttentionInputs and AttentionOutputs; head h reads K/V head config.kv_head(h).
/// Units   logsumexp in nats.
/// Edge    A row with every key masked, and every row of a pruned head: out = 0, probs = 0, logsumexp = -inf, never NaN.
/// NaN     A NaN or infinity at a key that a row does not see changes nothing in that row. One that it sees, or in its q, makes the row's
///         out NaN (one in v: that column); an infinite score below counts as hidden, or gives NaN where v is not finite there either.
///         Finite inputs whose scores leave float32's range (sum of |q_c k_c| above 1e37) may give NaN in that row, and in no other.
/// Dropout multiplies out's terms by 0 or 1 / (1 - p), see dropout.h; probs and logsumexp are those without it.
/// Errors  ShapeError when config is invalid, a view does not have its shape, or probs are wanted from a backend that does not
///         materialise them; Cancelled when asked to stop.
/// Threads One call at a time per backend object.
/// Source  Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1; logsumexp as in Dao 2023, arXiv:2307.08691.
class AttentionBackend {
 public:
  virtual ~AttentionBackend() = default;
  virtual std::string_view name() const = 0;
  virtual Support supports(const AttentionConfig& config) const = 0;
  /// Whether run() can fill AttentionOutputs::probs.
  virtual bool materialises_probs() const { return false; }
  virtual void run(const AttentionConfig& config, const AttentionInputs& inputs, const AttentionOutputs& outputs,
                   std::stop_token stop = {}) = 0;
};

/// Throws ShapeError unless config is valid and every view has its shape. Every backend calls it first.
void check_arguments(const AttentionConfig& config, const AttentionInputs& inputs, const AttentionOutputs& outputs);

/// Plain loops in double: the oracle of all others. Slow, obvious.
std::unique_ptr<AttentionBackend> make_reference_backend();
/// Materialised scores with Eigen: what textbooks draw, and the baseline of every comparison.
std::unique_ptr<AttentionBackend> make_naive_backend(ThreadPool& pool);
/// Tiled, online softmax, all threads, SIMD chosen at run time: the default.
std::unique_ptr<AttentionBackend> make_flash_backend(ThreadPool& pool);

}  // namespace headroom
