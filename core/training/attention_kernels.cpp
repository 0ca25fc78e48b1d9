#include <algorithm>
#include <limits>

#include "core/tensor/simd_targets.h"
#include "core/training/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/training/attention_kernels.cpp"
#include <hwy/foreach_target.h>

#include <hwy/contrib/math/math-inl.h>

#include "core/tensor/exp-inl.h"
#include "core/training/product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::training_kernels {
namespace HWY_NAMESPACE {
namespace {

/// Queries that go through together, in the lanes; the keys of a causal block end with its last query.
constexpr std::int64_t kQueries = 32;
constexpr float kLn2 = 0.6931471805599453F;

/// Scratch of one head: columns of queries (or of their gradients), two panels of keys by queries, room for products.
struct Scratch {
  float* columns;  ///< [d_head, kQueries]
  float* panel;    ///< [seq_k, kQueries] scores, then probabilities
  float* slopes;   ///< [seq_k, kQueries] gradients of probabilities, then of scores
  float* product;

  Scratch(float* memory, const HeadPass& head)
      : columns(memory),
        panel(columns + head.d_head * kQueries),
        slopes(panel + head.seq_k * kQueries),
        product(slopes + head.seq_k * kQueries) {}
};

struct QueryBlock {
  std::int64_t begin = 0, n = 0;
  std::int64_t n_keys = 0;  ///< that any of them sees
};

/// columns[c, i] = factor * row i's number c; lanes without a row are zero.
HWY_INLINE void to_columns(const float* rows, std::int64_t row, std::int64_t n, std::int64_t d_head, float factor, float* columns) {
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t c = 0; c < d_head; ++c)
      columns[c * kQueries + i] = factor * rows[i * row + c];
  if (n == kQueries) return;
  for (std::int64_t c = 0; c < d_head; ++c)
    std::fill(columns + c * kQueries + n, columns + (c + 1) * kQueries, 0.0F);
}

/// panel[j, i] = rows[j] · column i.
HWY_INLINE void multiply_columns(const HeadPass& head, const float* rows, std::int64_t n_keys, const Scratch& scratch,
                                 float* panel) {
  Product product;
  product.a = rows;
  product.a_row = head.kv_row;
  product.b = scratch.columns;
  product.b_row = kQueries;
  product.c = panel;
  product.c_row = kQueries;
  product.m = n_keys;
  product.n = kQueries;
  product.k = head.d_head;
  multiply_now(product, scratch.product);
}

/// Which of the kLanes queries from `first` on may see key j.
HWY_INLINE FloatMask sees(std::int64_t first, std::int64_t j) {
  const Floats d;
  return hn::Ge(hn::Add(hn::Iota(d, 0.0F), hn::Set(d, static_cast<float>(first - j))), hn::Zero(d));
}

/// Scores in powers of two: panel[j, i] = log2(e) scale q_i · k_j.
HWY_INLINE void score_block(const HeadPass& head, const QueryBlock& block, const Scratch& scratch) {
  to_columns(head.q + block.begin * head.q_row, head.q_row, block.n, head.d_head, head.scale * kLog2E, scratch.columns);
  multiply_columns(head, head.k, block.n_keys, scratch, scratch.panel);
}

template <typename Body>
HWY_INLINE void each_block(const HeadPass& head, const Body& body) {
  for (std::int64_t begin = 0; begin < head.seq_q; begin += kQueries) {
    const std::int64_t n = std::min(kQueries, head.seq_q - begin);
    body(QueryBlock{begin, n, head.is_causal ? std::min(head.seq_k, begin + n) : head.seq_k});
  }
}

void Forward(const HeadPass& head, const HeadLook& look, float* memory) {
  const Floats d;
  const Scratch scratch(memory, head);
  HWY_ALIGN float logsumexp[kQueries], inverse[kQueries];
  each_block(head, [&](const QueryBlock& block) {
    score_block(head, block, scratch);
    for (std::int64_t lane = 0; lane < block.n; lane += kLanes) {
      float* const column = scratch.panel + lane;
      FloatVec top = hn::Set(d, -std::numeric_limits<float>::infinity());
      for (std::int64_t j = 0; j < block.n_keys; ++j) {
        FloatVec score = hn::LoadU(d, column + j * kQueries);
        if (head.is_causal && j > block.begin + lane) {
          score = hn::IfThenElse(sees(block.begin + lane, j), score, hn::Set(d, -std::numeric_limits<float>::infinity()));
          hn::StoreU(score, d, column + j * kQueries);
        }
        top = hn::Max(top, score);
      }
      FloatVec sum = hn::Zero(d);
      for (std::int64_t j = 0; j < block.n_keys; ++j) {
        const FloatVec e = headroom::HWY_NAMESPACE::exp2_non_positive(d, hn::Sub(hn::LoadU(d, column + j * kQueries), top));
        sum = hn::Add(sum, e);
        hn::StoreU(e, d, column + j * kQueries);
      }
      hn::StoreU(hn::MulAdd(top, hn::Set(d, kLn2), hn::Log(d, sum)), d, logsumexp + lane);
      hn::StoreU(hn::Div(hn::Set(d, 1.0F), sum), d, inverse + lane);
    }
    std::copy_n(logsumexp, block.n, head.logsumexp + block.begin);
    if (look.probs != nullptr) {
      for (std::int64_t j = 0; j < head.seq_k; ++j)
        for (std::int64_t i = 0; i < block.n; ++i)
          look.probs[j * look.key_stride + block.begin + i] = j < block.n_keys ? scratch.panel[j * kQueries + i] * inverse[i] : 0;
    }
    Product mix;
    mix.a = scratch.panel;
    mix.a_row = 1;
    mix.a_col = kQueries;
    mix.b = head.v;
    mix.b_row = head.kv_row;
    mix.c = head.out + block.begin * head.out_row;
    mix.c_row = head.out_row;
    mix.m = block.n;
    mix.n = head.d_head;
    mix.k = block.n_keys;
    multiply_now(mix, scratch.product);
    for (std::int64_t i = 0; i < block.n; ++i) {
      float* const out = head.out + (block.begin + i) * head.out_row;
      const FloatVec factor = hn::Set(d, inverse[i]);
      each_vector(head.d_head, [&](std::int64_t c, std::int64_t n) { store(hn::Mul(load(out + c, n), factor), out + c, n); });
    }
  });
}

void Backward(const HeadPass& head, const HeadGradient& gradient, float* memory) {
  const Floats d;
  const Scratch scratch(memory, head);
  HWY_ALIGN float logsumexp2[kQueries], along[kQueries];
  each_block(head, [&](const QueryBlock& block) {
    const float* const d_out = gradient.d_out + block.begin * head.out_row;
    // along_i = d_out_i · out_i = sum over keys of P_ij dP_ij.
    for (std::int64_t i = 0; i < kQueries; ++i) {
      FloatVec sum = hn::Zero(d);
      if (i < block.n) {
        const float *out = head.out + (block.begin + i) * head.out_row, *d_row = d_out + i * head.out_row;
        each_vector(head.d_head,
                    [&](std::int64_t c, std::int64_t n) { sum = hn::MulAdd(load(out + c, n), load(d_row + c, n), sum); });
      }
      along[i] = hn::GetLane(hn::SumOfLanes(d, sum));
      logsumexp2[i] = i < block.n ? head.logsumexp[block.begin + i] * kLog2E : 0;
    }
    score_block(head, block, scratch);
    to_columns(d_out, head.out_row, block.n, head.d_head, 1, scratch.columns);
    multiply_columns(head, head.v, block.n_keys, scratch, scratch.slopes);
    for (std::int64_t lane = 0; lane < block.n; lane += kLanes) {
      const FloatVec row_sum = hn::LoadU(d, logsumexp2 + lane), row_along = hn::LoadU(d, along + lane),
                     scale = hn::Set(d, head.scale);
      for (std::int64_t j = 0; j < block.n_keys; ++j) {
        float *const at = scratch.panel + j * kQueries + lane, *const slope = scratch.slopes + j * kQueries + lane;
        // Rounding may put a score a hair above its row's sum.
        const FloatVec below = hn::Min(hn::Sub(hn::LoadU(d, at), row_sum), hn::Zero(d));
        FloatVec p = headroom::HWY_NAMESPACE::exp2_non_positive(d, below);
        if (head.is_causal && j > block.begin + lane) p = hn::IfThenElseZero(sees(block.begin + lane, j), p);
        hn::StoreU(p, d, at);
        hn::StoreU(hn::Mul(hn::Mul(p, scale), hn::Sub(hn::LoadU(d, slope), row_along)), d, slope);
      }
    }
    Product product;
    // dV += Pᵀ dO and dK += dSᵀ Q: keys are the rows.
    product.a_row = kQueries;
    product.a_col = 1;
    product.m = block.n_keys;
    product.n = head.d_head;
    product.k = block.n;
    product.c_row = product.start_row = head.kv_row;
    product.a = scratch.panel;
    product.b = d_out;
    product.b_row = head.out_row;
    product.c = gradient.dv;
    product.start = gradient.dv;
    multiply_now(product, scratch.product);
    product.a = scratch.slopes;
    product.b = head.q + block.begin * head.q_row;
    product.b_row = head.q_row;
    product.c = gradient.dk;
    product.start = gradient.dk;
    multiply_now(product, scratch.product);
    // dQ = dS K: queries are the rows.
    product.a_row = 1;
    product.a_col = kQueries;
    product.b = head.k;
    product.b_row = head.kv_row;
    product.c = gradient.dq + block.begin * head.q_row;
    product.c_row = head.q_row;
    product.start = nullptr;
    product.m = block.n;
    product.k = block.n_keys;
    multiply_now(product, scratch.product);
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom::training_kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom::training_kernels {

HWY_EXPORT(Forward);
HWY_EXPORT(Backward);

void attention_forward(const HeadPass& head, const HeadLook& look, float* scratch) {
  HWY_DYNAMIC_DISPATCH(Forward)(head, look, scratch);
}
void attention_backward(const HeadPass& head, const HeadGradient& gradient, float* scratch) {
  HWY_DYNAMIC_DISPATCH(Backward)(head, gradient, scratch);
}
std::int64_t attention_scratch(std::int64_t seq_k, std::int64_t d_head) {
  constexpr std::int64_t kQueries = 32;
  return (d_head + 2 * seq_k) * kQueries + scratch_size();
}

}  // namespace headroom::training_kernels
#endif
