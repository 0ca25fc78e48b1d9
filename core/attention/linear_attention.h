#pragma once

#include <memory>
#include <span>
#include <stop_token>

#include "core/attention/backend.h"

namespace headroom {

struct LinearAttentionOutputs {
  HeadsView out;                  ///< [batch, n_heads, seq_q, d_head]
  std::span<float> normaliser;    ///< [batch, n_heads, seq_q], phi(q_i) · sum_j phi(k_j); or empty
  AttentionWork* work = nullptr;  ///< filled when set
};

/// Linear attention: out_i = phi(q_i) · (sum_j phi(k_j) v_jᵀ) / (phi(q_i) · sum_j phi(k_j)) over the keys that row i sees, with
/// phi(x) = elu(x) + 1, that is x + 1 above 0 and exp(x) below. It is another function than softmax attention, so not one of its backends:
/// no model trained with the one gives the same with the other. Its cost is O(n d²) where softmax attention's is O(n² d).
///
/// Shapes  as in AttentionInputs and LinearAttentionOutputs; head h reads K/V head config.kv_head(h).
/// Masks   causal with query_offset, bidirectional, key_lengths; pruned heads are skipped. No pattern, dropout, scale or 16-bit storage:
///         supports() says why. Keys of a causal mask are summed up once for all rows, the query heads of a K/V head share the sums.
/// Edge    A row that sees no key, a row whose normaliser is below float32's range, and a pruned head: out = 0, normaliser 0.
///         A NaN or infinity reaches the rows that see it, and no others.
/// Exact   to 2e-5 (1 + |out|), and 1e-5 of the normaliser, against linear_attention_reference for values of order 1 and up to 131,072 keys.
/// Errors  ShapeError when config is not supported or a view does not have its shape; Cancelled when asked to stop.
/// Threads One call at a time per object.
/// Source  Katharopoulos et al. 2020, arXiv:2006.16236, equations 5 to 9; the causal sums in chunks as in Hua et al. 2022, arXiv:2202.10447.
class LinearAttention {
 public:
  explicit LinearAttention(ThreadPool& pool);
  ~LinearAttention();
  LinearAttention(const LinearAttention&) = delete;
  LinearAttention& operator=(const LinearAttention&) = delete;

  static Support supports(const AttentionConfig& config);
  void run(const AttentionConfig& config, const AttentionInputs& inputs, const LinearAttentionOutputs& outputs,
           std::stop_token stop = {});

 private:
  struct Memory;
  ThreadPool& pool_;
  std::unique_ptr<Memory> memory_;
};

/// The same in plain loops and double, pair by pair: the oracle. Fills no work.
void linear_attention_reference(const AttentionConfig& config, const AttentionInputs& inputs,
                                const LinearAttentionOutputs& outputs);

}  // namespace headroom
