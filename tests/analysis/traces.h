#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/model/forward.h"

namespace headroom::test {

inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Query rows of this bucket see no key at all under the mask that blind_rows makes.
inline Mask blind_rows(std::int64_t seq, const std::vector<std::int64_t>& blind, Direction direction) {
  Mask mask;
  mask.direction = direction;
  mask.pattern.kind = PatternKind::kHashedBuckets;
  mask.pattern.query_bucket.assign(static_cast<std::size_t>(seq), 0);
  mask.pattern.key_bucket.assign(static_cast<std::size_t>(seq), 0);
  for (const std::int64_t row : blind)
    mask.pattern.query_bucket[static_cast<std::size_t>(row)] = 1;
  return mask;
}

/// Score of a pair by its definition, in double, masked or not.
inline double score_of_pair(const LayerTrace& layer, std::int64_t index, std::int64_t i, std::int64_t j) {
  const std::int64_t kv = layer.kv_head_of[static_cast<std::size_t>(index)];
  double score = 0;
  for (std::int64_t c = 0; c < layer.d_head; ++c) {
    score += static_cast<double>(layer.attention.q.row(i)[static_cast<std::size_t>(index * layer.d_head + c)]) *
             static_cast<double>(layer.attention.k.row(j)[static_cast<std::size_t>(kv * layer.d_head + c)]);
  }
  score *= static_cast<double>(layer.scale);
  if (layer.soft_cap > 0) score = layer.soft_cap * std::tanh(score / layer.soft_cap);
  if (layer.position_bias == nullptr) return score;
  const std::int64_t reach = layer.position_bias->reach;
  const std::int64_t distance = std::min(reach, std::max(-reach, j - (layer.mask.query_offset + i)));
  return score + layer.position_bias->values[static_cast<std::size_t>(index * (2 * reach + 1) + reach + distance)];
}

/// log sum exp over the visible keys, in double, by its definition.
inline void fill_logsumexp(ForwardTrace& trace) {
  for (LayerTrace& layer : trace.layers) {
    for (std::int64_t h = 0; h < std::ssize(layer.heads); ++h) {
      for (std::int64_t i = 0; i < layer.attention.q.dim(0); ++i) {
        double sum = 0;
        for (std::int64_t j = 0; j < layer.attention.k.dim(0); ++j)
          sum += is_visible(layer.mask, 0, i, j) ? std::exp(score_of_pair(layer, h, i, j)) : 0;
        layer.attention.logsumexp.row(h)[static_cast<std::size_t>(i)] = static_cast<float>(std::log(sum));
      }
    }
  }
}

struct TraceShape {
  std::int64_t seq = 8;
  std::int64_t d_head = 4;
  std::vector<std::int64_t> heads{0, 1, 2, 3};
  std::vector<std::int64_t> kv_head_of{0, 0, 1, 1};
  std::int64_t seq_k = 0;  ///< 0: seq
};

/// Two layers of arbitrary q and k.
inline ForwardTrace arbitrary_trace(const TraceShape& shape, const Mask& mask) {
  ForwardTrace trace;
  trace.mask = mask;
  trace.ids.assign(static_cast<std::size_t>(shape.seq), 0);
  std::int64_t n_kv = 0;
  for (const std::int64_t kv : shape.kv_head_of)
    n_kv = std::max(n_kv, kv + 1);
  float phase = 0;
  for (int l = 0; l < 2; ++l) {
    LayerTrace& layer = trace.layers.emplace_back();
    layer.heads = shape.heads;
    layer.kv_head_of = shape.kv_head_of;
    layer.d_head = shape.d_head;
    layer.scale = 0.7f;
    layer.mask = mask;
    layer.attention.q = Tensor({shape.seq, std::ssize(shape.heads) * shape.d_head});
    layer.attention.k = Tensor({shape.seq_k == 0 ? shape.seq : shape.seq_k, n_kv * shape.d_head});
    layer.attention.logsumexp = Tensor({std::ssize(shape.heads), shape.seq});
    for (float& x : layer.attention.q.span())
      x = std::sin(phase += 1.7f);
    for (float& x : layer.attention.k.span())
      x = std::cos(phase += 2.3f);
  }
  fill_logsumexp(trace);
  return trace;
}

using Probs = std::vector<std::vector<double>>;

/// One layer whose heads have exactly these probabilities: k_j is the j-th unit vector and q_i the logarithms of row i. Rows must sum to 1
/// over the visible keys (a masked key's entry is not looked at).
inline ForwardTrace trace_of(const std::vector<Probs>& heads, const Mask& mask) {
  const std::int64_t seq = std::ssize(heads.front());
  ForwardTrace trace;
  trace.mask = mask;
  trace.ids.assign(static_cast<std::size_t>(seq), 0);
  LayerTrace& layer = trace.layers.emplace_back();
  layer.d_head = seq;
  layer.scale = 1;
  layer.mask = mask;
  layer.attention.q = Tensor({seq, std::ssize(heads) * seq});
  layer.attention.k = Tensor({seq, seq});
  layer.attention.logsumexp = Tensor({std::ssize(heads), seq});
  for (std::int64_t h = 0; h < std::ssize(heads); ++h) {
    layer.heads.push_back(h);
    layer.kv_head_of.push_back(0);
  }
  for (std::int64_t i = 0; i < seq; ++i) {
    layer.attention.k.row(i)[static_cast<std::size_t>(i)] = 1;
    for (std::size_t h = 0; h < heads.size(); ++h) {
      for (std::size_t j = 0; j < static_cast<std::size_t>(seq); ++j) {
        const double p = heads[h][static_cast<std::size_t>(i)][j];
        layer.attention.q.row(i)[h * static_cast<std::size_t>(seq) + j] = p > 0 ? static_cast<float>(std::log(p)) : -80.0f;
      }
    }
  }
  fill_logsumexp(trace);
  return trace;
}

}  // namespace headroom::test
