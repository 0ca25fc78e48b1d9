#include <algorithm>
#include <cmath>

#include "core/cost/thousands.h"
#include "core/figure/card_panels.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr double kRow = 20;

/// "8×", "0.25×": how much the second is of the first.
std::string ratio_text(double first, double second) {
  if (first == 0 || !std::isfinite(second / first)) return "";
  const double ratio = second / first;
  if (ratio == 1) return "same";
  return (ratio >= 99.5 ? count_text(std::llround(ratio)) : compact(ratio, 3)) + "×";
}

std::vector<CardFact> all_facts(const ModelCard& card, const View& view) {
  std::vector<CardFact> facts = card_facts(card, view);
  const CardStack& stack = card.main_stack();
  CardFact sharing{"query heads to a K/V head", std::nullopt, "not told", ""};
  if (stack.n_heads && stack.n_kv_heads) {
    sharing.value = static_cast<double>(*stack.n_heads / *stack.n_kv_heads);
    sharing.text = count_text(*stack.n_heads / *stack.n_kv_heads);
  }
  facts.insert(facts.begin() + 3, sharing);
  const CardParameters count = count_parameters(card);
  for (const CardPart part : {CardPart::kEmbedding, CardPart::kPositions, CardPart::kQuery, CardPart::kKey, CardPart::kValue,
                              CardPart::kOutProjection, CardPart::kCross, CardPart::kMlp, CardPart::kNorms, CardPart::kOutput}) {
    const PartCount* found = count.find(part);
    CardFact fact{card_part_name(part), std::nullopt, "none", ""};
    if (found != nullptr && found->n) {
      fact.value = static_cast<double>(*found->n);
      fact.text = *found->n == 0 ? "0, shared" : short_count(*fact.value);
    } else if (found != nullptr) {
      fact.text = "not told";
    }
    facts.push_back(fact);
  }
  const auto work = card_work(card, card_context(view, card));
  const auto add = [&](const char* label, std::optional<double> value, const auto& text) {
    facts.push_back({label, value, value ? text(*value) : std::string("not told"), ""});
  };
  const auto number = [](double n) { return short_count(n); };
  const auto flop = [](double n) { return flop_text(n); };
  add("attention maps of a pass", work ? std::optional(static_cast<double>(work->maps)) : std::nullopt, number);
  add("scores of a pass", work ? std::optional(work->scores) : std::nullopt, number);
  add("Q·Kᵀ and P·V", work ? std::optional(work->qk + work->pv) : std::nullopt, flop);
  add("W_Q W_K W_V W_O", work ? std::optional(work->projections) : std::nullopt, flop);
  add("MLP of a pass", work ? work->mlp : std::nullopt, flop);
  return facts;
}

}  // namespace

void draw_card_comparison(Canvas& canvas, const Rect& area, const ShownCard& first, const ShownCard& second) {
  const View& view = canvas.input().session.view;
  // Both over the same text: the context that was chosen, else what both were made for.
  View same = view;
  if (same.kv_context == 0) same.kv_context = std::min(card_context(view, first.card), card_context(view, second.card));
  const double label = std::clamp(area.w * 0.26, 120.0, 240.0), ratio = 84;
  const double column = (area.w - label - ratio) / 2;
  const double x1 = area.x + label, x2 = x1 + column, right = area.x + area.w;
  TextStyle name{.color = canvas.theme().text, .size = kHeadingSize, .face = FontFace::kSansMedium};
  double y = area.y, tallest = 0;
  const auto head = [&](double x, const ShownCard& shown) {
    canvas.text({x, y + 12}, shown.card.name, name, column - 12);
    double used = 26 + canvas.paragraph({x, y + 26, column - 12, 0}, card_what_text(shown.card), canvas.small(), 2);
    const std::string& note = !shown.problem.empty()       ? shown.problem
                              : shown.card.missing.empty() ? shown.card.source
                                                           : shown.card.missing.front();
    used += canvas.paragraph({x, y + used, column - 12, 0}, note, canvas.faint(), 2);
    tallest = std::max(tallest, used);
  };
  head(x1, first);
  head(x2, second);
  TextStyle dim = canvas.small();
  dim.anchor = Anchor::kRight;
  canvas.text({right, y + 12}, "second / first", dim);
  canvas.paragraph({area.x, y + 4, label - 12, 0},
                   "Computed from both configurations, over " + count_text(same.kv_context) + " tokens.", canvas.faint(), 4);
  y += tallest + 8;
  const std::vector<CardFact> a = all_facts(first.card, same), b = all_facts(second.card, same);
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i].text == "none" && b[i].text == "none") continue;
    const bool is_last = i + 1 == std::min(a.size(), b.size());
    if (y + (is_last ? kRow : 2 * kRow) > area.y + area.h) {
      if (y + kRow <= area.y + area.h) canvas.text({area.x, y + kRow / 2}, "… more in a larger window", canvas.faint());
      return;
    }
    canvas.line({area.x, y}, {right, y}, canvas.theme().border);
    const double middle = y + kRow / 2;
    canvas.text({area.x, middle}, a[i].label, canvas.small(), label - 10);
    const double largest = std::max(a[i].value.value_or(0), b[i].value.value_or(0));
    const auto cell = [&](double x, const CardFact& fact) {
      TextStyle number = canvas.mono();
      if (!fact.value) number.color = canvas.theme().text_faint;
      constexpr double kNumber = 110;
      canvas.text({x, middle}, fact.text, number, std::min(kNumber, column - 8));
      if (fact.value && largest > 0 && column > kNumber + 40)
        canvas.bar({x + kNumber, middle - 2, column - kNumber - 20, 4}, *fact.value / largest, canvas.theme().accent);
    };
    cell(x1, a[i]);
    cell(x2, b[i]);
    if (a[i].value && b[i].value) {
      TextStyle number = canvas.mono();
      number.anchor = Anchor::kRight;
      canvas.text({right, middle}, ratio_text(*a[i].value, *b[i].value), number, ratio - 6);
    }
    canvas.hit({.shape = {area.x, y, area.w, kRow},
                .tooltip = a[i].tooltip.empty() ? a[i].label + ", computed" : a[i].tooltip,
                .name = "card/compare " + a[i].label});
    y += kRow;
  }
}

}  // namespace headroom
