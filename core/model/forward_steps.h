#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/attention/head_norm.h"
#include "core/attention/layer.h"
#include "core/model/long_pass.h"
#include "core/model/params.h"
#include "core/tensor/parallel.h"

namespace headroom {

// The steps that the passes of this room are made of: forward.cpp runs them on whole texts, long_pass.cpp on stretches of rows.

/// Adds the time since the last call to the stage named: every moment of a pass belongs to one stage.
class StageClock {
 public:
  /// `times` gets the stages of a pass, in order.
  explicit StageClock(std::vector<StageTime>& times);
  void add(const std::string& stage, double ms);
  void lap(const char* stage);
  /// Leaves out the time since the last call: a layer measured it itself.
  void skip() { last_ = std::chrono::steady_clock::now(); }

 private:
  std::vector<StageTime>& times_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// Calls body(first, last) for ranges of rows, in parallel when there is enough to do.
template <typename Body>
void for_rows(ThreadPool& pool, std::int64_t n_rows, std::int64_t row_size, const Body& body) {
  // Elementwise work below this many values costs less than waking another thread.
  constexpr std::int64_t kValuesPerItem = 16384;
  const std::int64_t rows_per_item = std::max<std::int64_t>(1, kValuesPerItem / std::max<std::int64_t>(1, row_size));
  const std::int64_t n_items = (n_rows + rows_per_item - 1) / rows_per_item;
  if (n_items <= 1) return body(std::int64_t{0}, n_rows);
  pool.parallel_for(n_items,
                    [&](std::int64_t item, int) { body(item * rows_per_item, std::min(n_rows, (item + 1) * rows_per_item)); });
}

/// Calls act(values) for stretches of a whole matrix without gaps.
template <typename Act>
void for_values(ThreadPool& pool, MatrixView matrix, const Act& act) {
  for_rows(pool, matrix.rows, matrix.cols, [&](std::int64_t first, std::int64_t last) {
    act(std::span(matrix.row(first), static_cast<std::size_t>((last - first) * matrix.cols)), first);
  });
}

/// Errors  ShapeError when ids is empty; Error when one is outside the vocabulary.
void check_ids(std::span<const std::int32_t> ids, std::int64_t vocab_size);

/// Of a model without token types any are right: it has no rows to tell them apart. Shapes  table [n_types, d_model].
/// Errors  ShapeError when there is another number of types than of tokens; Error when a type has no row.
void check_types(const Tensor& table, std::span<const std::int32_t> ids, std::span<const std::int32_t> types);

/// The parts of a model that one of its stacks reads: the blocks of a decoder, or of an encoder.
struct StackParams {
  const ModelConfig& config;
  const std::vector<LayerParams>& layers;
  const Tensor &embedding, &positions, &token_types, &relative_bias, &norm, &norm_bias, &final_norm, &final_norm_bias;
  bool sees_both_sides = false;  ///< as trained: which buckets its relative positions have
};
StackParams decoder_of(const ModelParams& params);
StackParams encoder_of(const ModelParams& params);

/// Errors  ShapeError when a model with learned positions has fewer of them than the text has tokens.
void check_length(const ModelConfig& config, std::int64_t seq);

/// x[i] = embedding[ids[i]]. Shapes  x [ids.size(), d_model].
void embed(ThreadPool& pool, const Tensor& embedding, std::span<const std::int32_t> ids, MatrixView x);

/// Tokens that stand one after another in a text.
struct TextPart {
  std::span<const std::int32_t> ids;
  std::int64_t first_position = 0;
  std::span<const std::int32_t> types = {};  ///< as ForwardOptions::token_types, of these tokens
};
/// The same with all that the model does before its first block: its factor, learned positions, token types, the embedding's norm.
/// Errors  As check_types.
void embed_tokens(ThreadPool& pool, const StackParams& stack, const TextPart& part, MatrixView x);

/// out = x / sqrt(mean(x^2) + eps) * gain, row by row. Source  Zhang & Sennrich 2019, arXiv:1910.07467.
void rms_norm(ThreadPool& pool, ConstMatrixView x, const Tensor& gain, float eps, MatrixView out);

/// out = (x - mean(x)) / sqrt(variance(x) + eps) * gain + bias, row by row. Source  Ba, Kiros & Hinton 2016, arXiv:1607.06450.
void layer_norm(ThreadPool& pool, ConstMatrixView x, const Tensor& gain, const Tensor& bias, float eps, MatrixView out);

/// The model's own kind of norm. `out` may be x itself.
void normalize(ThreadPool& pool, const ModelConfig& config, ConstMatrixView x, const Tensor& gain, const Tensor& bias,
               MatrixView out);

/// What W_Q, W_K and W_V of a block read: its input normed, or under NormPlace::kAfter the input itself, copied.
void attention_input(ThreadPool& pool, const ModelConfig& config, const LayerParams& layer, ConstMatrixView x, MatrixView out);

/// x += term. Shapes  alike, rows without gaps.
void add_to(ThreadPool& pool, ConstMatrixView term, MatrixView x);

/// x += what a block's attention gives, `out` after W_O: normed first under NormPlace::kAround, in `scratch`. Shapes  all alike.
struct AttentionSum {
  ConstMatrixView out;
  MatrixView scratch;
  MatrixView x;
};
void add_attention(ThreadPool& pool, const ModelConfig& config, const LayerParams& layer, const AttentionSum& sum);

/// The norms of q and of k before rotation; without gains where the model has none.
struct QueryKeyNorms {
  QueryKeyNorms(const ModelConfig& config, const LayerParams& layer)
      : q{layer.q_norm.span(), config.rms_norm_eps}, k{layer.k_norm.span(), config.rms_norm_eps} {}
  HeadNorm q, k;
};

/// The activation of an MLP in place, without what it gates.
void activate(ThreadPool& pool, MlpKind kind, MatrixView values);

/// The second half of blocks, with its norms wherever they stand. Its tensors are reused by every block.
class MlpHalf {
 public:
  /// `config` must outlive it.
  MlpHalf(ThreadPool& pool, const ModelConfig& config, std::int64_t most_rows);
  /// Nothing where the model has no MLPs, but for a norm after them. The time goes to "norm" and "MLP".
  /// Shapes  x [n <= most_rows, d_model].
  void add(const LayerParams& layer, StageClock& clock, MatrixView x);

 private:
  ConstMatrixView hidden(const LayerParams& layer, ConstMatrixView input);

  ThreadPool& pool_;
  const ModelConfig& config_;
  Tensor gate_, up_;     ///< [rows, d_ff]; gate of a gated MLP alone
  Tensor out_, normed_;  ///< [rows, d_model]
};

/// The rotation of a model's q and k over a text of `seq` tokens (of which scaled positions may depend); none under other positions.
/// Source  Frequencies and magnitude of scaled positions as transformers 5.23 computes them.
std::optional<Rotary> rotary_of(const ModelConfig& config, std::int64_t seq);

/// From the residual stream after the last block to the logits. The scratch is reused by one call after another.
class OutputHead {
 public:
  OutputHead(const ModelParams& params, std::int64_t most_rows);
  /// Shapes  x [n <= most_rows, d_model], logits [n, vocab_size].
  void logits(ThreadPool& pool, ConstMatrixView x, MatrixView logits);

 private:
  const ModelParams& params_;
  Tensor normed_, transformed_;
};

/// The mask of one layer: what was asked for, or the model's own window there where no pattern was.
Mask layer_mask(const ModelConfig& config, std::size_t layer, const Mask& asked);

/// What a stack's layers make of q·k: scale, caps, biases and masks, each layer's own. Made once a pass.
class StackScores {
 public:
  /// `stack`'s tensors must outlive it. `asked` as ForwardOptions::mask.
  StackScores(const StackParams& stack, const Mask& asked);
  /// Of self-attention over `seq` tokens.
  AttentionConfig config(std::size_t layer, std::int64_t seq) const;

 private:
  StackParams stack_;
  Mask asked_;
  std::shared_ptr<const PositionBias> bias_;  ///< of all heads
};

/// T5's biases as numbers by distance. Shapes  table [n_buckets, n_heads].
/// Source  Raffel et al. 2020, arXiv:1910.10683, section 2.1; buckets as in transformers' T5.
PositionBias bucketed_bias(const Tensor& table, std::int64_t max_distance, bool sees_both_sides);

/// What a trace says of a layer beside its tensors.
LayerTrace layer_trace(const LayerParams& layer, const AttentionConfig& config);

/// The angles of every position of a text, computed in parallel.
class RotaryAngles {
 public:
  /// Without a rotation, rotate() copies.
  RotaryAngles(ThreadPool& pool, const std::optional<Rotary>& rotary, std::int64_t seq, std::int64_t d_head);
  /// As rotate_row.
  void rotate(std::int64_t position, std::int64_t n_heads, const float* from, float* to) const;

 private:
  std::vector<RotaryTable> tables_;
  std::int64_t d_head_;
};

/// What a pass of whole blocks needs beside a stack and its rows.
struct StackRun {
  ThreadPool& pool;
  const Mask& mask;
  ForwardOptions::Keep keep = ForwardOptions::Keep::kTrace;
  std::stop_token stop;
  StageClock& clock;
  std::vector<LayerTrace>& layers;                             ///< gets a trace of each block, where they are kept
  std::function<void(const LayerParams&, Tensor& x)> between;  ///< after each block's attention: where a decoder reads its encoder
};
/// All blocks of a stack over x [seq, d_model], which becomes the residual stream after the last.
/// Errors  As AttentionLayer::run.
void run_stack(const StackParams& stack, AttentionLayer& attention, const StackRun& run, Tensor& x);

/// Tells how far a pass is. Errors  Cancelled when it is to stop.
void report_share(const LongPassOptions& options, double share);

/// Rows [begin, end) of a tensor of rank 2.
MatrixView rows_of(Tensor& tensor, std::int64_t begin, std::int64_t end);
ConstMatrixView rows_of(const Tensor& tensor, std::int64_t begin, std::int64_t end);

}  // namespace headroom
