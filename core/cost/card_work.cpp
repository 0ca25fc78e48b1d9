#include <algorithm>

#include "core/cost/card.h"

namespace headroom {
namespace {

bool knows_heads(const ModelCard& card, const CardStack& stack) {
  return card.d_head && stack.n_layers && stack.n_heads && stack.n_kv_heads;
}

std::int64_t window_of(const CardStack& stack, std::int64_t layer) {
  return stack.windows.empty() ? 0 : stack.windows.at(static_cast<std::size_t>(layer));
}

}  // namespace

std::int64_t causal_pairs(std::int64_t n, std::int64_t window) {
  if (window <= 0 || window >= n) return n * (n + 1) / 2;
  return window * (window + 1) / 2 + (n - window) * window;
}

std::optional<CardCache> card_cache(const ModelCard& card, KvType type, std::int64_t context) {
  if (card.kind == CardKind::kEncoder || !knows_heads(card, card.decoder)) return std::nullopt;
  context = std::clamp<std::int64_t>(context, 1, kMaxCardContext);
  CardCache cache;
  const CardStack& stack = card.decoder;
  for (std::int64_t layer = 0; layer < *stack.n_layers; ++layer) {
    const std::int64_t window = window_of(stack, layer);
    const std::int64_t held = window > 0 ? std::min(window, context) : context;
    KvCacheShape shape{{*stack.n_kv_heads}, *card.d_head, 1, 1, type};
    cache.bytes_per_token += kv_bytes_of_layer(shape, 0);
    shape.context = held;
    cache.bytes += kv_bytes_of_layer(shape, 0);
    shape.n_kv_heads = {*stack.n_heads};
    cache.unshared_bytes += kv_bytes_of_layer(shape, 0);
  }
  return cache;
}

std::optional<CardWork> card_work(const ModelCard& card, std::int64_t context) {
  context = std::clamp<std::int64_t>(context, 1, kMaxCardContext);
  const bool has_both = card.kind == CardKind::kEncoderDecoder;
  const CardStack& main = card.main_stack();
  if (!card.d_model || !knows_heads(card, main) || (has_both && !knows_heads(card, card.encoder))) return std::nullopt;
  const auto n = static_cast<double>(context), d = static_cast<double>(*card.d_model), d_head = static_cast<double>(*card.d_head);
  CardWork work;
  double mlp = 0;
  bool has_mlp = card.block.has_value();
  const auto add_maps = [&](double heads, double pairs) {
    work.maps += static_cast<std::int64_t>(heads);
    work.scores += heads * pairs;
    work.scores_unmasked += heads * n * n;
  };
  const auto add_stack = [&](const CardStack& stack, bool is_causal, bool has_cross) {
    const auto layers = static_cast<double>(*stack.n_layers), heads = static_cast<double>(*stack.n_heads),
               kv = static_cast<double>(*stack.n_kv_heads);
    for (std::int64_t layer = 0; layer < *stack.n_layers; ++layer)
      add_maps(heads, is_causal ? static_cast<double>(causal_pairs(context, window_of(stack, layer))) : n * n);
    if (has_cross) add_maps(layers * heads, n * n);
    work.projections += layers * (has_cross ? 2 : 1) * 2 * n * d * d_head * (2 * heads + 2 * kv);
    if (!has_mlp || !stack.d_ff) {
      has_mlp = false;
      return;
    }
    const CardBlock& block = *card.block;
    const auto used = static_cast<double>(block.n_experts_used), experts = static_cast<double>(block.n_experts);
    const double matrices = block.is_gated ? 3 : 2;
    mlp += layers * 2 * n * d * (used * matrices * static_cast<double>(*stack.d_ff) + (experts > 1 ? experts : 0));
  };
  if (has_both) add_stack(card.encoder, false, false);
  add_stack(main, card.kind != CardKind::kEncoder, has_both);
  work.pairs = work.maps > 0 ? work.scores / static_cast<double>(work.maps) : 0;
  work.qk = 2 * d_head * work.scores;
  work.pv = work.qk;
  if (has_mlp) work.mlp = mlp;
  if (card.block && card.vocab && card.block->has_output)
    work.output = 2 * n * d * (static_cast<double>(*card.vocab) + (card.block->has_head_transform ? d : 0));
  return work;
}

}  // namespace headroom
