#pragma once

#include <cstdint>
#include <span>

#include "core/model/params.h"

/// The arithmetic of training on one thread, instruction set chosen at run time. Buffers end with at least 16 floats that may be read.
namespace headroom::training_kernels {

/// c = start + bias + a b, everything where it lies.
struct Product {
  const float* a = nullptr;  ///< [m, k]: element (i, j) at a[i * a_row + j * a_col]; a transposed matrix has a_row = 1
  std::int64_t a_row = 0, a_col = 1;
  const float* b = nullptr;  ///< [k, n], rows b_row apart
  std::int64_t b_row = 0;
  float* c = nullptr;  ///< [m, n], rows c_row apart
  std::int64_t c_row = 0;
  std::int64_t m = 0, n = 0, k = 0;
  const float* start = nullptr;  ///< [m, n] that the product is added to (c itself: accumulate), or null
  std::int64_t start_row = 0;
  const float* bias = nullptr;  ///< [n] added to each row, or null
};
/// scratch [scratch_size()]. c may be start, else nothing may overlap.
void multiply(const Product& product, float* scratch);
std::int64_t scratch_size();

/// to[c, r] = from[r, c]. Shapes  from [rows, cols], to [cols, rows] with their row strides.
struct Transpose {
  const float* from = nullptr;
  std::int64_t rows = 0, cols = 0, from_row = 0;
  float* to = nullptr;
  std::int64_t to_row = 0;
};
void transpose(const Transpose& transpose);

/// A norm over rows of d numbers.
struct NormRows {
  NormKind kind = NormKind::kRms;
  std::int64_t n = 0, d = 0;
  float epsilon = 1e-6F;
  const float* gain = nullptr;  ///< [d]
  const float* bias = nullptr;  ///< [d], or null
};
/// y = norm(x). statistics [n, 2]: mean (0 under kRms) and 1 / deviation of each row.
void norm_forward(const NormRows& norm, const float* x, float* y, float* statistics);
/// dx += the gradient through the norm when adds, else dx = it; gain and bias gradients are added. dy may be dx when it does not add.
struct NormGradient {
  const float* x = nullptr;
  const float* statistics = nullptr;
  const float* dy = nullptr;
  float* dx = nullptr;
  float* d_gain = nullptr;
  float* d_bias = nullptr;  ///< or null
  enum class Into { kSet, kAdd } into = Into::kSet;
};
void norm_backward(const NormRows& norm, const NormGradient& gradient);

/// value [n, ff] becomes the slope of the activation there, hidden [n, ff] its value. kSwiGlu: value [n, 2 ff] holds gate and up side by side
/// and becomes the two factors that the backward pass needs.
void activation_forward(MlpKind kind, std::int64_t n, std::int64_t ff, float* value, float* hidden);
/// slopes (as activation_forward left them) become the gradient of what it was given. Shapes  d_hidden [n, ff].
void activation_backward(MlpKind kind, std::int64_t n, std::int64_t ff, const float* d_hidden, float* slopes);

/// sums [n_cols] += column sums of x [n, n_cols], rows `row` apart.
void add_column_sums(const float* x, std::int64_t row, std::int64_t n, std::span<float> sums);
/// to += from.
void add_to(std::span<const float> from, std::span<float> to);
/// sum of squares, in double.
double sum_of_squares(std::span<const float> x);

/// Numbers of a row of the rotary tables: d_head, or several heads' worth where a head is narrower than a vector.
std::int64_t rotary_period(std::int64_t d_head);
/// Turns heads of d_head numbers by their position; backward turns the other way. cos, sin [seq, rotary_period(d_head)]: of coordinate c of a
/// head the angle's cosine, and its sine, negative in the first half.
struct Rotation {
  float* x = nullptr;  ///< [n, width], rows `row` apart: n_heads heads side by side
  std::int64_t row = 0, n = 0, n_heads = 0, d_head = 0;
  std::int64_t seq = 0;  ///< row i stands at position i % seq
  enum class Way { kForward, kBackward } way = Way::kForward;
};
void rotate(const Rotation& rotation, const float* cos, const float* sin);

/// Softmax cross-entropy of rows of logits, which become their own gradient.
struct LossRows {
  std::int64_t n = 0, vocab = 0, row = 0;
  float* logits = nullptr;                ///< [n, vocab], rows `row` apart
  const std::int32_t* targets = nullptr;  ///< [n]; negative: not counted, its gradient is 0
  float scale = 1;                        ///< of the gradient
  float* losses = nullptr;                ///< [n] nats; 0 where not counted
  const float* teacher = nullptr;         ///< [n, vocab] probabilities at `temperature`, or null
  float weight = 0, temperature = 1;      ///< how much the teacher counts; Batch::teacher
  enum class Keeps { kGradient, kLogits } keeps = Keeps::kGradient;
};
void loss_rows(const LossRows& rows);
/// probs = softmax(logits / temperature), in place.
void softmax_rows(float* logits, std::int64_t n, std::int64_t vocab, float temperature);

/// Attention of one head over one row of a batch. q, k, v, out and their gradients have rows of d_head numbers, `*_row` apart.
struct HeadPass {
  const float *q = nullptr, *k = nullptr, *v = nullptr;
  std::int64_t q_row = 0, kv_row = 0;
  std::int64_t seq_q = 0, seq_k = 0, d_head = 0;
  bool is_causal = true;
  float scale = 1;
  float* out = nullptr;
  std::int64_t out_row = 0;
  float* logsumexp = nullptr;  ///< [seq_q], nats
};
/// Where probabilities go for someone who looks: of query i and key j at probs[j * key_stride + i]; null: nobody does.
struct HeadLook {
  float* probs = nullptr;
  std::int64_t key_stride = 0;
};
/// scratch [attention_scratch(seq_k, d_head)]
void attention_forward(const HeadPass& head, const HeadLook& look, float* scratch);
struct HeadGradient {
  const float* d_out = nullptr;                       ///< rows out_row apart
  float *dq = nullptr, *dk = nullptr, *dv = nullptr;  ///< rows q_row, kv_row apart; dq is set, dk and dv are added to
};
void attention_backward(const HeadPass& head, const HeadGradient& gradient, float* scratch);
std::int64_t attention_scratch(std::int64_t seq_k, std::int64_t d_head);

/// One AdamW step of a stretch of parameters, gradients scaled first.
struct AdamStep {
  std::int64_t n = 0;
  float* parameters = nullptr;
  const float* gradients = nullptr;
  float *m = nullptr, *v = nullptr;
  const float* decay = nullptr;  ///< [n] weight decay of each
  float gradient_scale = 1, beta1 = 0.9F, beta2 = 0.98F, epsilon = 1e-8F;
  float rate = 0;
  float step_size = 0;     ///< rate / (1 - beta1^t)
  float v_correction = 1;  ///< 1 / sqrt(1 - beta2^t)
};
void adam_step(const AdamStep& step);

}  // namespace headroom::training_kernels
