#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

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

/// Errors  ShapeError when ids is empty; Error when one is outside the vocabulary.
void check_ids(std::span<const std::int32_t> ids, std::int64_t vocab_size);

/// x[i] = embedding[ids[i]]. Shapes  x [ids.size(), d_model].
void embed(ThreadPool& pool, const Tensor& embedding, std::span<const std::int32_t> ids, MatrixView x);

/// out = x / sqrt(mean(x^2) + eps) * gain, row by row. Source  Zhang & Sennrich 2019, arXiv:1910.07467.
void rms_norm(ThreadPool& pool, ConstMatrixView x, const Tensor& gain, float eps, MatrixView out);

/// x += term. Shapes  alike, rows without gaps.
void add_to(ThreadPool& pool, ConstMatrixView term, MatrixView x);

/// The tensors of one MLP, reused by every block; rows are the most that one call may have.
struct MlpSpace {
  MlpSpace(std::int64_t rows, const ModelShape& shape);
  Tensor gate, up;  ///< [rows, d_ff]
  Tensor out;       ///< [rows, d_model]
};
/// x += MLP(normed). Shapes  x, normed [at most the space's rows, d_model].
void add_mlp(ThreadPool& pool, const LayerParams& layer, ConstMatrixView normed, MlpSpace& space, MatrixView x);

AttentionConfig attention_config(const LayerParams& layer, std::int64_t d_head, std::int64_t seq, const Mask& mask);

/// What a trace says of a layer beside its tensors.
LayerTrace layer_trace(const LayerParams& layer, const AttentionConfig& config);

/// The angles of every position of a text, computed in parallel.
class RotaryAngles {
 public:
  RotaryAngles(ThreadPool& pool, const Rotary& rotary, std::int64_t seq, std::int64_t d_head);
  /// As rotate_row.
  void rotate(std::int64_t position, std::int64_t n_heads, const float* from, float* to) const;

 private:
  std::vector<RotaryTable> tables_;
};

/// Tells how far a pass is. Errors  Cancelled when it is to stop.
void report_share(const LongPassOptions& options, double share);

/// Rows [begin, end) of a tensor of rank 2.
MatrixView rows_of(Tensor& tensor, std::int64_t begin, std::int64_t end);
ConstMatrixView rows_of(const Tensor& tensor, std::int64_t begin, std::int64_t end);

}  // namespace headroom
