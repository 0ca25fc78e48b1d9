#include <algorithm>
#include <cmath>

#include "core/figure/number_text.h"
#include "core/figure/train_panels.h"
#include "core/runs/report.h"

namespace headroom {
namespace {

/// Held-out loss (and, thin, the training batches') over tokens, above the floor that no model can go below.
class LossPlot {
 public:
  LossPlot(Canvas& canvas, const Rect& area, const TrainInput& train)
      : canvas_(canvas), area_(area), facts_(canvas.input(), train) {}

  void draw() {
    const bool has_heal = facts_.has_run() && facts_.run().heal;
    const std::string detail =
        has_heal ? "held-out, nats a token · healing after a change" : "held-out, nats a token · thin: training";
    const double title = canvas_.panel_title({area_.x, area_.y}, "LOSS", detail, area_.w) + 4;
    const Rect below{area_.x, area_.y + title, area_.w, area_.h - title};
    if (below.h < 24) return;
    const TokenLabels labels = token_labels_for(canvas_, area_);
    if (facts_.reports().empty()) {
      plot_ = draw_train_axes(canvas_, below, {{0, facts_.tokens_end()}, {1, 6}, labels});
      draw_train_promise(canvas_, plot_.rect, "The loss falls here",
                         "How surprised the model is by held-out text, in nats a token, down towards the floor: the grammar's own "
                         "randomness, which no model can predict.");
      return;
    }
    plot_ = draw_train_axes(canvas_, below, {{0, facts_.tokens_end()}, y_axis(), labels});
    draw_floor();
    draw_heal();
    draw_curves();
    draw_train_cursors(canvas_, plot_, facts_);
    draw_dot();
    draw_end_labels(canvas_, plot_, labels_);
    add_train_moments(canvas_, plot_, facts_, {"loss", [this](const HeadReport& report) { return tooltip(report); }});
  }

 private:
  LinearAxis y_axis() const {
    double low = INFINITY, high = -INFINITY;
    const auto add = [&](double value) {
      if (!std::isfinite(value)) return;
      low = std::min(low, value);
      high = std::max(high, value);
    };
    for (const auto& report : facts_.reports())
      add(report->held_out_loss);
    // Single batches may lie far above: they do not decide the axis, except below.
    for (const LossPoint& point : facts_.run().losses)
      low = std::isfinite(point.loss) ? std::min(low, point.loss) : low;
    const HeadReport& last = *facts_.reports().back();
    if (last.has_floor) add(last.floor);
    if (facts_.run().heal) {
      add(facts_.run().heal->loss_before);
      add(facts_.run().heal->loss_after);
    }
    if (!(low <= high)) return {0, 1};
    const double margin = std::max(0.06 * (high - low), 0.02);
    return {std::max(0.0, low - margin), high + margin};
  }

  double right() const { return plot_.rect.x + plot_.rect.w; }

  void across(double value, const std::string& text, Color color, const std::string& tooltip) {
    const double y = plot_.y_of(value);
    dashed(canvas_, {plot_.rect.x, y}, {right(), y}, color);
    labels_.labels.push_back({.y = y,
                              .text = text,
                              .color = color,
                              .marker = {},
                              .line = EndLabel::Line::kAcross,
                              .tooltip = tooltip,
                              .name = "loss " + text.substr(0, text.find(' ')),
                              .click = {}});
  }

  void draw_floor() {
    const HeadReport& last = *facts_.reports().back();
    if (!last.has_floor) return;
    across(last.floor, "floor " + fixed(last.floor, 2), canvas_.theme().good,
           "floor " + fixed(last.floor, 3) +
               " nats a token\nThe grammar's own randomness on the same held-out text, computed from its exact probabilities: no "
               "model "
               "can go below it.");
  }

  void draw_heal() {
    if (!facts_.run().heal) return;
    const HealReport& heal = *facts_.run().heal;
    across(heal.loss_before, "before " + fixed(heal.loss_before, 2), canvas_.theme().text_dim,
           "before the change " + fixed(heal.loss_before, 3) + " nats a token, measured\n" + heal.change);
    across(heal.loss_after, "after " + fixed(heal.loss_after, 2), canvas_.theme().warning,
           "right after the change " + fixed(heal.loss_after, 3) + " nats a token, measured before any training\n" + heal.why);
    // The jump, as an arrow.
    const double x = plot_.x_of(static_cast<double>(heal.tokens)) + 3, from = plot_.y_of(heal.loss_before),
                 to = plot_.y_of(heal.loss_after), point = to < from ? 5 : -5;
    canvas_.line({x, from}, {x, to}, canvas_.theme().warning, 1.5);
    canvas_.add(Polyline{.points = {{x - 3, to + point}, {x, to}, {x + 3, to + point}},
                         .color = canvas_.theme().warning,
                         .width = 1.5,
                         .is_closed = false,
                         .fill = {}});
  }

  Polyline line_of(const std::vector<Point>& points, Color color, double width) const {
    return {.points = points, .color = color, .width = width, .is_closed = false, .fill = {}};
  }

  void draw_curves() {
    const Theme& theme = canvas_.theme();
    std::vector<Point> training, held_out;
    for (const LossPoint& point : facts_.run().losses) {
      if (std::isfinite(point.loss)) training.push_back(plot_.at(static_cast<double>(point.tokens), point.loss));
    }
    for (Point& point : training)
      point.y = std::max(point.y, plot_.rect.y);
    for (const auto& report : facts_.reports()) {
      if (std::isfinite(report->held_out_loss))
        held_out.push_back(plot_.at(static_cast<double>(report->tokens), report->held_out_loss));
    }
    if (training.size() > 1) canvas_.add(line_of(training, with_alpha(theme.text_faint, 0.75), 1));
    if (held_out.size() > 1) canvas_.add(line_of(held_out, theme.accent, 2));
    if (held_out.empty()) return;
    constexpr std::size_t kFewPoints = 24;
    for (const Point& at : held_out) {
      if (held_out.size() <= kFewPoints) canvas_.fill({at.x - 2, at.y - 2, 4, 4}, theme.accent, 2);
    }
    labels_.end_x = std::max(held_out.back().x, training.empty() ? 0.0 : training.back().x);
    labels_.labels.push_back({.y = held_out.back().y,
                              .text = "held-out " + fixed(facts_.reports().back()->held_out_loss, 2),
                              .color = theme.accent,
                              .marker = {},
                              .line = EndLabel::Line::kCurve,
                              .tooltip = {},
                              .name = {},
                              .click = {}});
    if (training.empty()) return;
    labels_.labels.push_back({.y = training.back().y,
                              .text = "training " + fixed(facts_.run().losses.back().loss, 2),
                              .color = theme.text_dim,
                              .marker = {},
                              .line = EndLabel::Line::kCurve,
                              .tooltip = {},
                              .name = {},
                              .click = {}});
  }

  void draw_dot() {
    const HeadReport* shown = facts_.shown();
    if (facts_.is_live() || shown == nullptr || !std::isfinite(shown->held_out_loss)) return;
    const Point at = plot_.at(static_cast<double>(shown->tokens), shown->held_out_loss);
    canvas_.add(FilledRect{.rect = {at.x - 4, at.y - 4, 8, 8},
                           .fill = canvas_.theme().panel,
                           .stroke = canvas_.theme().accent,
                           .stroke_width = 2,
                           .radius = 4});
  }

  std::string tooltip(const HeadReport& report) const {
    std::string text = "held-out loss " + fixed(report.held_out_loss, 3) + " nats a token, measured";
    if (report.has_floor)
      text += "\n" + signed_fixed(report.held_out_loss - report.floor, 3) + " to the floor of " + fixed(report.floor, 3);
    const std::vector<LossPoint>& losses = facts_.run().losses;
    const auto after = std::find_if(losses.begin(), losses.end(), [&](const LossPoint& p) { return p.tokens >= report.tokens; });
    if (report.tokens > 0 && after != losses.end()) text += "\ntraining batches until then " + fixed(after->loss, 3);
    if (report.tokens == 0 && facts_.run().heal) text += "\n" + facts_.run().heal->change + "\n" + facts_.run().heal->why;
    return text;
  }

  Canvas& canvas_;
  Rect area_;
  TrainFacts facts_;
  TrainPlot plot_;
  EndLabels labels_;
};

}  // namespace

void draw_train_loss(Canvas& canvas, const Rect& area, const TrainInput& train) { LossPlot(canvas, area, train).draw(); }

}  // namespace headroom
