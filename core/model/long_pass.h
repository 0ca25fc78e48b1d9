#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "core/model/forward.h"

namespace headroom {

// Passes over texts so long that not everything can be kept: stretches of rows at a time, never [seq, vocab_size].

struct LongPassOptions {
  Mask mask;                              ///< direction and pattern; query_offset 0
  std::vector<std::int32_t> token_types;  ///< as ForwardOptions::token_types
  std::stop_token stop;
  std::function<void(double share)> progress;  ///< in [0, 1], on the calling thread; may be empty
  std::int64_t rows_per_stretch = 512;         ///< of the temporaries; the results do not depend on it
};

/// The first layer of a pass alone, as far as its pictures need it: q and k (rotated) and row_sums; neither v nor losses nor logits.
/// Under rotary positions what the first layer reads depends on a token's id alone, so each id is projected once and then turned to each
/// of its positions.
///
/// Shapes  one layer: q [seq, n_heads * d_head], k [seq, n_kv_heads * d_head]; input, normed, v, logsumexp, head_out and out are empty.
/// Errors  As forward. Only what stands before the first layer, and that layer, are read.
ForwardTrace first_layer_pass(const ModelParams& params, std::span<const std::int32_t> ids, ThreadPool& pool,
                              const LongPassOptions& options);

/// What the first layer computes of one token by itself; `position` tells only under learned positions, `type` where there are token types.
struct FirstLayerVectors {
  std::vector<float> normed;  ///< [d_model] what W_Q, W_K and W_V read
  std::vector<float> v;       ///< [n_kv_heads * d_head]
};
/// Errors  Error when the id is outside the vocabulary or the type has no row; ShapeError when the position is outside the learned ones.
FirstLayerVectors first_layer_vectors(const ModelParams& params, std::int32_t id, std::int64_t position = 0, std::int32_t type = 0);

/// All layers: of each q, k, v and logsumexp, and ForwardTrace::output; input, normed, head_out, out and the logits are empty.
/// `attention` runs on the processor, a stretch of queries at a time.
/// Errors  As forward.
ForwardTrace long_forward(const ModelParams& params, std::span<const std::int32_t> ids, AttentionBackend& attention,
                          ThreadPool& pool, const LongPassOptions& options);
/// The same with whole attention layers on another device; the MLPs run on the processor.
ForwardTrace long_forward(const ModelParams& params, std::span<const std::int32_t> ids, AttentionLayer& attention, ThreadPool& pool,
                          const LongPassOptions& options);

/// Bytes that long_forward keeps and needs beside the parameters, computed from the shape.
std::int64_t long_forward_bytes(const ModelParams& params, std::int64_t seq);

/// The logits of one row of ForwardTrace::output, as a tensor [1, vocab_size] for top_predictions. Errors  ShapeError.
Tensor logits_of(const ModelParams& params, const ForwardTrace& trace, std::int64_t position, ThreadPool& pool);

/// next_token_losses from ForwardTrace::output, with the logits of a stretch of rows at a time. options.mask has no say.
/// Errors  ShapeError; Cancelled.
std::vector<double> next_token_losses(const ModelParams& params, const ForwardTrace& trace, ThreadPool& pool,
                                      const LongPassOptions& options);

}  // namespace headroom
