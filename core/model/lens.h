#pragma once

#include <cstdint>
#include <vector>

#include "core/model/forward.h"

namespace headroom {

/// What a model would say if it stopped after so many blocks.
struct LensLayer {
  std::vector<Prediction> top;   ///< most probable first
  std::int64_t answer_rank = 0;  ///< of LogitLens::answer among all words, from 1; equal logits in the order of ids
  double answer_probability = 0;
};

/// The logit lens of one token.
struct LogitLens {
  std::int64_t position = 0;
  std::int32_t answer = 0;        ///< the word that the whole model gives most
  std::vector<LensLayer> layers;  ///< [n_layers + 1]: what enters block i; the last: what leaves the last block
};

/// Each layer's residual stream at one token, as if it were the last: through the model's final norm and output head.
///
/// Shapes  trace: of forward or of a decoder, with the input of every layer ([seq, d_model]) and the output.
/// Units   probabilities in [0, 1], softmax over the vocabulary in double.
/// Edge    The last layer is what the model says itself. A model whose norms stand after (BERT) has no final norm: the head alone.
/// Errors  ShapeError when there is no such token, when the trace holds no inputs, or when the model predicts nothing.
/// Source  nostalgebraist 2020, "interpreting GPT: the logit lens".
LogitLens logit_lens(const ModelParams& params, const ForwardTrace& trace, std::int64_t position, std::size_t n_top,
                     ThreadPool& pool);

}  // namespace headroom
