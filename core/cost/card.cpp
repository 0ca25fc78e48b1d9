#include "core/cost/card.h"

#include <algorithm>
#include <utility>

#include "core/cost/thousands.h"

namespace headroom {
namespace {

std::string with_commas(std::int64_t n) { return grouped_digits(n); }

/// A sum that is written as it is computed: each term is a count and its text. Layers of two stacks that hold the same are one term.
class Sum {
 public:
  void add(std::int64_t n, const std::string& text) {
    if (n == 0) return;
    n_ += n;
    terms_.push_back({"", text, ""});
  }
  /// "32 layers · text", where `each` is what one layer has.
  void add_layers(std::int64_t layers, const std::string& stack, std::int64_t each, const std::string& text) {
    if (layers == 0 || each == 0) return;
    n_ += layers * each;
    const std::string counted = with_commas(layers);
    for (Term& term : terms_) {
      if (term.layers.empty() || term.text != text || term.stack == stack) continue;
      term.layers = "(" + term.layers.substr(0, term.layers.find(' ')) + " + " + counted + ") layers";
      return;
    }
    terms_.push_back({counted + " " + stack + (layers == 1 ? "layer" : "layers"), text, stack});
  }
  PartCount part(CardPart part) const {
    PartCount count{part, n_, ""};
    for (const Term& term : terms_)
      count.formula += (count.formula.empty() ? "" : " + ") + (term.layers.empty() ? "" : term.layers + " · ") + term.text;
    return count;
  }
  bool is_empty() const { return terms_.empty(); }

 private:
  struct Term {
    std::string layers, text, stack;
  };
  std::int64_t n_ = 0;
  std::vector<Term> terms_;
};

struct Stack {
  const CardStack* stack;
  const char* name;  ///< "encoder " where there are two
};

std::vector<Stack> stacks_of(const ModelCard& card) {
  if (card.kind == CardKind::kEncoderDecoder) return {{&card.encoder, "encoder "}, {&card.decoder, "decoder "}};
  return {{&card.main_stack(), ""}};
}

/// Matrices between d_model and `width` columns of heads in every layer, with what is added to the result.
struct Projection {
  std::int64_t heads = 0;
  bool has_bias = false;
  bool has_model_bias = false;  ///< of W_O: as wide as d_model
  std::int64_t times = 1;
};

void add_projection(Sum& sum, const ModelCard& card, const Stack& stack, const Projection& projection) {
  const std::int64_t d = *card.d_model, width = projection.heads * *card.d_head;
  const std::int64_t bias = projection.has_bias ? width : projection.has_model_bias ? d : 0;
  std::string text = with_commas(d) + " · (" + with_commas(projection.heads) + " · " + with_commas(*card.d_head) + ")";
  if (bias > 0) text = "(" + text + " + " + with_commas(bias) + ")";
  if (projection.times > 1) text = std::to_string(projection.times) + " · " + text;
  sum.add_layers(*stack.stack->n_layers, stack.name, projection.times * (d * width + bias), text);
}

class Counter {
 public:
  explicit Counter(const ModelCard& card) : card_(card), stacks_(stacks_of(card)) {
    for (const Stack& stack : stacks_)
      has_heads_ =
          has_heads_ && card.d_model && card.d_head && stack.stack->n_layers && stack.stack->n_heads && stack.stack->n_kv_heads;
  }

  CardParameters count() {
    embedding();
    positions();
    attention();
    mlp();
    norms();
    output();
    std::int64_t total = 0;
    bool is_exact = card_.block.has_value();
    for (const PartCount& part : result_.parts) {
      is_exact = is_exact && part.n.has_value();
      total += part.n.value_or(0);
    }
    if (is_exact) {
      result_.total = total;
      result_.active = total - idle_;
    }
    return std::move(result_);
  }

 private:
  void put(const Sum& sum, CardPart part) {
    if (!sum.is_empty()) result_.parts.push_back(sum.part(part));
  }
  void unknown(CardPart part) { result_.parts.push_back({part, std::nullopt, ""}); }

  void embedding() {
    if (!card_.vocab || !card_.d_model) return unknown(CardPart::kEmbedding);
    Sum sum;
    sum.add(*card_.vocab * *card_.d_model, with_commas(*card_.vocab) + " words · " + with_commas(*card_.d_model));
    put(sum, CardPart::kEmbedding);
  }

  void positions() {
    if (!card_.block) {
      if (card_.positions != CardPositions::kRotary) unknown(CardPart::kPositions);
      return;
    }
    const CardBlock& block = *card_.block;
    Sum sum;
    const std::int64_t d = card_.d_model.value_or(0);
    for (const Stack& stack : stacks_) {
      sum.add(block.position_rows * d, with_commas(block.position_rows) + " " + stack.name + "positions · " + with_commas(d));
      const std::int64_t heads = stack.stack->n_heads.value_or(0);
      sum.add(block.buckets * heads,
              with_commas(block.buckets) + " distances · " + with_commas(heads) + " " + stack.name + "heads");
    }
    sum.add(block.token_types * d,
            with_commas(block.token_types) + (block.token_types == 1 ? " segment · " : " segments · ") + with_commas(d));
    put(sum, CardPart::kPositions);
  }

  void attention() {
    if (!has_heads_) {
      for (const CardPart part : {CardPart::kQuery, CardPart::kKey, CardPart::kValue, CardPart::kOutProjection})
        unknown(part);
      return;
    }
    const CardBlock block = card_.block.value_or(CardBlock{});
    const auto all = [&](CardPart part, bool is_kv, bool is_out) {
      Sum sum;
      for (const Stack& stack : stacks_)
        add_projection(sum, card_, stack,
                       {.heads = is_kv ? *stack.stack->n_kv_heads : *stack.stack->n_heads,
                        .has_bias = !is_out && block.has_qkv_bias,
                        .has_model_bias = is_out && block.has_o_bias});
      put(sum, part);
    };
    all(CardPart::kQuery, false, false);
    all(CardPart::kKey, true, false);
    all(CardPart::kValue, true, false);
    all(CardPart::kOutProjection, false, true);
    if (card_.kind != CardKind::kEncoderDecoder) return;
    Sum cross;
    const Stack& decoder = stacks_.back();
    add_projection(cross, card_, decoder, {.heads = *decoder.stack->n_heads, .has_bias = block.has_qkv_bias});
    add_projection(cross, card_, decoder, {.heads = *decoder.stack->n_kv_heads, .has_bias = block.has_qkv_bias, .times = 2});
    add_projection(cross, card_, decoder, {.heads = *decoder.stack->n_heads, .has_model_bias = block.has_o_bias});
    put(cross, CardPart::kCross);
  }

  void mlp() {
    Sum sum;
    for (const Stack& stack : stacks_) {
      if (!card_.block || !card_.d_model || !stack.stack->n_layers || !stack.stack->d_ff) return unknown(CardPart::kMlp);
      const CardBlock& block = *card_.block;
      const std::int64_t d = *card_.d_model, d_ff = *stack.stack->d_ff, matrices = block.is_gated ? 3 : 2;
      const std::int64_t bias = block.has_mlp_bias ? (matrices - 1) * d_ff + d : 0;
      const std::int64_t one = matrices * d * d_ff + bias;
      std::string text = std::to_string(matrices) + " · " + with_commas(d) + " · " + with_commas(d_ff);
      if (bias > 0) text = "(" + text + " + " + with_commas(bias) + ")";
      if (block.n_experts > 1) text = with_commas(block.n_experts) + " experts · " + text;
      sum.add_layers(*stack.stack->n_layers, stack.name, block.n_experts * one, text);
      if (block.n_experts > 1) {
        sum.add_layers(*stack.stack->n_layers, stack.name, block.n_experts * d,
                       with_commas(d) + " · " + with_commas(block.n_experts) + " (router)");
        idle_ += *stack.stack->n_layers * (block.n_experts - block.n_experts_used) * one;
      }
    }
    put(sum, CardPart::kMlp);
  }

  void norms() {
    if (!card_.block) return unknown(CardPart::kNorms);
    const CardBlock& block = *card_.block;
    const std::int64_t d = card_.d_model.value_or(0), width = block.norm == NormKind::kLayer ? 2 * d : d;
    const std::string width_text = (block.norm == NormKind::kLayer ? "2 · " : "") + with_commas(d);
    Sum sum;
    for (const Stack& stack : stacks_) {
      const std::int64_t layers = stack.stack->n_layers.value_or(0);
      const bool has_cross = stack.stack == &card_.decoder && card_.kind == CardKind::kEncoderDecoder;
      const std::int64_t in_block = block.norms_per_block + (has_cross ? 1 : 0);
      sum.add_layers(layers, stack.name, in_block * width, std::to_string(in_block) + " · " + width_text);
      if (block.has_qk_norm)
        sum.add_layers(layers, stack.name, 2 * card_.d_head.value_or(0), "2 · " + with_commas(card_.d_head.value_or(0)));
      const std::int64_t more = (block.has_final_norm ? 1 : 0) + (block.has_embedding_norm ? 1 : 0);
      sum.add(more * width, (more == 2 ? "2 · " : "") + width_text);
    }
    put(sum, CardPart::kNorms);
  }

  void output() {
    if (!card_.block) return unknown(CardPart::kOutput);
    const CardBlock& block = *card_.block;
    const std::int64_t d = card_.d_model.value_or(0), vocab = card_.vocab.value_or(0);
    const std::string square = with_commas(d) + " · " + with_commas(d) + " + " + with_commas(d);
    Sum sum;
    if (block.has_pooler) sum.add(d * d + d, square + " (pooler)");
    if (block.has_head_transform)
      sum.add(d * d + d + (block.norm == NormKind::kLayer ? 2 * d : d),
              square + " + " + (block.norm == NormKind::kLayer ? "2 · " : "") + with_commas(d) + " (before the output)");
    if (block.has_output && !block.ties_output) sum.add(vocab * d, with_commas(vocab) + " words · " + with_commas(d));
    if (block.has_output && block.has_output_bias) sum.add(vocab, with_commas(vocab) + " (bias)");
    if (block.has_output && block.ties_output && sum.is_empty())
      return result_.parts.push_back({CardPart::kOutput, 0, "the embedding's own matrix, counted there"});
    put(sum, CardPart::kOutput);
  }

  const ModelCard& card_;
  std::vector<Stack> stacks_;
  bool has_heads_ = true;
  std::int64_t idle_ = 0;  ///< parameters of the experts that a token does not meet
  CardParameters result_;
};

}  // namespace

const char* card_part_name(CardPart part) {
  switch (part) {
    case CardPart::kEmbedding:
      return "embedding";
    case CardPart::kPositions:
      return "positions";
    case CardPart::kQuery:
      return "W_Q";
    case CardPart::kKey:
      return "W_K";
    case CardPart::kValue:
      return "W_V";
    case CardPart::kOutProjection:
      return "W_O";
    case CardPart::kCross:
      return "cross-attention";
    case CardPart::kMlp:
      return "MLP";
    case CardPart::kNorms:
      return "norms";
    case CardPart::kOutput:
      return "output";
  }
  return "";
}

const PartCount* CardParameters::find(CardPart part) const {
  const auto found = std::find_if(parts.begin(), parts.end(), [&](const PartCount& other) { return other.part == part; });
  return found == parts.end() ? nullptr : &*found;
}

CardParameters count_parameters(const ModelCard& card) { return Counter(card).count(); }

std::string sharing_text(const CardStack& stack) {
  if (!stack.n_heads || !stack.n_kv_heads || *stack.n_kv_heads == 0) return "";
  const std::int64_t h = *stack.n_heads, kv = *stack.n_kv_heads;
  if (h == kv) return h == 1 ? "one head" : "multi-head: each of the " + with_commas(h) + " heads has K and V of its own";
  if (kv == 1) return "multi-query: all " + with_commas(h) + " query heads read one K/V head";
  return "grouped: " + with_commas(h / kv) + " query heads read one K/V head";
}

}  // namespace headroom
