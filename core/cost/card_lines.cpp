#include <algorithm>
#include <map>

#include "core/cost/card.h"
#include "core/cost/thousands.h"

namespace headroom {
namespace {

std::string number(std::int64_t n) { return grouped_digits(n); }
std::string rounded(double n) { return n < 9e18 ? grouped_digits(static_cast<std::int64_t>(n)) : "more than 9e18"; }
std::string plural(std::int64_t n, const std::string& noun) { return number(n) + " " + noun + (n == 1 ? "" : "s"); }

/// "131,072 B" and, where that is hard to read, "= 128.00 KiB".
std::string bytes_both(std::int64_t bytes) {
  return bytes < 1024 ? number(bytes) + " B" : number(bytes) + " B = " + bytes_text(bytes);
}

void shape_lines(const ModelCard& card, std::vector<CardLine>& lines) {
  const CardStack& stack = card.main_stack();
  if (card.d_model && card.d_head && stack.n_heads) {
    const std::int64_t d = *card.d_model, heads = *stack.n_heads, d_head = *card.d_head;
    if (!card.tells_d_head) {
      lines.push_back({"d_k", number(d) + " d_model / " + plural(heads, "head"), number(d_head)});
    } else if (heads * d_head == d) {
      lines.push_back(
          {"d_k", "as the configuration says; " + number(d) + " / " + plural(heads, "head") + " is the same", number(d_head)});
    } else {
      lines.push_back({"d_k",
                       "as the configuration says, not " + number(d) + " / " + number(heads) + ": the heads are " + number(heads) +
                           " · " + number(d_head) + " = " + number(heads * d_head) + " wide together",
                       number(d_head)});
    }
  }
  if (stack.n_heads && stack.n_kv_heads)
    lines.push_back(
        {"sharing", plural(*stack.n_heads, "query head") + " / " + plural(*stack.n_kv_heads, "K/V head"),
         number(*stack.n_heads / *stack.n_kv_heads) + (*stack.n_heads == *stack.n_kv_heads ? " head each" : " heads each")});
}

void parameter_lines(const ModelCard& card, std::vector<CardLine>& lines) {
  const CardParameters count = count_parameters(card);
  std::string sum;
  for (const PartCount& part : count.parts) {
    if (!part.n) continue;
    lines.push_back({card_part_name(part.part), part.formula, number(*part.n)});
    if (*part.n > 0) sum += (sum.empty() ? "" : " + ") + number(*part.n);
  }
  if (!count.total) return;
  lines.push_back({"parameters", sum, number(*count.total)});
  if (count.active && *count.active != *count.total)
    lines.push_back(
        {"met by one token",
         "only " + number(card.block->n_experts_used) + " of " + number(card.block->n_experts) + " experts in each layer",
         number(*count.active)});
}

/// "13 layers · 4,096 tokens + 13 layers · 8,192 tokens": what layers hold when a text has `context` tokens.
std::string held_text(const CardStack& stack, std::int64_t context) {
  std::map<std::int64_t, std::int64_t> layers_of;  // tokens held -> how many layers
  for (std::int64_t layer = 0; layer < *stack.n_layers; ++layer) {
    const std::int64_t window = stack.windows.empty() ? 0 : stack.windows.at(static_cast<std::size_t>(layer));
    ++layers_of[window > 0 ? std::min(window, context) : context];
  }
  std::string text;
  for (const auto& [tokens, layers] : layers_of)
    text += (text.empty() ? "" : " + ") + plural(layers, "layer") + " · " + plural(tokens, "token");
  return layers_of.size() > 1 ? "(" + text + ")" : text;
}

void cache_lines(const ModelCard& card, KvType type, std::int64_t context, std::vector<CardLine>& lines) {
  const std::optional<CardCache> cache = card_cache(card, type, context);
  if (!cache) return;
  const CardStack& stack = card.decoder;
  const std::string value = plural(*stack.n_kv_heads, "kv_head") + " · " + kv_row_formula(type, *card.d_head, " d_k");
  lines.push_back(
      {"a token", "2 (K and V) · " + plural(*stack.n_layers, "layer") + " · " + value, bytes_both(cache->bytes_per_token)});
  lines.push_back({plural(context, "token"), "2 · " + held_text(stack, context) + " · " + value, bytes_both(cache->bytes)});
  if (*stack.n_heads != *stack.n_kv_heads)
    lines.push_back({"without sharing", number(*stack.n_heads / *stack.n_kv_heads) + " · " + bytes_text(cache->bytes),
                     bytes_both(cache->unshared_bytes)});
}

void work_lines(const ModelCard& card, std::int64_t context, std::vector<CardLine>& lines) {
  const std::optional<CardWork> work = card_work(card, context);
  if (!work) return;
  const CardStack& stack = card.main_stack();
  const bool has_both = card.kind == CardKind::kEncoderDecoder;
  const std::string n = number(context);
  std::string maps = plural(*stack.n_layers, "layer") + " · " + plural(*stack.n_heads, "head");
  if (has_both)
    maps = plural(*card.encoder.n_layers, "encoder layer") + " · " + plural(*card.encoder.n_heads, "head") + " + " +
           plural(*stack.n_layers, "decoder layer") + " · 2 · " + plural(*stack.n_heads, "head");
  lines.push_back({"attention maps", maps, number(work->maps)});
  const bool has_window =
      std::any_of(stack.windows.begin(), stack.windows.end(), [&](std::int64_t w) { return w > 0 && w < context; });
  if (card.kind == CardKind::kEncoder) {
    lines.push_back({"pairs of a map", n + " · " + n + " (each token sees all)", rounded(work->pairs)});
  } else if (!has_window && !has_both) {
    lines.push_back(
        {"pairs of a map", n + " · (" + n + " + 1) / 2 (causal: half of " + n + "², and the diagonal)", rounded(work->pairs)});
  } else if (has_window) {
    lines.push_back({"pairs of a map", "on average; without windows " + number(causal_pairs(context, 0)), rounded(work->pairs)});
  } else {
    lines.push_back(
        {"pairs of a map", "on average: the encoder and cross-attention " + n + "², the decoder half", rounded(work->pairs)});
  }
  lines.push_back({"scores", plural(work->maps, "map") + " · " + rounded(work->pairs) + " pairs", rounded(work->scores)});
  const std::string d_head = number(*card.d_head);
  lines.push_back({"Q·Kᵀ", "2 · " + d_head + " · " + rounded(work->scores), flop_text(work->qk)});
  lines.push_back({"P·V", "2 · " + d_head + " · " + rounded(work->scores), flop_text(work->pv)});
  lines.push_back({"W_Q W_K W_V W_O", "2 · " + plural(context, "token") + " · their matrices", flop_text(work->projections)});
  if (work->mlp)
    lines.push_back({"MLP", "2 · " + plural(context, "token") + " · its matrices" + (card.block->n_experts > 1 ? " in use" : ""),
                     flop_text(*work->mlp)});
  if (work->output)
    lines.push_back({"logits", "2 · " + plural(context, "token") + " · the output matrix", flop_text(*work->output)});
  const double all = work->qk + work->pv + work->projections + work->mlp.value_or(0) + work->output.value_or(0);
  if (work->mlp && all > 0) {
    const auto tenths = static_cast<std::int64_t>((work->qk + work->pv) / all * 1000 + 0.5);
    lines.push_back({"a pass",
                     "the sum; Q·Kᵀ and P·V are " + std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " % of it",
                     flop_text(all)});
  }
}

}  // namespace

CardLines card_lines(const ModelCard& card, KvType type, std::int64_t context) {
  context = std::clamp<std::int64_t>(context, 1, kMaxCardContext);
  CardLines lines;
  shape_lines(card, lines.shape);
  parameter_lines(card, lines.parameters);
  cache_lines(card, type, context, lines.cache);
  work_lines(card, context, lines.work);
  return lines;
}

}  // namespace headroom
