#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/cost/kv_cache.h"
#include "core/model/params.h"

namespace headroom {

/// What a card's configuration describes: a decoder (each token sees what came before), an encoder (each sees all), or both.
enum class CardKind { kUnknown, kDecoder, kEncoder, kEncoderDecoder };
enum class CardPositions { kUnknown, kRotary, kLearned, kSinusoidal, kRelativeBias };

/// One stack of blocks. Nothing stands for what the configuration does not tell.
struct CardStack {
  std::optional<std::int64_t> n_layers, n_heads, n_kv_heads, d_ff;
  /// How many keys a query of each layer sees at most, itself included; 0: all. Empty when no layer has a window.
  std::vector<std::int64_t> windows;

  bool operator==(const CardStack&) const = default;
};

/// What a family's code fixes and few configurations tell: biases, gates, norms. Without it only matrices' shapes are known.
struct CardBlock {
  NormKind norm = NormKind::kRms;
  std::int64_t norms_per_block = 2;  ///< of width d_model, beside the one of cross-attention
  bool has_final_norm = true;        ///< of each stack
  bool has_embedding_norm = false;   ///< of each stack
  bool has_qk_norm = false;          ///< RMS norms of width d_k on q and on k
  bool has_qkv_bias = false, has_o_bias = false, has_mlp_bias = false;
  bool is_gated = true;             ///< three matrices in the MLP, not two
  std::int64_t n_experts = 1;       ///< MLPs of a block, each read for some tokens only
  std::int64_t n_experts_used = 1;  ///< of them for each token
  std::int64_t position_rows = 0;   ///< learned vectors of each stack
  std::int64_t token_types = 0;     ///< rows of the segment embedding
  std::int64_t buckets = 0;         ///< of relative distances: one number for each head, shared by the layers of a stack
  bool has_pooler = false;          ///< a matrix [d_model, d_model] with bias over the first token
  bool has_head_transform = false;  ///< a dense layer with bias and a norm before the output
  bool has_output = true;           ///< predicts words
  bool has_output_bias = false;
  bool ties_output = true;  ///< the output is the embedding's own matrix
};

/// A model as its config.json tells it: no parameter is read.
struct ModelCard {
  std::string name;    ///< "LLaMA 2 70B", or the file's path
  std::string family;  ///< model_type, or "" when it is missing
  std::string source;  ///< where a card of the library has its numbers from: a citation
  CardKind kind = CardKind::kUnknown;
  CardPositions positions = CardPositions::kUnknown;
  std::optional<std::int64_t> d_model, d_head, vocab, context;
  bool tells_d_head = false;   ///< the configuration gives d_k itself, so it need not be d_model / heads
  CardStack encoder, decoder;  ///< of an unknown kind the decoder holds the one stack
  std::optional<CardBlock> block;
  std::string activation;            ///< as the configuration names it
  std::string stored;                ///< "bfloat16": the type of the parameters as the configuration says
  std::vector<std::string> missing;  ///< what is not known and what that hides, a sentence each
  std::vector<std::string>
      notices;          ///< what is worth telling beside: a name given twice, a rotary scaling that nothing here computes
  std::string not_run;  ///< why such a model is not run here: custom code, quantised; empty when nothing in the card forbids it

  /// The stack whose heads a card draws first, and whose K and V a cache keeps.
  const CardStack& main_stack() const { return kind == CardKind::kEncoder ? encoder : decoder; }
};

enum class CardPart { kEmbedding, kPositions, kQuery, kKey, kValue, kOutProjection, kCross, kMlp, kNorms, kOutput };
const char* card_part_name(CardPart part);  ///< "W_Q", "MLP"

/// How many parameters a part has, and how that is computed. Nothing: the card does not tell enough.
struct PartCount {
  CardPart part;
  std::optional<std::int64_t> n;
  std::string formula;  ///< "32 layers · 4,096 · (32 · 128)", without the result
};

/// Parameters by part, in the order of CardPart; parts that a known model does not have are left out.
struct CardParameters {
  std::vector<PartCount> parts;
  std::optional<std::int64_t> total;   ///< exact; nothing when a part is not known
  std::optional<std::int64_t> active;  ///< those that one token meets: less than the total where experts take turns

  const PartCount* find(CardPart part) const;
};
/// Exact for a known family: the tied output is counted once. Edge  Of an unknown family only what shapes alone decide is counted.
CardParameters count_parameters(const ModelCard& card);

/// What the K/V cache of a decoder holds for one sequence. Of an encoder-decoder, the decoder's own tokens.
struct CardCache {
  std::int64_t bytes_per_token = 0;  ///< of all layers, while no window is full
  std::int64_t bytes = 0;            ///< at the context; a layer with a window keeps its last tokens only
  std::int64_t unshared_bytes = 0;   ///< at the context, had each query head K and V of its own
};
/// Tokens that a card's figures are computed for at most.
inline constexpr std::int64_t kMaxCardContext = 10'000'000;
/// Nothing when the card does not tell enough, or is an encoder: it keeps no cache. Errors  none; context is brought into [1, kMaxCardContext].
std::optional<CardCache> card_cache(const ModelCard& card, KvType type, std::int64_t context);

/// Floating-point operations of one pass over a whole text (prefill): a multiply-add counts two; softmax, norms and activations are not counted.
struct CardWork {
  std::int64_t maps = 0;         ///< attention computations: each layer's each head, cross-attention too
  double pairs = 0;              ///< of one head, averaged over the maps: query-key pairs that the mask keeps
  double scores = 0;             ///< q·k of all maps that the mask keeps
  double scores_unmasked = 0;    ///< had the mask kept every pair
  double qk = 0, pv = 0;         ///< FLOP of q·k and of the weighted sum of v, for the pairs kept
  double projections = 0;        ///< FLOP of W_Q, W_K, W_V, W_O
  std::optional<double> mlp;     ///< FLOP
  std::optional<double> output;  ///< FLOP of the logits at every token
};
/// Of an encoder-decoder both texts have `context` tokens. Nothing when the card does not tell enough.
std::optional<CardWork> card_work(const ModelCard& card, std::int64_t context);

/// Query-key pairs of a causal text of n tokens where a query sees at most `window` keys (0: all before it): n (n + 1) / 2 without window.
std::int64_t causal_pairs(std::int64_t n, std::int64_t window);

/// One line of arithmetic: "KV cache of a token" · "2 · 32 layers · 8 kv_heads · 128 d_k · 2 B" · "131,072 B".
struct CardLine {
  std::string label, formula, result;
};
struct CardLines {
  std::vector<CardLine> shape, parameters, cache, work;
};
/// The arithmetic with its numbers. Lines that the card does not tell enough for are left out.
CardLines card_lines(const ModelCard& card, KvType type, std::int64_t context);

/// "multi-head: each of the 12 heads has K and V of its own", "grouped: 8 query heads read one K/V head", "multi-query: …", or "".
std::string sharing_text(const CardStack& stack);

}  // namespace headroom
