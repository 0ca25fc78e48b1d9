#include <algorithm>
#include <array>
#include <cmath>

#include "core/cost/thousands.h"
#include "core/figure/card_panels.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

std::string about(double value, const char* unit) { return fixed(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + " " + unit; }

CardFact count_fact(const char* label, std::optional<std::int64_t> n, const char* tooltip) {
  if (!n) return {label, std::nullopt, "not told", tooltip};
  return {label, static_cast<double>(*n), count_text(*n), tooltip};
}

const char* positions_text(CardPositions positions) {
  switch (positions) {
    case CardPositions::kUnknown:
      return "";
    case CardPositions::kRotary:
      return "rotary positions";
    case CardPositions::kLearned:
      return "learned positions";
    case CardPositions::kSinusoidal:
      return "sinusoidal positions";
    case CardPositions::kRelativeBias:
      return "bias by distance";
  }
  return "";
}

}  // namespace

std::string short_count(double n) {
  static constexpr std::array<std::pair<double, const char*>, 3> kUnits{{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}}};
  for (const auto& [size, unit] : kUnits)
    if (n >= size * 0.9995) return about(n / size, unit);
  return count_text(std::llround(n));
}

std::string short_bytes_text(double bytes) {
  static constexpr std::array<std::pair<double, const char*>, 4> kUnits{
      {{1099511627776.0, "TiB"}, {1073741824.0, "GiB"}, {1048576.0, "MiB"}, {1024.0, "KiB"}}};
  for (const auto& [size, unit] : kUnits) {
    if (bytes < size) continue;
    const double n = bytes / size;
    return n == std::floor(n) && n < 10000 ? count_text(static_cast<std::int64_t>(n)) + " " + unit : about(n, unit);
  }
  return count_text(std::llround(bytes)) + " B";
}

std::string card_kind_text(CardKind kind) {
  switch (kind) {
    case CardKind::kUnknown:
      return "";
    case CardKind::kDecoder:
      return "decoder";
    case CardKind::kEncoder:
      return "encoder";
    case CardKind::kEncoderDecoder:
      return "encoder and decoder";
  }
  return "";
}

std::string card_what_text(const ModelCard& card) {
  std::string text;
  const std::string stored = card.stored.empty() ? "" : "stored as " + card.stored;
  for (const std::string& part :
       {card.family, card_kind_text(card.kind), std::string(positions_text(card.positions)), card.activation, stored})
    if (!part.empty()) text += (text.empty() ? "" : " · ") + part;
  return text;
}

std::vector<CardFact> card_facts(const ModelCard& card, const View& view) {
  const CardStack& stack = card.main_stack();
  const std::int64_t context = card_context(view, card);
  std::vector<CardFact> facts;
  const bool has_both = card.kind == CardKind::kEncoderDecoder;
  CardFact layers = count_fact("layers", stack.n_layers, "Layers\nBlocks of attention and MLP, one after the other.");
  if (has_both && card.encoder.n_layers && stack.n_layers) {
    layers.value = static_cast<double>(*card.encoder.n_layers + *stack.n_layers);
    layers.text = count_text(*card.encoder.n_layers) + " + " + count_text(*stack.n_layers);
    layers.tooltip = "Layers\nof the encoder + of the decoder.";
  }
  facts.push_back(layers);
  facts.push_back(count_fact("h", stack.n_heads, "Heads of a layer (h)\nEach looks in its own way."));
  facts.push_back(count_fact("kv_heads", stack.n_kv_heads,
                             "K/V heads of a layer\nHow many keys and values are made and cached; query heads share them."));
  facts.push_back(count_fact("d_k", card.d_head, "Width of a head (d_k)\nd_model / h, unless the configuration says otherwise."));
  facts.push_back(count_fact("d_model", card.d_model,
                             "Width of the residual stream (d_model)\nHow many numbers stand for a token between layers."));
  facts.push_back(count_fact("d_ff", stack.d_ff, "Width inside the MLP (d_ff)"));
  facts.push_back(count_fact("words", card.vocab, "Vocabulary\nRows of the embedding: tokens that the model can read and write."));
  facts.push_back(count_fact("context", card.context, "Context\nThe longest text that the model was made for, in tokens."));
  const CardParameters count = count_parameters(card);
  CardFact parameters{"parameters", std::nullopt, "not told", "Parameters\nCannot be counted exactly: see what is missing."};
  if (count.total) {
    parameters.value = static_cast<double>(*count.total);
    parameters.text = short_count(*parameters.value);
    parameters.tooltip = "Parameters, computed\n" + grouped_digits(*count.total);
  }
  facts.push_back(parameters);
  const std::string type = kv_type_name(view.kv_type);
  const auto cache = card_cache(card, view.kv_type, context);
  CardFact token{"KV a token", std::nullopt, card.kind == CardKind::kEncoder ? "none" : "not told",
                 card.kind == CardKind::kEncoder ? "KV cache\nAn encoder reads a whole text at once and keeps no cache."
                                                 : "KV cache\nBytes that one more token takes, all layers together."};
  CardFact all{"KV in all", std::nullopt, token.text, "KV cache\nOf one sequence of " + count_text(context) + " tokens."};
  if (cache) {
    token.value = static_cast<double>(cache->bytes_per_token);
    token.text = short_bytes_text(*token.value);
    token.tooltip += "\ncomputed: " + grouped_digits(cache->bytes_per_token) + " B in " + type;
    all.value = static_cast<double>(cache->bytes);
    all.text = short_bytes_text(*all.value);
    all.tooltip += "\ncomputed: " + grouped_digits(cache->bytes) + " B in " + type;
  }
  facts.push_back(token);
  facts.push_back(all);
  return facts;
}

std::vector<CardNote> card_notes(const ShownCard& shown) {
  std::vector<CardNote> notes;
  if (!shown.problem.empty()) notes.push_back({shown.problem, true});
  if (!shown.not_run.empty()) notes.push_back({"Not run here: " + shown.not_run, true});
  if (shown.tensors && !shown.tensors->problem.empty() && shown.tensors->problem != shown.not_run)
    notes.push_back({shown.tensors->problem, true});
  for (const std::string& sentence : shown.card.missing)
    notes.push_back({sentence, true});
  for (const std::string& sentence : shown.card.notices)
    notes.push_back({sentence, false});
  if (shown.tensors)
    for (const std::string& sentence : shown.tensors->notices)
      notes.push_back({sentence, false});
  return notes;
}

}  // namespace headroom
