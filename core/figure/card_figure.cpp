#include "core/figure/card_figures.h"

#include <algorithm>
#include <cmath>

#include "core/cost/thousands.h"
#include "core/figure/card_panels.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr double kMargin = 14, kGap = 32;

/// Name, what it is, where the numbers are from. Returns the height used.
double draw_name(Canvas& canvas, const Rect& area, const ShownCard& shown) {
  const TextStyle name{.color = canvas.theme().text, .size = kHeadingSize, .face = FontFace::kSansMedium};
  const double used = canvas.text({area.x, area.y + 12}, shown.card.name, name, area.w * 0.6);
  canvas.parts({area.x + used + 12, area.y + 13}, card_what_text(shown.card), canvas.small(), area.w - used - 12);
  std::string source = !shown.card.source.empty() ? "Source: " + shown.card.source + "."
                       : shown.has_config         ? "Read from its config.json."
                                                  : "No configuration was read.";
  if (shown.has_config) source += " Everything below is computed from the configuration; nothing is measured.";
  return 26 + canvas.paragraph({area.x, area.y + 26, area.w, 0}, source, canvas.faint(), 2);
}

/// Sentences, at most so many; warnings first. Returns the height used.
double draw_notes(Canvas& canvas, const Rect& area, const ShownCard& shown, std::size_t most) {
  const std::vector<CardNote> notes = card_notes(shown);
  double y = area.y;
  const auto lines = static_cast<std::size_t>(std::clamp(area.h / kSmallLine / 3, 1.0, 3.0));
  for (std::size_t i = 0; i < std::min(most, notes.size()); ++i) {
    if (y + kSmallLine > area.y + area.h) return y - area.y;
    TextStyle style = canvas.small();
    if (notes[i].is_warning) style.color = canvas.theme().text;
    const double height =
        kSmallLine * static_cast<double>(std::min<std::size_t>(lines, canvas.wrap(notes[i].text, style, area.w - 14).size()));
    canvas.fill({area.x, y + 3, 3, height - 6}, notes[i].is_warning ? canvas.theme().warning : canvas.theme().border, 1);
    y += canvas.paragraph({area.x + 12, y, area.w - 14, 0}, notes[i].text, style, lines) + 3;
  }
  if (notes.size() > most && y + kSmallLine <= area.y + area.h) {
    canvas.text({area.x + 12, y + kSmallLine / 2}, "… " + std::to_string(notes.size() - most) + " more", canvas.faint());
    y += kSmallLine;
  }
  return y - area.y;
}

/// The numbers that a card is read for, large, as many rows as have room. Returns the height used.
double draw_tiles(Canvas& canvas, const Rect& area, const ModelCard& card) {
  const std::vector<CardFact> facts = card_facts(card, canvas.input().session.view);
  constexpr double kHeight = 40, kLeast = 86;
  const auto per_row = static_cast<std::size_t>(std::clamp(std::floor(area.w / kLeast), 1.0, static_cast<double>(facts.size())));
  const std::size_t rows = (facts.size() + per_row - 1) / per_row, columns = (facts.size() + rows - 1) / rows;
  const double width = area.w / static_cast<double>(columns);
  const auto most_rows = static_cast<std::size_t>(std::max(0.0, area.h / (kHeight + 6)));
  for (std::size_t i = 0; i < std::min(facts.size(), most_rows * columns); ++i) {
    const CardFact& fact = facts[i];
    const double x = area.x + width * static_cast<double>(i % columns),
                 y = area.y + (kHeight + 6) * static_cast<double>(i / columns);
    TextStyle number{
        .color = fact.value ? canvas.theme().text : canvas.theme().text_faint, .size = kHeadingSize, .face = FontFace::kSansMedium};
    canvas.text({x, y + 11}, fact.text, number, width - 10);
    canvas.text({x, y + 30}, fact.label, canvas.small(), width - 10);
    canvas.hit({.shape = {x, y, width - 4, kHeight}, .tooltip = fact.tooltip, .name = "card/" + fact.label});
  }
  return static_cast<double>(std::min(rows, most_rows)) * (kHeight + 6);
}

void draw_one(Canvas& canvas, const Rect& area, const ShownCard& shown) {
  double y = area.y + draw_name(canvas, area, shown) + 8;
  const auto most = static_cast<std::size_t>(std::clamp((area.h - 420) / 40, 2.0, 6.0));
  if (const double used = draw_notes(canvas, {area.x, y, area.w, area.y + area.h - y}, shown, most); used > 0) y += used + 8;
  if (!shown.has_config) return;
  y += draw_tiles(canvas, {area.x, y, area.w, area.y + area.h - y}, shown.card) + 8;
  canvas.line({area.x, y}, {area.x + area.w, y}, canvas.theme().border);
  y += 12;
  const double bottom = area.y + area.h;
  constexpr double kLeastRoom = 170;  // the structure and a line below it
  if (bottom - y < kLeastRoom) return;
  const bool has_columns = area.w >= 760;
  const double w = has_columns ? std::floor((area.w - kGap) / 2) : area.w;
  double left = y + draw_card_structure(canvas, {area.x, y, w, bottom - y}, shown.card) + 16;
  if (bottom - left > 60) left += draw_card_parameters(canvas, {area.x, left, w, bottom - left}, shown) + 16;
  double right = has_columns ? y : left;
  const double x = has_columns ? area.x + w + kGap : area.x;
  if (bottom - right > 60) right += draw_card_cache(canvas, {x, right, w, bottom - right}, shown.card) + 16;
  if (bottom - right > 60) draw_card_work(canvas, {x, right, w, bottom - right}, shown.card);
}

}  // namespace

Figure card_figure(const FigureInput& input, const CardState& state) {
  const std::string title = "Model card";
  if (input.size.w < 200 || input.size.h < 120)
    return message_figure(input, title, {"A model's card", "There is too little room to show it."});
  if (!state.shown)
    return message_figure(input, title,
                          {"A model's card", state.is_reading ? "Reading the configuration…" : "No card is chosen yet."});
  Canvas canvas(input, state.beside ? "Two model cards" : "Model card of " + state.shown->card.name);
  constexpr double kWidest = 1680;
  const double w = std::min(input.size.w - 2 * kMargin, kWidest);
  const Rect area{std::floor((input.size.w - w) / 2), kMargin, w, input.size.h - 2 * kMargin};
  if (state.beside) {
    draw_card_comparison(canvas, area, *state.shown, *state.beside);
  } else {
    draw_one(canvas, area, *state.shown);
  }
  return canvas.take();
}

}  // namespace headroom
