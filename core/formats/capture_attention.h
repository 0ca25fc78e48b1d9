#pragma once

#include <memory>

#include "core/formats/capture_plan.h"
#include "core/model/forward.h"

namespace headroom {

/// Which queries and keys of an array are real: the rest is padding and is left out.
struct CaptureWindow {
  std::int64_t q_begin = 0, q_end = 0, k_begin = 0, k_end = 0;

  std::int64_t seq_q() const { return q_end - q_begin; }
  std::int64_t seq_k() const { return k_end - k_begin; }
};

/// Full attention of one layer and text, read from its file row by row.
std::shared_ptr<const StoredAttention> stored_attention(const LayerPlan& layer, std::int64_t entry, const CaptureWindow& window);

/// Tokens [begin, end) of q, k or v as a trace keeps them. Shape  [end - begin, heads * d_k].
Tensor read_tokens_first(const ArrayPart& part, CaptureName::Axes axes, std::int64_t entry, KeyRange tokens);

/// How scores come from q and k.
struct ScoreTerms {
  float scale = 1, soft_cap = 0;
  std::shared_ptr<const PositionBias> position_bias;
  std::int64_t query_offset = 0;         ///< as Mask's: for the bias
  std::vector<std::int64_t> kv_head_of;  ///< of each head
};

/// Layers of k that are in memory, the newest last; shared by the layers of a pass.
class KeyStore;
std::shared_ptr<KeyStore> make_key_store(std::int64_t max_bytes);

/// Scores of a layer whose q and k are too large to be kept, computed from them row by row.
std::shared_ptr<const StoredAttention> scores_of_large(const LayerPlan& layer, std::int64_t entry, const CaptureWindow& window,
                                                       const ScoreTerms& terms, const std::shared_ptr<KeyStore>& store);

}  // namespace headroom
