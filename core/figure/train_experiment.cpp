#include <algorithm>
#include <cmath>

#include "core/figure/number_text.h"
#include "core/figure/train_axis.h"
#include "core/figure/train_curves.h"
#include "core/figure/train_figures.h"

namespace headroom {
namespace {

constexpr double kRowHeight = 20, kColumnGap = 16;

/// Curves with whiskers from the lowest to the highest seed, and the table of all rows below or beside them.
class ExperimentFigure {
 public:
  ExperimentFigure(const FigureInput& input, const ExperimentPicture& picture)
      : canvas_(input, picture.title), picture_(picture), area_(area_of(input.size)) {}

  Figure draw() {
    const std::string detail = picture_.progress < 1 ? "running, " + percent_text(picture_.progress) + " done"
                                                     : "measured; from the lowest to the highest seed, a mark at the mean";
    double top = area_.y + canvas_.panel_title({area_.x, area_.y}, picture_.title, detail, area_.w) + 4;
    if (!picture_.conclusion.empty())
      top += canvas_.paragraph({area_.x, top, area_.w, 0}, picture_.conclusion, canvas_.small(), 3) + 8;
    const Rect room{area_.x, top, area_.w, area_.y + area_.h - top};
    if (room.h < 40) return canvas_.take();
    const double table_h = picture_.rows.empty() ? 0 : kRowHeight * static_cast<double>(picture_.rows.size() + 1) + 8;
    const double table_w = table_width();
    const bool is_beside = table_w + 380 <= room.w && room.h < table_h + 220;
    if (is_beside) {
      draw_plot({room.x, room.y, room.w - table_w - 32, room.h});
      draw_table({room.x + room.w - table_w, room.y, table_w, room.h});
    } else {
      const double plot_h = std::clamp(room.h - table_h - 12, std::min(160.0, room.h), 420.0);
      draw_plot({room.x, room.y, room.w, plot_h});
      draw_table({room.x, room.y + plot_h + 12, room.w, room.h - plot_h - 12});
    }
    return canvas_.take();
  }

 private:
  using Spread = ExperimentPicture::Spread;

  static Rect area_of(Size size) {
    const double margin = std::min(12.0, size.w / 16);
    return {margin, margin, size.w - 2 * margin, size.h - 2 * margin};
  }
  static std::string x_text(const Spread& point) { return point.label.empty() ? compact(point.x, 4) : point.label; }

  /// Every x of any series, in order: equal steps, whatever lies between the numbers.
  void find_places() {
    for (const ExperimentPicture::Series& series : picture_.series) {
      for (const Spread& point : series.points) {
        const auto same = [&](const Spread& other) { return other.x == point.x && other.label == point.label; };
        if (std::none_of(places_.begin(), places_.end(), same)) places_.push_back(point);
      }
    }
    std::stable_sort(places_.begin(), places_.end(), [](const Spread& a, const Spread& b) { return a.x < b.x; });
  }
  double x_of(const Spread& point) const {
    const auto same = [&](const Spread& other) { return other.x == point.x && other.label == point.label; };
    const auto i = static_cast<double>(std::find_if(places_.begin(), places_.end(), same) - places_.begin());
    return plot_.rect.x + plot_.rect.w * (i + 0.5) / static_cast<double>(places_.size());
  }

  LinearAxis y_axis() const {
    double low = INFINITY, high = -INFINITY;
    for (const ExperimentPicture::Series& series : picture_.series) {
      for (const Spread& point : series.points) {
        for (const double value : {point.lowest, point.mean, point.highest}) {
          if (!std::isfinite(value)) continue;
          low = std::min(low, value);
          high = std::max(high, value);
        }
      }
    }
    if (picture_.floor && std::isfinite(low)) low = std::min(low, *picture_.floor);
    if (!(low <= high)) return {0, 1};
    const double margin = std::max(0.08 * (high - low), 1e-3 * std::max(1.0, std::abs(high)));
    return {low - margin, high + margin};
  }

  void draw_plot(const Rect& area) {
    find_places();
    canvas_.parts({area.x, area.y + kSmallLine / 2}, picture_.y_name, canvas_.small(), area.w);
    const Rect below{area.x, area.y + kSmallLine + 2, area.w, area.h - 3 * kSmallLine - 6};
    if (below.h < 32) return;
    plot_ = draw_train_axes(canvas_, below, {{0, 1}, y_axis(), TokenLabels::kNone});
    if (places_.empty()) return;
    draw_x_labels();
    if (picture_.floor) draw_floor(*picture_.floor);
    const auto n = static_cast<double>(picture_.series.size());
    for (std::size_t i = 0; i < picture_.series.size(); ++i)
      draw_series(i, (static_cast<double>(i) - (n - 1) / 2) * 7);
    draw_names();
  }

  void draw_x_labels() {
    TextStyle style = canvas_.faint();
    style.anchor = Anchor::kCentre;
    const double y = plot_.rect.y + plot_.rect.h + 7 + kSmallLine / 2, pitch = plot_.rect.w / static_cast<double>(places_.size());
    double free_from = -INFINITY;
    for (const Spread& place : places_) {
      const std::string text = x_text(place);
      const double half = std::min(canvas_.width(text, style), pitch * 2 - 8) / 2, x = x_of(place);
      if (x - half < std::max(free_from, 0.0) || x + half > canvas_.input().size.w) continue;
      canvas_.text({x, y}, text, style, pitch * 2 - 8);
      free_from = x + half + 8;
    }
    canvas_.text({plot_.rect.x + plot_.rect.w / 2, y + kSmallLine}, picture_.x_name, style, plot_.rect.w);
  }

  void draw_floor(double floor) {
    const double y = plot_.y_of(floor);
    dashed(canvas_, {plot_.rect.x, y}, {plot_.rect.x + plot_.rect.w, y}, canvas_.theme().good);
    labels_.push_back({y, "floor " + fixed(floor, 2), canvas_.theme().good});
  }

  void draw_series(std::size_t index, double aside) {
    const ExperimentPicture::Series& series = picture_.series[index];
    const KernelSign sign = series_sign(index);
    Polyline line{.points = {}, .color = with_alpha(sign.color, 0.7), .width = 1.5, .is_closed = false, .fill = {}};
    for (const Spread& point : series.points) {
      if (std::isfinite(point.mean)) line.points.push_back({x_of(point) + aside, plot_.y_of(point.mean)});
    }
    if (line.points.size() > 1) canvas_.add(line);
    for (const Spread& point : series.points) {
      if (!std::isfinite(point.mean)) continue;
      const double x = x_of(point) + aside, low = plot_.y_of(point.lowest), high = plot_.y_of(point.highest);
      if (point.n_seeds > 1 && std::isfinite(low) && std::isfinite(high)) {
        canvas_.line({x, low}, {x, high}, sign.color, 1.5);
        for (const double y : {low, high})
          canvas_.line({x - 3, y}, {x + 3, y}, sign.color, 1.5);
      }
      draw_marker(canvas_, {x, plot_.y_of(point.mean)}, sign.marker, sign.color);
      const double top = std::min({high, low, plot_.y_of(point.mean)}) - 6,
                   bottom = std::max({high, low, plot_.y_of(point.mean)}) + 6;
      canvas_.hit({.shape = {x - 6, top, 12, bottom - top},
                   .tooltip = tooltip_of(series, point),
                   .click = {},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = "experiment " + series.name + " " + x_text(point)});
    }
    if (!line.points.empty()) labels_.push_back({line.points.back().y, series.name, sign.color});
  }

  std::string tooltip_of(const ExperimentPicture::Series& series, const Spread& point) const {
    std::string text =
        series.name + ", " + picture_.x_name + " " + x_text(point) + "\n" + fixed(point.mean, 3) + ", " + picture_.y_name;
    if (point.n_seeds > 1) {
      text += "\nmean of " + count_text(point.n_seeds) + " seeds, from " + fixed(point.lowest, 3) + " to " +
              fixed(point.highest, 3) + ", measured";
    } else {
      text += "\none seed, measured: no spread is known";
    }
    return text;
  }

  KernelSign series_sign(std::size_t index) const {
    const Theme& theme = canvas_.theme();
    const Color colors[] = {theme.accent, theme.warning, theme.flash, theme.good, theme.gl, theme.linear, theme.naive};
    const Marker markers[] = {Marker::kDisc,  Marker::kSquare,   Marker::kDiamond,       Marker::kRing,
                              Marker::kCross, Marker::kTriangle, Marker::kHollowTriangle};
    return {colors[index % std::size(colors)], markers[index % std::size(markers)]};
  }

  /// At the right ends, apart; in a narrow picture there is no room for them: hovering a point says what it is.
  void draw_names() {
    if (plot_.label_w < 48) return;
    std::vector<double> wanted;
    for (const Label& label : labels_)
      wanted.push_back(label.y);
    const std::vector<double> y = spread_labels(wanted, kSmallLine, plot_.rect.y, plot_.rect.y + plot_.rect.h);
    const double x = plot_.rect.x + plot_.rect.w + 8;
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      if (y[i] > plot_.rect.y + plot_.rect.h + 8) continue;
      TextStyle style = canvas_.small();
      style.color = labels_[i].color;
      canvas_.text({x, y[i]}, labels_[i].text, style, plot_.label_w - 8);
    }
  }

  std::vector<double> column_widths() const {
    std::vector<double> widths;
    for (std::size_t c = 0; c < picture_.columns.size(); ++c) {
      double w = canvas_.width(picture_.columns[c], canvas_.faint());
      for (const std::vector<std::string>& row : picture_.rows) {
        if (c < row.size()) w = std::max(w, canvas_.width(row[c], cell_style(c)));
      }
      widths.push_back(std::ceil(w));
    }
    return widths;
  }
  double table_width() const {
    double w = 0;
    for (const double column : column_widths())
      w += column + kColumnGap;
    return w;
  }
  TextStyle cell_style(std::size_t column) const {
    if (column == 0) return {.color = canvas_.theme().text, .size = kSmallTextSize};
    return canvas_.mono();
  }

  /// The first column to the left, numbers to the right; a table that is too wide loses its last columns, one that is too long its last rows, and
  /// says so.
  void draw_table(const Rect& area) {
    if (picture_.rows.empty() || area.h < 2 * kRowHeight) return;
    const std::vector<double> widths = column_widths();
    std::size_t n_columns = 0;
    double used = 0;
    while (n_columns < widths.size() && used + widths[n_columns] <= area.w)
      used += widths[n_columns++] + kColumnGap;
    if (n_columns == 0) return;
    const auto most = static_cast<std::size_t>(area.h / kRowHeight) - 1;
    const bool is_cut = picture_.rows.size() > most || n_columns < widths.size();
    const std::size_t n_rows = std::min(picture_.rows.size(), is_cut ? most - 1 : most);
    const auto row_of = [&](const std::vector<std::string>& cells, double y, bool is_head) {
      double x = area.x;
      for (std::size_t c = 0; c < n_columns; ++c) {
        TextStyle style = is_head ? canvas_.faint() : cell_style(c);
        style.anchor = c == 0 ? Anchor::kLeft : Anchor::kRight;
        if (c < cells.size()) canvas_.text({c == 0 ? x : x + widths[c], y}, cells[c], style, widths[c] + 1);
        x += widths[c] + kColumnGap;
      }
    };
    row_of(picture_.columns, area.y + kRowHeight / 2, true);
    canvas_.line({area.x, area.y + kRowHeight - 1}, {area.x + used - kColumnGap, area.y + kRowHeight - 1}, canvas_.theme().border);
    for (std::size_t r = 0; r < n_rows; ++r)
      row_of(picture_.rows[r], area.y + kRowHeight * (static_cast<double>(r) + 1.5), false);
    if (!is_cut) return;
    std::string left;
    if (n_rows < picture_.rows.size()) left = count_text(static_cast<std::int64_t>(picture_.rows.size() - n_rows)) + " more rows";
    if (n_columns < widths.size())
      left += (left.empty() ? "" : " and ") + count_text(static_cast<std::int64_t>(widths.size() - n_columns)) + " more columns";
    canvas_.text({area.x, area.y + kRowHeight * (static_cast<double>(n_rows) + 1.5)}, left + " where there is more room",
                 canvas_.faint(), area.w);
  }

  struct Label {
    double y = 0;
    std::string text;
    Color color;
  };

  Canvas canvas_;
  const ExperimentPicture& picture_;
  Rect area_;
  TrainPlot plot_;
  std::vector<Spread> places_;
  std::vector<Label> labels_;
};

}  // namespace

Figure train_experiment_figure(const FigureInput& input, const ExperimentPicture& picture) {
  if (picture.series.empty() && picture.rows.empty()) {
    return message_figure(input, picture.title.empty() ? "Experiment" : picture.title,
                          {"No result yet", "Each run of the experiment adds its point here, with the spread over its seeds."});
  }
  return ExperimentFigure(input, picture).draw();
}

}  // namespace headroom
