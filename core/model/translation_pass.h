#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "core/attention/backend.h"
#include "core/model/forward.h"

namespace headroom {

/// One pass of an encoder-decoder.
struct TranslationTrace {
  ForwardTrace encoder;  ///< of the source: every token sees all; no logits, output is what the decoder reads, behind the last norm
  ForwardTrace decoder;  ///< of the target: its self-attention, causal; logits of each next word
  /// Of each decoder layer: q [seq_target, ...] from the target, k and v [seq_source, ...]; input is the residual stream, normed what W_Q
  /// reads, out what it adds. ids are the target's, key_ids the source's; no logits.
  ForwardTrace cross;
};

struct TranslationOptions {
  ForwardOptions::Keep keep = ForwardOptions::Keep::kTrace;
  /// Direction and pattern; query_offset 0. key_lengths of one number: tokens of the source from there on are padding, which no target
  /// token sees either.
  Mask encoder_mask{.direction = Direction::kBidirectional};
  std::stop_token stop;
};

/// Runs the encoder over `source` and the decoder over `target`, which begins with the start token, on the processor.
///
/// Shapes  a cross layer: q, head_out [seq_target, n_heads * d_head], k, v [seq_source, n_kv_heads * d_head], logsumexp [n_heads,
///         seq_target].
/// Edge    A model that predicts nothing has no logits.
/// Errors  As forward, of either text; ShapeError also when the model is no encoder-decoder.
/// Source  Vaswani et al. 2017, arXiv:1706.03762, section 3.2.3; Lewis et al. 2020, arXiv:1910.13461 (BART).
TranslationTrace translate_pass(const ModelParams& params, std::span<const std::int32_t> source,
                                std::span<const std::int32_t> target, AttentionBackend& attention, ThreadPool& pool,
                                const TranslationOptions& options = {});

/// The encoder as a model by itself: one stack that sees both sides and predicts nothing (ModelConfig::predicts).
/// Errors  ShapeError when the model is no encoder-decoder.
ModelParams encoder_alone(const ModelParams& params);

}  // namespace headroom
