#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/figure/canvas.h"

namespace headroom {

/// Labels of tokens along one side of a heatmap.
struct TokenAxis {
  const std::vector<Token>& tokens;
  std::int64_t begin = 0, end = 0;       ///< the tokens that the side spans
  double start = 0, length = 0;          ///< where the side begins, and how long it is
  double edge = 0;                       ///< rows: x of the heatmap's left edge; columns: y of its top edge
  double room = 0;                       ///< the longest label that there is room for
  std::vector<std::int64_t> emphasised;  ///< always labelled, in full colour; the first ones win where two would overlap
  enum class Labels { kTokens, kNumbered } labels = Labels::kTokens;  ///< kNumbered: "12,000 cat", at round numbers
};

/// Of a text beyond this many tokens the labels are numbered: where a token stands matters more than what it is.
inline constexpr std::int64_t kNumberedFrom = 128;
inline TokenAxis::Labels labels_for(std::int64_t n_tokens) {
  return n_tokens > kNumberedFrom ? TokenAxis::Labels::kNumbered : TokenAxis::Labels::kTokens;
}

inline constexpr double kRowLabelPitch = 14, kColumnLabelPitch = 19;  ///< nearest distance of two labels, level and at 45°

/// Which tokens get a label: the emphasised ones, and as many others, evenly spaced, as do not overlap.
std::vector<std::int64_t> labelled_tokens(const TokenAxis& axis, double pitch);

/// Widest label among those shown, at most `limit`.
double label_room(const Canvas& canvas, const TokenAxis& axis, double limit);

/// Right-aligned before the edge.
void draw_row_labels(Canvas& canvas, const TokenAxis& axis);
/// Rising from the edge at 45°, so that they never overlap.
void draw_column_labels(Canvas& canvas, const TokenAxis& axis);

TextStyle token_style(const Canvas& canvas);

}  // namespace headroom
