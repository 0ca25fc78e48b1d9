#include "core/figure/plot_key.h"

#include <algorithm>

namespace headroom {

void PlotKey::add(const std::string& text, const KeySign& sign, const std::string& tooltip) {
  constexpr double kSample = 14, kBetween = 6;
  const TextStyle style = canvas_.small();
  const double w = std::min(area_.w, kSample + kBetween + canvas_.width(text, style));
  if (x_ > area_.x && x_ + w > area_.x + area_.w) {
    x_ = area_.x;
    y_ += kSmallLine;
  }
  const double middle = y_ + kSmallLine / 2;
  if (sign.kind == KeySign::Kind::kArea) {
    canvas_.fill({x_, middle - 5, kSample, 10}, sign.color, 2);
  } else {
    canvas_.add(Polyline{.points = {{x_, middle}, {x_ + kSample, middle}},
                         .color = sign.color,
                         .width = sign.width,
                         .is_closed = false,
                         .fill = {},
                         .dash = sign.kind == KeySign::Kind::kDashed ? kKeyDash : 0});
  }
  if (sign.marker) draw_marker(canvas_, {x_ + kSample / 2, middle}, *sign.marker, sign.color);
  canvas_.text({x_ + kSample + kBetween, middle}, text, style, std::max(8.0, area_.w - kSample - kBetween));
  if (!tooltip.empty()) {
    canvas_.hit({.shape = {x_, y_, w, kSmallLine},
                 .tooltip = text + "\n" + tooltip,
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "key " + text});
  }
  x_ += w + 16;
}

}  // namespace headroom
