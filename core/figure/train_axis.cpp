#include "core/figure/train_axis.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/figure/number_text.h"

namespace headroom {

std::string tokens_text(double tokens) {
  if (!std::isfinite(tokens)) return "–";
  const double magnitude = std::abs(tokens);
  if (magnitude < 9999.5) return count_text(std::llround(tokens));
  const bool is_millions = magnitude >= 999'500;
  const double value = tokens / (is_millions ? 1e6 : 1e3), shown = std::abs(value);
  std::string text = fixed(value, shown >= 99.95 ? 0 : shown >= 9.995 || !is_millions ? 1 : 2);
  if (text.find('.') != std::string::npos) text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + (is_millions ? " M" : " k");
}

std::vector<double> round_ticks(const LinearAxis& axis, int most) {
  const double span = axis.high - axis.low;
  if (!(span > 0) || most < 1) return {};
  const double least = span / most, power = std::pow(10.0, std::floor(std::log10(least)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least * (1 - 1e-9)) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  for (double i = std::ceil(axis.low / step - 1e-9); i * step <= axis.high + 1e-9 * span; ++i)
    ticks.push_back(i * step);
  return ticks;
}

std::string tick_text(double value, const std::vector<double>& ticks) {
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : std::max(1.0, std::abs(value));
  int decimals = 0;
  for (double rest = step; decimals < 6 && std::abs(rest - std::round(rest)) > 1e-6 * std::max(1.0, rest); ++decimals)
    rest *= 10;
  return fixed(value, decimals);
}

TokenSpan token_span(double x, double width) {
  TokenSpan span;
  const double left = width >= 240 ? 40 : 28;
  span.label_w = width >= 640 ? 132 : width >= 420 ? 104 : 0;
  span.x = x + left;
  span.w = std::max(16.0, width - left - std::max(span.label_w, 12.0));
  return span;
}

void dashed(Canvas& canvas, Point from, Point to, Color color, double dash) {
  canvas.add(Polyline{.points = {from, to}, .color = color, .width = 1, .is_closed = false, .fill = {}, .dash = dash});
}

void draw_token_labels(Canvas& canvas, const TrainPlot& plot, double y) {
  TextStyle style = canvas.faint();
  style.anchor = Anchor::kCentre;
  const std::vector<double> ticks = round_ticks(plot.tokens, std::max(1, static_cast<int>(plot.rect.w / 96)));
  double free_from = plot.rect.x - 40;
  for (const double tick : ticks) {
    const std::string text = tick == 0 ? "0" : tokens_text(tick) + (&tick == &ticks.back() ? " tokens" : "");
    const double half = canvas.width(text, style) / 2, x = plot.x_of(tick);
    if (x - half < free_from || x + half > canvas.input().size.w) continue;
    canvas.text({x, y + kSmallLine / 2}, text, style);
    free_from = x + half + 10;
  }
}

TrainPlot draw_train_axes(Canvas& canvas, const Rect& area, const TrainAxes& axes) {
  const TokenSpan span = token_span(area.x, area.w);
  const double below = axes.labels == TokenLabels::kNumbered ? kTokenLabels : 0;
  constexpr double kHalfLine = 7;  // the highest and the lowest number reach beyond the plot
  TrainPlot plot{
      {span.x, area.y + kHalfLine, span.w, std::max(8.0, area.h - below - 2 * kHalfLine)}, axes.tokens, axes.y, span.label_w};
  const Color grid = mix(canvas.theme().panel, canvas.theme().border, 0.75);
  const int most = std::clamp(static_cast<int>(plot.rect.h / 22), 1, axes.most_y_ticks);
  TextStyle style = canvas.faint();
  style.anchor = Anchor::kRight;
  const std::vector<double> ticks = round_ticks(axes.y, most);
  for (const double tick : ticks) {
    const double y = plot.y_of(tick);
    canvas.line({plot.rect.x, y}, {plot.rect.x + plot.rect.w, y}, grid);
    canvas.text({plot.rect.x - 8, y}, tick_text(tick, ticks), style, plot.rect.x - 8 - area.x);
  }
  if (axes.labels == TokenLabels::kNumbered) draw_token_labels(canvas, plot, plot.rect.y + plot.rect.h + kHalfLine + 2);
  return plot;
}

std::vector<double> spread_labels(const std::vector<double>& wanted, double pitch, double top, double bottom) {
  // Labels that touch become one block, placed so that its members lie as near as they can to where they belong.
  struct Block {
    double sum = 0;  // of wanted places, each less what lies above it in the block
    int n = 0;
    double start(double pitch_, double top_, double bottom_) const {
      return std::clamp(sum / n, top_, std::max(top_, bottom_ - (n - 1) * pitch_));
    }
  };
  std::vector<std::size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return wanted[a] < wanted[b]; });
  std::vector<Block> blocks;
  for (const std::size_t i : order) {
    blocks.push_back({wanted[i], 1});
    while (blocks.size() > 1) {
      Block& before = blocks[blocks.size() - 2];
      const Block& last = blocks.back();
      if (before.start(pitch, top, bottom) + before.n * pitch <= last.start(pitch, top, bottom)) break;
      before.sum += last.sum - last.n * before.n * pitch;
      before.n += last.n;
      blocks.pop_back();
    }
  }
  std::vector<double> placed(wanted.size());
  std::size_t at = 0;
  for (const Block& block : blocks) {
    for (int i = 0; i < block.n; ++i)
      placed[order[at++]] = block.start(pitch, top, bottom) + i * pitch;
  }
  return placed;
}

}  // namespace headroom
