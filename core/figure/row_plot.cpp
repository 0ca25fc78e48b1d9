#include "core/figure/row_plot.h"

#include <algorithm>
#include <cmath>

#include "core/figure/color_scale.h"

namespace headroom {
namespace {

constexpr double kNarrowestBar = 1.5;

struct Bar {
  std::int64_t key = 0;  ///< the largest of those that it covers
  float probability = NAN;
};

std::vector<Bar> bars_of(const RowPlot& plot) {
  const std::int64_t n = plot.end - plot.begin;
  const std::int64_t n_bars =
      plot.rect.w >= kNarrowestBar * static_cast<double>(n) ? n : std::max<std::int64_t>(1, static_cast<std::int64_t>(plot.rect.w));
  std::vector<Bar> bars;
  for (std::int64_t i = 0; i < n_bars; ++i) {
    Bar bar{.key = plot.begin + i * n / n_bars, .probability = NAN};
    for (std::int64_t key = bar.key; key < plot.begin + (i + 1) * n / n_bars; ++key) {
      const float p = plot.probabilities[static_cast<std::size_t>(key)];
      if (!std::isnan(p) && !(p <= bar.probability)) bar = {key, p};
    }
    bars.push_back(bar);
  }
  return bars;
}

double height_of(const RowPlot& plot, float probability) {
  if (!(probability > 0) || !(plot.largest > 0)) return 0;
  double share = probability / plot.largest;
  if (plot.scale == ColorScale::kLog) share = 1 + std::log(share) / std::log(1 / kLogFloor);
  return std::clamp(share, 0.0, 1.0) * plot.rect.h;
}

}  // namespace

std::int64_t keys_a_bar(const RowPlot& plot) {
  const std::int64_t n = plot.end - plot.begin;
  if (plot.rect.w >= kNarrowestBar * static_cast<double>(n)) return 1;
  const auto n_bars = std::max<std::int64_t>(1, static_cast<std::int64_t>(plot.rect.w));
  return (n + n_bars - 1) / n_bars;
}

RowPeak row_peak(std::span<const float> probabilities, FirstToken first_token) {
  RowPeak peak;
  for (std::size_t key = first_token == FirstToken::kLeftOut ? 1 : 0; key < probabilities.size(); ++key) {
    const double p = probabilities[key];
    if (p > peak.probability || (peak.key < 0 && !std::isnan(p))) peak = {static_cast<std::int64_t>(key), p};
  }
  return peak;
}

void draw_row_plot(Canvas& canvas, const RowPlot& plot) {
  const Theme& theme = canvas.theme();
  const std::vector<Bar> bars = bars_of(plot);
  if (bars.empty() || plot.rect.h <= 0) return;
  const double width = plot.rect.w / static_cast<double>(bars.size()), bottom = plot.rect.y + plot.rect.h;
  const double gap = width >= 6 ? 1 : 0;
  canvas.fill(plot.rect, theme.window);
  for (std::size_t i = 0; i < bars.size();) {
    // Neighbours alike are one rectangle: most of a long row is masked or next to nothing.
    const bool is_masked = std::isnan(bars[i].probability);
    const double height = std::round(height_of(plot, bars[i].probability) * 2) / 2;
    std::size_t end = i + 1;
    while (end < bars.size() && gap == 0 && std::isnan(bars[end].probability) == is_masked &&
           std::round(height_of(plot, bars[end].probability) * 2) / 2 == height) {
      ++end;
    }
    const double x = plot.rect.x + static_cast<double>(i) * width, right = plot.rect.x + static_cast<double>(end) * width;
    if (is_masked) {
      canvas.fill({x, plot.rect.y, right - x, plot.rect.h}, masked_color(theme, canvas.input().session.view.colormap));
    } else if (height > 0) {
      canvas.fill({x, bottom - height, right - x - gap, height}, theme.attention);
    }
    i = end;
  }
  canvas.outline({plot.rect.x - 1, plot.rect.y - 1, plot.rect.w + 2, plot.rect.h + 2}, theme.border);
  const auto mark = [&](const std::optional<std::int64_t>& key, Color color, double line) {
    if (!key || *key < plot.begin || *key >= plot.end) return;
    const double key_width = plot.rect.w / static_cast<double>(plot.end - plot.begin);
    const double x = plot.rect.x + static_cast<double>(*key - plot.begin) * key_width;
    canvas.outline({x - 1, plot.rect.y - 1, std::max(key_width, 1.0) + 2, plot.rect.h + 2}, color, line, key_width >= 12 ? 2 : 0);
  };
  mark(plot.hovered_key, with_alpha(theme.text, 0.45), 1);
  mark(plot.key, theme.accent, width >= 12 ? 2 : 1);
  auto keys = std::make_shared<std::vector<std::int64_t>>();
  for (const Bar& bar : bars)
    keys->push_back(bar.key);
  CellGrid grid{.rect = plot.rect, .request = {}, .opens_head = false, .column_keys = keys};
  grid.request.layer = plot.head.layer;
  grid.request.head = plot.head.head;
  grid.request.row_begin = plot.query;
  grid.request.row_end = plot.query + 1;
  grid.request.col_begin = plot.begin;
  grid.request.col_end = plot.end;
  grid.request.rows = 1;
  grid.request.cols = std::ssize(bars);
  canvas.cells(grid);
}

}  // namespace headroom
