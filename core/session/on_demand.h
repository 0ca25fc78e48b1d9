#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/model/forward.h"
#include "core/session/snapshot.h"

namespace headroom {

// What views ask of one token. A short text's trace holds it all; of a long text some is computed when it is looked at.

/// A token's vectors in one layer. Empty: not there, as all that needs a pass over the whole text before it was run.
struct TokenVectors {
  std::vector<float> normed;    ///< [d_model] what W_Q, W_K and W_V read
  std::vector<float> q;         ///< [n_heads * d_head] rotated
  std::vector<float> k, v;      ///< [n_kv_heads * d_head], k rotated
  std::vector<float> head_out;  ///< [n_heads * d_head]
  std::vector<float> out;       ///< [d_model] after W_O
};
/// Of cross-attention k and v are those of the source's token `key`.
/// Errors  ShapeError when the trace has no such layer or token.
TokenVectors token_vectors(const Snapshot& snapshot, std::int64_t layer, std::int64_t token, std::int64_t key = 0);

/// v of one token in one layer. Shape  [n_kv_heads * d_head], or empty where it is not there. Errors  as token_vectors.
std::vector<float> token_values(const Snapshot& snapshot, std::int64_t layer, std::int64_t token);

/// The n most probable tokens after `position`, or of a masked model in its place when it is hidden, as top_predictions gives them; none
/// where they were not computed.
/// Errors  ShapeError when there is no such token.
std::vector<Prediction> predictions_after(const Snapshot& snapshot, std::int64_t position, std::size_t n);

/// How probable one word is after a token, or of a masked model in its place.
struct Odds {
  double probability = 0;
  std::int64_t rank = 0;  ///< among all words, from 1; equal logits in the order of ids
};
/// Nothing where it was not computed. Errors  ShapeError when there is no such token.
std::optional<Odds> odds_of(const Snapshot& snapshot, std::int64_t position, std::int32_t id);

/// The word that really stands where a prediction after `position` belongs: the next token, or of a masked model the token itself. -1: none.
std::int64_t followed_by(const Snapshot& snapshot, std::int64_t position);

/// One sentence on why there are no predictions.
std::string why_no_predictions(const Snapshot& snapshot);

/// What the predictions of this model are of: the token after one, or one that is hidden.
LossOf predicted(const ModelConfig& config);

}  // namespace headroom
