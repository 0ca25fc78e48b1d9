#include <algorithm>
#include <cmath>

#include "core/figure/decode_panels.h"
#include "core/figure/log_plot.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

/// What the newest token that was read gives each token of the text.
class CacheRow {
 public:
  CacheRow(Canvas& canvas, const Rect& area, const DecodeLook& look)
      : canvas_(canvas), area_(area), look_(look), slots_(look.slots()) {}

  void draw() {
    const std::string query = look_.word(look_.step.position - 1);
    double y = area_.y +
               canvas_.panel_title({area_.x, area_.y}, "ATTENTION OVER THE CACHE", look_.head_text() + ", probabilities, computed",
                                   area_.w) +
               2;
    if (look_.cache().probs.empty() || !look_.has_head()) {
      const std::string why = look_.has_head()
                                  ? "The rows of this step were not kept: those of the steps before take all the memory "
                                    "that is meant for them."
                                  : "Every head of this layer is pruned: no row is computed.";
      canvas_.paragraph({area_.x, y, area_.w, 0}, why, canvas_.small(), 4);
      return;
    }
    canvas_.parts({area_.x, y + kSmallLine / 2}, "token " + count_text(look_.step.position - 1) + " “" + query + "” looks at",
                  canvas_.small(), area_.w);
    y += kSmallLine + 4;
    const Rect below{area_.x, y, area_.w, area_.y + area_.h - y};
    if (below.h < 40) return;
    draw_bars(below);
  }

 private:
  double probability(std::int64_t position) const {
    const std::int64_t slot = slots_[static_cast<std::size_t>(position)];
    if (slot < 0) return 0;
    const LayerStep& layer = look_.cache();
    return layer.probs[static_cast<std::size_t>(look_.head * layer.n_slots + slot)];
  }

  void draw_bars(const Rect& area) {
    const Theme& theme = canvas_.theme();
    const std::int64_t n = std::ssize(slots_);
    double most = 0;
    for (std::int64_t i = 0; i < n; ++i)
      most = std::max(most, probability(i));
    constexpr double kAxis = 34, kLabels = 18;
    const Rect plot{area.x + kAxis, area.y + 6, area.w - kAxis, area.h - 6 - kLabels};
    if (plot.w < 40 || plot.h < 20 || n == 0) return;
    const double top = most > 0 ? most : 1;
    TextStyle right = canvas_.faint();
    right.anchor = Anchor::kRight;
    canvas_.line({plot.x, plot.y}, {plot.x + plot.w, plot.y}, mix(theme.panel, theme.border, 0.7));
    canvas_.line({plot.x, plot.y + plot.h}, {plot.x + plot.w, plot.y + plot.h}, theme.border);
    canvas_.text({plot.x - 4, plot.y}, probability_text(top), right);
    canvas_.text({plot.x - 4, plot.y + plot.h}, "0", right);
    // A column each, or of a long text as many as there are pixels: the largest of those that share one.
    const auto columns = std::min<std::int64_t>(n, static_cast<std::int64_t>(plot.w));
    const double w = plot.w / static_cast<double>(columns);
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::int64_t from = c * n / columns, to = std::max(from + 1, (c + 1) * n / columns);
      std::int64_t best = from;
      bool is_held = false;
      for (std::int64_t i = from; i < to; ++i) {
        if (probability(i) > probability(best)) best = i;
        is_held = is_held || slots_[static_cast<std::size_t>(i)] >= 0;
      }
      const double gap = w >= 4 ? 1 : 0;
      draw_bar({plot.x + static_cast<double>(c) * w, plot.y, w - gap, plot.h}, best, is_held ? probability(best) / top : -1);
    }
    draw_labels(plot, w, columns);
  }

  /// share < 0: given up.
  void draw_bar(const Rect& column, std::int64_t position, double share) {
    const Theme& theme = canvas_.theme();
    if (share < 0) {
      canvas_.fill(column, mix(theme.panel, theme.masked, 0.6));
      if (column.w >= 4) canvas_.add(Hatch{column, theme.border, 5});
    } else {
      const double h = std::max(1.0, column.h * share);
      canvas_.fill({column.x, column.y + column.h - h, column.w, h}, theme.attention);
    }
    if (column.w < 2) return;
    const std::string tip = "token " + count_text(position) + " " + look_.word(position) + "\n" +
                            (share < 0 ? "given up by " + look_.kv_head_text() + ": no later token can look at it"
                                       : "probability " + probability_text(probability(position)) + ", in slot " +
                                             count_text(slots_[static_cast<std::size_t>(position)]));
    canvas_.hit({.shape = column,
                 .tooltip = tip,
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "decode row " + std::to_string(position)});
  }

  /// The words of the likeliest below their bars, as many as have room.
  void draw_labels(const Rect& plot, double w, std::int64_t columns) {
    const std::int64_t n = std::ssize(slots_);
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i)
      order[static_cast<std::size_t>(i)] = i;
    const std::size_t most = std::min<std::size_t>(order.size(), 12);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(most), order.end(),
                      [&](std::int64_t a, std::int64_t b) {
                        const double pa = probability(a), pb = probability(b);
                        return pa != pb ? pa > pb : a < b;
                      });
    LabelPlacer placer({plot.x - 30, plot.y + plot.h, plot.w + 30, 20});
    TextStyle style = canvas_.small();
    style.anchor = Anchor::kCentre;
    for (std::size_t i = 0; i < most; ++i) {
      const std::int64_t position = order[i];
      if (probability(position) <= 0) return;
      const std::string word = look_.word(position);
      const double width = std::min(90.0, canvas_.width(word, style));
      const std::int64_t column = position * columns / n;
      const double middle =
          std::clamp(plot.x + (static_cast<double>(column) + 0.5) * w, plot.x - 30 + width / 2, plot.x + plot.w - width / 2);
      const auto room = placer.place({{middle - width / 2 - 3, plot.y + plot.h + 2, width + 6, kSmallLine}});
      if (!room) continue;
      canvas_.text({middle, plot.y + plot.h + 2 + kSmallLine / 2}, word, style, 90);
    }
  }

  Canvas& canvas_;
  Rect area_;
  const DecodeLook& look_;
  std::vector<std::int64_t> slots_;
};

}  // namespace

void draw_decode_row(Canvas& canvas, const Rect& area, const DecodeLook& look) { CacheRow(canvas, area, look).draw(); }

}  // namespace headroom
