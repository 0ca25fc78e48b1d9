#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/training/network.h"

namespace headroom {

/// A longer watched sentence is cut to so many tokens, special ones included.
inline constexpr std::int64_t kMaxFrameTokens = 64;

/// A token of the watched sentence.
struct FrameWord {
  std::int32_t id = 0;
  std::string text;         ///< as a person would write it; "<bos>" for special tokens
  bool is_special = false;  ///< put there by the program: <bos>, <eos>
  bool is_unknown = false;  ///< the word is not in the vocabulary
};

/// What the model finds likely at one position: a causal model as the next word, a masked one instead of this word, a decoder as the next
/// word of the translation.
struct FrameGuess {
  std::string text;
  float probability = 0;
};

/// Every head's probabilities over the sentence, of one attention.
struct FrameStack {
  AttentionStack stack = AttentionStack::kSelf;
  std::int64_t n_layers = 0, n_heads = 0;
  std::int64_t seq_q = 0, seq_k = 0;
  std::vector<float> probs;  ///< [n_layers, n_heads, seq_q, seq_k]; what the mask hides is 0, as is a head that is switched off

  const float* head(std::int64_t layer, std::int64_t which) const {
    return probs.data() + (layer * n_heads + which) * seq_q * seq_k;
  }
};

/// What every head does with the watched sentence at one moment of the training. Immutable.
struct TrainFrame {
  std::int64_t tokens = 0;         ///< seen in training so far
  bool is_live = true;             ///< of the newest parameters, not of a kept state
  std::string sentence;            ///< as asked for
  std::vector<FrameWord> words;    ///< queries of kSelf and kCross; of an encoder-decoder: its own translation, <bos> first
  std::vector<FrameWord> source;   ///< of an encoder-decoder: queries and keys of kEncoder, keys of kCross; else empty
  std::vector<FrameStack> stacks;  ///< kSelf; of an encoder-decoder also kEncoder and kCross
  std::vector<std::vector<FrameGuess>> guesses;  ///< [words.size()] the three likeliest, descending
  std::vector<std::string> notices;              ///< the sentence was cut; words that the model does not know

  /// Null where the model has no such attention.
  const FrameStack* find(AttentionStack stack) const;
  const std::vector<FrameWord>& queries(AttentionStack stack) const { return stack == AttentionStack::kEncoder ? source : words; }
  const std::vector<FrameWord>& keys(AttentionStack stack) const { return stack == AttentionStack::kSelf ? words : source; }
};

}  // namespace headroom
