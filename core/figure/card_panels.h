#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/cost/card.h"
#include "core/figure/canvas.h"
#include "core/figure/short_text.h"
#include "core/session/cards.h"

namespace headroom {

/// One number of a card, as tiles and the comparison show it. Without a value the card does not tell it.
struct CardFact {
  std::string label;
  std::optional<double> value;
  std::string text;  ///< with its unit; "not told" without a value
  std::string tooltip;
};
/// The numbers that a card is read for: d_model to the cache of a token. The context is the one that the session looks at.
std::vector<CardFact> card_facts(const ModelCard& card, const View& view);

/// "decoder", "encoder and decoder", ...
std::string card_kind_text(CardKind kind);
/// "LLaMA 2 70B  llama · decoder · rotary positions · silu": what the model is, in one line without its name.
std::string card_what_text(const ModelCard& card);

/// What stands between a person and the numbers: why the model is not run, what is missing, what is worth telling. In that order.
struct CardNote {
  std::string text;
  bool is_warning = false;
};
std::vector<CardNote> card_notes(const ShownCard& shown);

/// Lines of arithmetic: label, formula, result; with `share` a thin bar below. A formula that does not fit beside goes below, or is shortened
/// where there is too little room (its tooltip has it whole).
struct CardRow {
  CardLine line;
  std::optional<double> share;
  Color color;
  std::string tooltip;
  bool is_total = false;
};
/// Returns the height used. What has no room is left out from the end, but for sums, and a line says so.
double draw_card_rows(Canvas& canvas, const Rect& area, const std::vector<CardRow>& rows);

// The panels of one card, each with its title. Each returns the height used.
double draw_card_structure(Canvas& canvas, const Rect& area, const ModelCard& card);
double draw_card_parameters(Canvas& canvas, const Rect& area, const ShownCard& shown);
double draw_card_cache(Canvas& canvas, const Rect& area, const ModelCard& card);
double draw_card_work(Canvas& canvas, const Rect& area, const ModelCard& card);

/// Two cards in columns, each number with the ratio of the second to the first.
void draw_card_comparison(Canvas& canvas, const Rect& area, const ShownCard& first, const ShownCard& second);

}  // namespace headroom
