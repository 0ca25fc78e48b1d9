#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "core/attention/layer.h"
#include "core/attention/row_sums.h"
#include "core/model/params.h"

namespace headroom {

/// Attention of one layer that was computed elsewhere and lies in a file: read row by row when it is looked at.
/// Threads All members may be called from several threads at once.
class StoredAttention {
 public:
  virtual ~StoredAttention() = default;
  virtual std::int64_t n_heads() const = 0;
  virtual std::int64_t seq_q() const = 0;
  virtual std::int64_t seq_k() const = 0;
  /// Whether `read` gives scores before the softmax (nats) instead of probabilities.
  virtual bool holds_scores() const = 0;
  /// Rows [row, row + n_rows) of a head as they lie in the file. Shapes  to [n_rows, seq_k]. Errors  Error when the file cannot be read.
  virtual void read(std::int64_t head, std::int64_t row, std::int64_t n_rows, float* to) const = 0;
};

/// What one block computed. Shapes with seq rows; head counts are those of the (possibly pruned) layer. A cross-attention layer's k and v
/// have a row for each token of the encoder.
struct LayerTrace {
  Tensor input;                     ///< [seq, d_model] residual stream before the block
  Tensor normed;                    ///< [seq, d_model] what W_Q, W_K, W_V read: the input normed, or itself under NormPlace::kAfter
  AttentionLayerResult attention;   ///< q, k (rotated), v, logsumexp, head_out, out
  std::vector<std::int64_t> heads;  ///< as LayerParams::heads
  std::vector<std::int64_t> kv_head_of;  ///< as LayerParams::kv_head_of
  std::int64_t d_head = 0;
  float scale = 0;
  float soft_cap = 0;                                 ///< as AttentionConfig::soft_cap
  std::shared_ptr<const PositionBias> position_bias;  ///< as AttentionConfig::position_bias; null: none
  Mask mask;                                          ///< of this layer: a model's windows may differ from layer to layer
  /// Set where the attention was computed elsewhere: `attention` is then empty, or what the file has of it.
  std::shared_ptr<const StoredAttention> stored;
  /// Set where attention.logsumexp is empty, as in a long text: row sums as they are asked for. Reads attention.q and attention.k of this
  /// trace (moving it is safe, a copy must make its own).
  std::shared_ptr<const RowSums> row_sums;

  /// Index of unpruned head `head` among the remaining ones, or -1 when it was pruned.
  std::int64_t index_of(std::int64_t head) const;
  std::int64_t seq_q() const { return stored ? stored->seq_q() : attention.q.dim(0); }
  std::int64_t seq_k() const { return stored ? stored->seq_k() : attention.k.dim(0); }
};

/// Row sums that read the layer's q and k, none known yet; for LayerTrace::row_sums. A layer without heads has none: null.
/// Errors  ShapeError when the layer holds no q and k.
std::shared_ptr<const RowSums> make_row_sums(const LayerTrace& layer);

struct ForwardTrace {
  std::vector<std::int32_t> ids;  ///< [seq]
  std::vector<std::int32_t>
      key_ids;  ///< [seq_k] of cross-attention: the encoder's tokens; empty: the keys are the queries' own tokens
  std::vector<LayerTrace> layers;
  Tensor output;                 ///< [seq, d_model] residual stream after the last block, before the final norm where there is one
  Tensor logits;                 ///< [seq, vocab_size]; empty for an encoder by itself
  Mask mask;                     ///< that was asked for; each layer has its own
  std::vector<StageTime> times;  ///< summed over layers: embed, norm, q k v, rotary, attention, W_O, MLP, logits
};

struct ForwardOptions {
  /// Direction and pattern; query_offset 0. A dense pattern leaves a model's own windows as they are, any other takes their place.
  /// key_lengths of one number: tokens from there on are padding.
  Mask mask;
  std::vector<std::int32_t> token_types;  ///< [seq], or empty: all of type 0
  /// Keep input, normed and the attention tensors of each layer (true for a picture, false for a loss).
  enum class Keep { kTrace, kLogitsOnly } keep = Keep::kTrace;
  std::stop_token stop;
};

/// One pass of a model with one stack over one sequence; the mask is the caller's whatever the model's kind (default_direction).
/// Errors  Error when an id is outside the vocabulary; ShapeError, also when ids is empty, longer than learned positions, or the model is
///         an encoder-decoder (translation_pass.h); Cancelled.
/// Source  Touvron et al. 2023, arXiv:2302.13971 (norm before); Qwen2's biases on q, k, v; Radford et al. 2019 (GPT-2);
///         Devlin et al. 2019, arXiv:1810.04805 (norm after).
ForwardTrace forward(const ModelParams& params, std::span<const std::int32_t> ids, AttentionLayer& attention, ThreadPool& pool,
                     const ForwardOptions& options);

/// -log softmax(logits[i])[ids[i + 1]] for i in [0, seq - 1), in nats. Shapes  logits [seq, vocab], ids [seq]; result [seq - 1].
std::vector<double> next_token_losses(const Tensor& logits, std::span<const std::int32_t> ids);

struct Prediction {
  std::int32_t id = 0;
  double probability = 0;
};
/// The n most probable next tokens after row `position`, descending; softmax in double.
std::vector<Prediction> top_predictions(const Tensor& logits, std::int64_t position, std::size_t n);

/// Mean next-token loss over rows of ids, nats a token, one row after another through `attention`: for any device.
/// progress gets the share done in [0, 1]. Errors  Error when no row has two tokens; as forward. The stop token is looked at before each row.
double mean_loss(const ModelParams& params, std::span<const std::vector<std::int32_t>> rows, AttentionLayer& attention,
                 ThreadPool& pool, const ForwardOptions& options, const std::function<void(double)>& progress);

/// The same on the processor, rows shared out over the pool's threads, each with a flash backend of its own: several times faster for
/// many short rows. progress is called on any of the threads, one at a time. The sum does not depend on the number of threads.
double mean_loss(const ModelParams& params, std::span<const std::vector<std::int32_t>> rows, ThreadPool& pool,
                 const ForwardOptions& options, const std::function<void(double)>& progress);

}  // namespace headroom
