#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/model/shape.h"

namespace headroom {

/// What an array of a capture holds.
enum class CaptureRole {
  kProbs,   ///< attention after the softmax
  kScores,  ///< before it
  kQ,       ///< as the scores use it: after any norm and rotation
  kK,
  kV,
  kLogSumExp,  ///< of each row of scores
  kPositionBias,
};

/// An array's name, understood.
struct CaptureName {
  CaptureRole role = CaptureRole::kProbs;
  AttentionStack stack = AttentionStack::kSelf;
  std::optional<std::int64_t> layer;  ///< none: it holds all layers, or the only one
  /// Of q, k and v: [tokens, heads, d_k]; or [heads, tokens, d_k], as this program wrote them at first.
  enum class Axes { kTokensFirst, kHeadsFirst } axes = Axes::kTokensFirst;
  /// TransformerLens' hook_q and hook_k: what they are before rotation.
  enum class Turned { kAsUsed, kBefore } turned = Turned::kAsUsed;
};

/// Names of this program ("attn.000", "cross.003", "q.000", "encoder_q.000", "layers.3.logsumexp"), of TransformerLens
/// ("blocks.0.attn.hook_pattern", "decoder.0.cross_attn.hook_pattern") and of usual exports from transformers ("attentions.0",
/// "encoder_attentions_3", "attn_weights", "arr_0"). Nothing for any other.
std::optional<CaptureName> read_capture_name(std::string_view name);

}  // namespace headroom
