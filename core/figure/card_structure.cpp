#include <algorithm>
#include <cmath>

#include "core/cost/thousands.h"
#include "core/figure/card_panels.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr double kBoxHeight = 14, kBetween = 26, kStripHeight = 16;

/// Query heads above, K/V heads below, a line from each query head to the K/V head that it reads.
double draw_layer(Canvas& canvas, const Rect& area, const CardStack& stack, const std::string& name) {
  const std::int64_t h = *stack.n_heads, kv = *stack.n_kv_heads;
  const Theme& theme = canvas.theme();
  TextStyle style = canvas.small();
  constexpr double kLabel = 54;
  const double w = area.w - kLabel;
  const double pitch = std::min(w / static_cast<double>(h), 34.0), row = pitch * static_cast<double>(h);
  const double gap = pitch >= 8 ? 2 : pitch >= 4 ? 1 : 0;
  const double x = area.x + kLabel, kv_pitch = row / static_cast<double>(kv), bottom = area.y + kBoxHeight + kBetween;
  canvas.text({area.x, area.y + kBoxHeight / 2}, "h  " + count_text(h), style, kLabel - 6);
  canvas.text({area.x, bottom + kBoxHeight / 2}, "K/V  " + count_text(kv), style, kLabel - 6);
  const auto boxes = [&](double y, std::int64_t n, double box_pitch, Color color) {
    // Boxes that no eye could tell apart are one bar.
    if (box_pitch < 3) return canvas.fill({x, y, row, kBoxHeight}, color, 2);
    for (std::int64_t i = 0; i < n; ++i)
      canvas.fill({x + static_cast<double>(i) * box_pitch + gap / 2, y, box_pitch - gap, kBoxHeight}, color,
                  std::min(3.0, box_pitch / 4));
  };
  if (pitch >= 3) {
    for (std::int64_t i = 0; i < h; ++i) {
      const double from = x + (static_cast<double>(i) + 0.5) * pitch;
      const double to = x + (static_cast<double>(i / (h / kv)) + 0.5) * kv_pitch;
      canvas.line({from, area.y + kBoxHeight + 2}, {to, bottom - 2}, with_alpha(theme.text_faint, 0.7), 1);
    }
  }
  boxes(area.y, h, pitch, theme.q);
  // K above V in one box each: they are made and kept together.
  boxes(bottom, kv, kv_pitch, theme.k);
  if (kv_pitch >= 3) {
    for (std::int64_t i = 0; i < kv; ++i)
      canvas.fill({x + static_cast<double>(i) * kv_pitch + gap / 2, bottom + kBoxHeight / 2, kv_pitch - gap, kBoxHeight / 2},
                  theme.v, std::min(3.0, kv_pitch / 4));
  }
  canvas.hit({.shape = {x, area.y, row, bottom + kBoxHeight - area.y},
              .tooltip = "One layer" + name + ", its heads\n" + sharing_text(stack) +
                         "\nblue: query heads; orange and green: keys and values, which the cache keeps",
              .name = "card/layer"});
  return bottom + kBoxHeight - area.y;
}

/// Every layer as a column; those with a window are low, because their queries see less.
double draw_stack(Canvas& canvas, const Rect& area, const CardStack& stack, const std::string& name) {
  const std::int64_t layers = *stack.n_layers;
  const Theme& theme = canvas.theme();
  constexpr double kLabel = 54;
  const double w = area.w - kLabel, pitch = std::min(w / static_cast<double>(layers), 34.0),
               row = pitch * static_cast<double>(layers);
  const double x = area.x + kLabel, gap = pitch >= 8 ? 2 : pitch >= 4 ? 1 : 0;
  canvas.text({area.x, area.y + kStripHeight / 2}, name.empty() ? "layers" : name, canvas.small(), kLabel - 6);
  const std::int64_t heads = *stack.n_heads;
  if (pitch < 3) {
    canvas.fill({x, area.y, row, kStripHeight}, theme.attention, 2);
  } else {
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      const bool has_window = !stack.windows.empty() && stack.windows.at(static_cast<std::size_t>(layer)) > 0;
      const double h = has_window ? kStripHeight / 2 : kStripHeight;
      const Rect box{x + static_cast<double>(layer) * pitch + gap / 2, area.y + kStripHeight - h, pitch - gap, h};
      canvas.fill(box, has_window ? mix(theme.attention, theme.panel, 0.45) : theme.attention, std::min(2.0, pitch / 4));
      const std::string sees =
          has_window ? "each query sees the last " + count_text(stack.windows.at(static_cast<std::size_t>(layer))) + " keys"
                     : "no window: each query sees all keys that the direction allows";
      canvas.hit({.shape = {x + static_cast<double>(layer) * pitch, area.y, pitch, kStripHeight},
                  .tooltip = (name.empty() ? "Layer " : name + " layer ") + std::to_string(layer) + "\n" + count_text(heads) +
                             (heads == 1 ? " head; " : " heads; ") + sees,
                  .name = "card/layer " + std::to_string(layer)});
    }
  }
  return kStripHeight;
}

}  // namespace

double draw_card_structure(Canvas& canvas, const Rect& area, const ModelCard& card) {
  const CardStack& stack = card.main_stack();
  double y = area.y + canvas.panel_title({area.x, area.y}, "STRUCTURE", sharing_text(stack), area.w) + 10;
  if (!stack.n_heads || !stack.n_kv_heads || !stack.n_layers) {
    y += canvas.paragraph({area.x, y, area.w, 0}, "The configuration does not tell layers and heads, so there is nothing to draw.",
                          canvas.small(), 2);
    return y - area.y;
  }
  const bool has_both = card.kind == CardKind::kEncoderDecoder;
  y += draw_layer(canvas, {area.x, y, area.w, 0}, stack, has_both ? " of the decoder" : "") + 12;
  if (has_both && card.encoder.n_layers && card.encoder.n_heads)
    y += draw_stack(canvas, {area.x, y, area.w, 0}, card.encoder, "encoder") + 6;
  y += draw_stack(canvas, {area.x, y, area.w, 0}, stack, has_both ? "decoder" : "") + 6;
  const std::int64_t windows = std::count_if(stack.windows.begin(), stack.windows.end(), [](std::int64_t w) { return w > 0; });
  std::string text = count_text(*stack.n_layers) + (*stack.n_layers == 1 ? " layer" : " layers") + " · " +
                     count_text(*stack.n_heads) + " heads = " + count_text(*stack.n_layers * *stack.n_heads) + " heads";
  if (has_both && card.encoder.n_layers && card.encoder.n_heads)
    text = count_text(*card.encoder.n_layers * *card.encoder.n_heads) + " heads in the encoder, " +
           count_text(*stack.n_layers * *stack.n_heads) + " in the decoder, as many across";
  if (windows > 0) {
    const std::int64_t window = *std::max_element(stack.windows.begin(), stack.windows.end());
    text += " · low: " + count_text(windows) + (windows == 1 ? " layer sees" : " layers see") + " only the last " +
            count_text(window) + " tokens";
  }
  canvas.text({area.x, y + kSmallLine / 2}, text, canvas.small(), area.w);
  return y + kSmallLine - area.y;
}

}  // namespace headroom
