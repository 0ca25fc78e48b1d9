#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/figure/canvas.h"

namespace headroom {

/// "768", "180 k", "1.32 M": tokens as they are said; exact ones are count_text's.
std::string tokens_text(double tokens);

/// A linear axis; low < high.
struct LinearAxis {
  double low = 0, high = 1;
  double share(double value) const { return (value - low) / (high - low); }  ///< 0 at low, 1 at high
};
/// Round numbers inside the axis, 1, 2 or 5 times a power of ten apart, at most `most` of them.
std::vector<double> round_ticks(const LinearAxis& axis, int most);
/// A tick's number, with as many decimals as its step needs.
std::string tick_text(double value, const std::vector<double>& ticks);

/// Where the axis of tokens lies in a picture of this width: left and right of it is room for labels. The same for loss, roles and time line.
struct TokenSpan {
  double x = 0, w = 0;  ///< of the axis
  double label_w = 0;   ///< right of it, for words; 0: no room
};
TokenSpan token_span(double x, double width);

/// A plot over tokens.
struct TrainPlot {
  Rect rect;  ///< of the curves
  LinearAxis tokens, y;
  double label_w = 0;  ///< room for words right of it

  double x_of(double at_tokens) const { return rect.x + rect.w * tokens.share(at_tokens); }
  double y_of(double value) const { return rect.y + rect.h * (1 - y.share(value)); }
  Point at(double at_tokens, double value) const { return {x_of(at_tokens), y_of(value)}; }
};

/// Grid lines and numbers of the y axis; with kNumbered the axis of tokens below, for which the area's last kTokenLabels are kept.
enum class TokenLabels { kNone, kNumbered };
inline constexpr double kTokenLabels = 20;
struct TrainAxes {
  LinearAxis tokens, y;
  TokenLabels labels = TokenLabels::kNumbered;
  int most_y_ticks = 6;
};
TrainPlot draw_train_axes(Canvas& canvas, const Rect& area, const TrainAxes& axes);

/// The numbers below an axis of tokens, with "tokens" at the last one; those that would touch are left out.
void draw_token_labels(Canvas& canvas, const TrainPlot& plot, double y);

/// A dashed line.
void dashed(Canvas& canvas, Point from, Point to, Color color, double dash = 5);

/// Heights in order, moved apart until each has `pitch`, inside [top, bottom] and as near to where they belong as that allows.
/// Edge  More than fit: the last ones are past `bottom`.
std::vector<double> spread_labels(const std::vector<double>& wanted, double pitch, double top, double bottom);

}  // namespace headroom
