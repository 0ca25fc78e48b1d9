#include <algorithm>
#include <cmath>

#include "core/cost/thousands.h"
#include "core/figure/cost_panels.h"
#include "core/figure/log_plot.h"
#include "core/figure/number_text.h"
#include "core/figure/short_text.h"

namespace headroom {
namespace {

constexpr double kPlanDash = 6, kBoundDash = 3;

/// "4 Ki" from 8,192 on, so that powers of two stay short.
std::string short_tokens_text(double n) {
  const auto whole = static_cast<std::int64_t>(std::llround(n));
  return whole >= (1 << 20) && whole % (1 << 20) == 0 ? count_text(whole >> 20) + " Mi"
         : whole >= 8192 && whole % 1024 == 0         ? count_text(whole / 1024) + " Ki"
                                                      : count_text(whole);
}

std::string short_rate_text(double rate) {
  return rate >= 1e6 ? short_count(rate) : rate >= 1 ? count_text(std::llround(rate)) : compact(rate, 1);
}

/// What a curve is drawn of, over the texts or over the tokens of each.
class PlanPlot {
 public:
  PlanPlot(Canvas& canvas, const Rect& area, const std::vector<PlanPart>& parts) : board(canvas), bounds(area), plans(parts) {}

 protected:
  Color color_of(const PlanPart& part) const { return part.side == PlanSide::kFirst ? board.theme().accent : board.theme().text; }
  Marker marker_of(const PlanPart& part) const { return part.side == PlanSide::kFirst ? Marker::kDisc : Marker::kRing; }
  std::string prefix(const PlanPart& part) const { return part.side == PlanSide::kFirst ? "cost/" : "cost/second "; }
  bool is_compared() const { return plans.size() > 1; }

  /// A sample of a line, and what it is, left to right; a new row where it does not fit.
  void key(const std::string& text, const Polyline& sample, std::optional<Marker> marker = {}) {
    const TextStyle style = board.small();
    const double w = 26 + board.width(text, style);
    if (key_x_ > bounds.x && key_x_ + w > bounds.x + bounds.w) {
      key_x_ = bounds.x;
      key_y_ += kSmallLine;
    }
    const double middle = key_y_ + kSmallLine / 2;
    Polyline drawn = sample;
    drawn.points = {{key_x_, middle}, {key_x_ + 20, middle}};
    board.add(drawn);
    if (marker) draw_marker(board, {key_x_ + 10, middle}, *marker, sample.color);
    board.text({key_x_ + 26, middle}, text, style, bounds.w - 26);
    key_x_ += w + 16;
  }
  void begin_key(double y) {
    key_x_ = bounds.x;
    key_y_ = y;
  }
  double key_bottom() const { return key_y_ + kSmallLine + 4; }

  /// A level or upright line through the plot; nothing where it lies outside.
  void upright(double at, Color color, double dash) {
    if (!(at >= axes.x.low) || !(at <= axes.x.high)) return;
    const double x = axes.at(at, axes.y.low).x;
    board.add(Polyline{.points = {{x, axes.rect.y}, {x, axes.rect.y + axes.rect.h}},
                       .color = color,
                       .width = 1.25,
                       .is_closed = false,
                       .fill = {},
                       .dash = dash});
  }
  void curve(std::vector<Point> points, Color color, double width, double dash) {
    if (points.size() > 1)
      board.add(
          Polyline{.points = std::move(points), .color = color, .width = width, .is_closed = false, .fill = {}, .dash = dash});
  }
  void label(LabelPlacer& placer, const std::string& text, Point near, Color color) {
    TextStyle style = board.small();
    style.color = color;
    const Size size{board.width(text, style) + 4, kSmallLine};
    for (const LabelPlacer::Reach reach : {LabelPlacer::Reach::kNear, LabelPlacer::Reach::kFar}) {
      if (const auto rect = placer.place(LabelPlacer::around(near, size, reach))) {
        board.text({rect->x + 2, rect->y + rect->h / 2}, text, style);
        return;
      }
    }
  }

  Canvas& board;
  Rect bounds;
  const std::vector<PlanPart>& plans;
  LogPlot axes;

 private:
  double key_x_ = 0, key_y_ = 0;
};

class BatchPlot : public PlanPlot {
 public:
  using PlanPlot::PlanPlot;

  void draw() {
    double y = bounds.y;
    y += board.panel_title({bounds.x, y}, "TOKENS A SECOND", "decoding, all texts together, at best, estimated", bounds.w) + 4;
    std::vector<double> batches, rates;
    for (const PlanPart& part : plans) {
      for (const PlanPoint& point : part.cost.by_batch) {
        if (!(point.tokens_per_s > 0)) continue;
        batches.push_back(static_cast<double>(point.at));
        for (const double rate : {point.tokens_per_s, point.tokens_per_s_bandwidth, point.tokens_per_s_compute})
          if (!is_compared() || rate == point.tokens_per_s) rates.push_back(rate);
      }
    }
    if (batches.empty()) {
      board.paragraph({bounds.x, y, bounds.w, 0}, "Nothing is decoded token by token here: an encoder reads a whole text at once.",
                      board.small(), 3);
      return;
    }
    begin_key(y);
    draw_key();
    const Rect below{bounds.x, key_bottom(), bounds.w, bounds.y + bounds.h - key_bottom()};
    if (below.h < 80) return;
    std::sort(batches.begin(), batches.end());
    batches.erase(std::unique(batches.begin(), batches.end()), batches.end());
    const LogAxis x = axis_around(batches), axis = axis_around(rates);
    axes =
        draw_axes(board, below, x, axis, {batches, short_tokens_text, "texts at once"}, {decimal_ticks(axis), short_rate_text, ""});
    draw_inside();
  }

 private:
  void draw_key() {
    const Theme& theme = board.theme();
    const auto sample = [](Color color, double width, double dash) {
      return Polyline{.points = {}, .color = color, .width = width, .is_closed = false, .fill = {}, .dash = dash};
    };
    if (is_compared()) {
      for (const PlanPart& part : plans)
        key(part.side == PlanSide::kFirst ? "first plan" : "second plan",
            sample(color_of(part), 2, part.side == PlanSide::kFirst ? 0 : kPlanDash), marker_of(part));
      return;
    }
    key("both together", sample(theme.accent, 2, 0), Marker::kDisc);
    key("bandwidth alone", sample(theme.text_dim, 1.5, kPlanDash));
    key("arithmetic alone", sample(theme.text_faint, 1.5, kBoundDash));
  }

  void draw_inside() {
    const Theme& theme = board.theme();
    LabelPlacer placer(axes.rect);
    if (!is_compared()) hatch_beyond(plans.front().cost);
    for (const PlanPart& part : plans) {
      std::vector<Point> both, bandwidth, compute;
      for (const PlanPoint& point : part.cost.by_batch) {
        if (!(point.tokens_per_s > 0)) continue;
        const auto at = static_cast<double>(point.at);
        both.push_back(axes.at(at, point.tokens_per_s));
        bandwidth.push_back(axes.at(at, point.tokens_per_s_bandwidth));
        compute.push_back(axes.at(at, point.tokens_per_s_compute));
      }
      if (!is_compared()) {
        curve(bandwidth, theme.text_dim, 1.5, kPlanDash);
        curve(compute, theme.text_faint, 1.5, kBoundDash);
        for (const auto* line : {&bandwidth, &compute})
          for (std::size_t i = 1; i < line->size(); ++i)
            placer.block_line((*line)[i - 1], (*line)[i]);
      }
      for (std::size_t i = 1; i < both.size(); ++i)
        placer.block_line(both[i - 1], both[i]);
      curve(both, color_of(part), 2, part.side == PlanSide::kFirst ? 0 : kPlanDash);
      draw_points(part);
    }
    for (const PlanPart& part : plans)
      draw_now(part, placer);
    if (is_compared()) return;
    const PlanCost& cost = plans.front().cost;
    name_beyond(cost, placer);
    if (cost.turning_batch) {
      const auto at = static_cast<double>(*cost.turning_batch);
      upright(at, theme.text_faint, kBoundDash);
      if (at <= axes.x.high)
        label(placer, "turns at " + count_text(*cost.turning_batch), {axes.at(at, axes.y.low).x, axes.rect.y + axes.rect.h * 0.8},
              theme.text_dim);
    }
  }

  /// Where the part of the plot begins whose texts do not fit; nothing where all do.
  std::optional<double> beyond(const PlanCost& cost) const {
    const double most = std::max<double>(static_cast<double>(cost.largest_batch), axes.x.low);
    if (most >= axes.x.high) return std::nullopt;
    return axes.at(most, axes.y.low).x;
  }

  void hatch_beyond(const PlanCost& cost) {
    const auto left = beyond(cost);
    if (!left) return;
    const Theme& theme = board.theme();
    board.add(
        Hatch{.rect = {*left, axes.rect.y, axes.rect.x + axes.rect.w - *left, axes.rect.h}, .color = theme.masked, .spacing = 6});
    board.line({*left, axes.rect.y}, {*left, axes.rect.y + axes.rect.h}, theme.bad, 1.25);
  }

  void name_beyond(const PlanCost& cost, LabelPlacer& placer) {
    const auto left = beyond(cost);
    if (!left) return;
    TextStyle style = board.small();
    style.color = board.theme().bad;
    const std::string text = cost.largest_batch > 0 ? "memory ends at " + count_text(cost.largest_batch) : "not even one fits";
    const double w = board.width(text, style);
    const bool goes_left = *left + 6 + w > axes.rect.x + axes.rect.w;
    std::vector<Rect> places;  // beside the line, as high as there is room
    for (double y = axes.rect.y + 2; y + kSmallLine < axes.rect.y + axes.rect.h; y += kSmallLine / 2)
      places.push_back({goes_left ? *left - 6 - w : *left + 6, y, w, kSmallLine});
    if (const auto place = placer.place(places)) board.text({place->x, place->y + kSmallLine / 2}, text, style);
  }

  void draw_points(const PlanPart& part) {
    for (const PlanPoint& point : part.cost.by_batch) {
      if (!(point.tokens_per_s > 0)) continue;
      const Point at = axes.at(static_cast<double>(point.at), point.tokens_per_s);
      board.fill({at.x - 2, at.y - 2, 4, 4}, color_of(part), 2);
      CostPlan plan = part.cost.plan;
      plan.batch = point.at;
      std::string tip = count_text(point.at) + (point.at == 1 ? " text" : " texts") + " at once" +
                        (is_compared() ? part.side == PlanSide::kFirst ? ", first plan" : ", second plan" : "") + "\n" +
                        rate_text(point.tokens_per_s) + " of all texts, at best (estimated); " +
                        rate_text(point.tokens_per_s / static_cast<double>(point.at)) + " of each\nbandwidth alone " +
                        rate_text(point.tokens_per_s_bandwidth) + ", arithmetic alone " + rate_text(point.tokens_per_s_compute) +
                        "\nK and V: " + short_bytes_text(point.kv_bytes) + ", computed" +
                        (point.fits ? "" : ", which does not fit") + "\nClick plans with so many texts.";
      board.hit({.shape = {at.x - 7, at.y - 7, 14, 14},
                 .tooltip = std::move(tip),
                 .click = with_plan(board.input().session, part.side, plan),
                 .double_click = {},
                 .ctrl_click = {},
                 .name = prefix(part) + "batch " + std::to_string(point.at)});
    }
  }

  void draw_now(const PlanPart& part, LabelPlacer& placer) {
    const auto batch = static_cast<double>(part.cost.plan.batch);
    if (!(part.cost.tokens_per_s > 0) || batch < axes.x.low || batch > axes.x.high) return;
    const Point at = axes.at(batch, part.cost.tokens_per_s);
    if (!axes.rect.contains(at)) return;
    draw_marker(board, at, marker_of(part), color_of(part));
    label(placer, rate_text(part.cost.tokens_per_s), at, color_of(part));
  }
};

class ContextPlot : public PlanPlot {
 public:
  using PlanPlot::PlanPlot;

  void draw() {
    double y = bounds.y;
    y += board.panel_title({bounds.x, y}, "K AND V OVER THE CONTEXT", "of one device, all texts, computed", bounds.w) + 4;
    std::vector<double> tokens, bytes;
    for (const PlanPart& part : plans) {
      for (const PlanPoint& point : part.cost.by_context) {
        if (!(point.kv_bytes > 0)) continue;
        tokens.push_back(static_cast<double>(point.at));
        bytes.push_back(point.kv_bytes);
      }
      if (room_of(part.cost) > 0) bytes.push_back(room_of(part.cost));
    }
    if (tokens.empty()) {
      board.paragraph({bounds.x, y, bounds.w, 0}, "Nothing is kept for later tokens: an encoder reads a whole text at once.",
                      board.small(), 3);
      return;
    }
    begin_key(y);
    draw_key();
    const Rect below{bounds.x, key_bottom(), bounds.w, bounds.y + bounds.h - key_bottom()};
    if (below.h < 80) return;
    std::sort(tokens.begin(), tokens.end());
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    const LogAxis x = axis_around(tokens), axis = axis_around(bytes);
    axes = draw_axes(board, below, x, axis, {tokens, short_tokens_text, "tokens of each text"},
                     {byte_ticks(axis), short_bytes_text, ""});
    for (const PlanPart& part : plans)
      draw_part(part);
  }

 private:
  static double room_of(const PlanCost& cost) { return cost.memory.usable - cost.memory.weights - cost.memory.activations; }

  void draw_key() {
    for (const PlanPart& part : plans) {
      const std::string whose = !is_compared() ? "" : part.side == PlanSide::kFirst ? ", first plan" : ", second plan";
      const double dash = part.side == PlanSide::kFirst ? 0 : kPlanDash;
      key("K and V" + whose,
          Polyline{.points = {}, .color = color_of(part), .width = 2, .is_closed = false, .fill = {}, .dash = dash},
          marker_of(part));
    }
    key(is_compared() ? "room beside the weights"
                      : "room beside the weights: " + short_bytes_text(std::max(0.0, room_of(plans.front().cost))),
        Polyline{.points = {}, .color = board.theme().bad, .width = 1.25, .is_closed = false, .fill = {}, .dash = kBoundDash});
  }

  void draw_part(const PlanPart& part) {
    std::vector<Point> line;
    for (const PlanPoint& point : part.cost.by_context) {
      if (!(point.kv_bytes > 0)) continue;
      const Point at = axes.at(static_cast<double>(point.at), point.kv_bytes);
      line.push_back(at);
      board.fill({at.x - 2, at.y - 2, 4, 4}, color_of(part), 2);
      CostPlan plan = part.cost.plan;
      plan.context = point.at;
      board.hit({.shape = {at.x - 7, at.y - 7, 14, 14},
                 .tooltip = count_text(point.at) + (point.at == 1 ? " token" : " tokens") +
                            " of each text\nK and V: " + short_bytes_text(point.kv_bytes) + ", computed" +
                            (point.fits ? "" : ", which does not fit") + "\nfirst token after " +
                            duration_text(point.first_token_s) + " at best (estimated)\nClick plans with such texts.",
                 .click = with_plan(board.input().session, part.side, plan),
                 .double_click = {},
                 .ctrl_click = {},
                 .name = prefix(part) + "context " + std::to_string(point.at)});
    }
    curve(line, color_of(part), 2, part.side == PlanSide::kFirst ? 0 : kPlanDash);
    const double room = room_of(part.cost);
    if (room >= axes.y.low && room <= axes.y.high) {
      const double y = axes.at(axes.x.low, room).y;
      board.add(Polyline{.points = {{axes.rect.x, y}, {axes.rect.x + axes.rect.w, y}},
                         .color = board.theme().bad,
                         .width = 1.25,
                         .is_closed = false,
                         .fill = {},
                         .dash = kBoundDash});
    }
    const auto now = static_cast<double>(part.cost.plan.context);
    if (part.cost.memory.kv > 0 && now >= axes.x.low && now <= axes.x.high) {
      const Point at = axes.at(now, part.cost.memory.kv);
      if (axes.rect.contains(at)) draw_marker(board, at, marker_of(part), color_of(part));
    }
  }
};

}  // namespace

void draw_plan_batches(Canvas& canvas, const Rect& area, const std::vector<PlanPart>& parts) {
  BatchPlot(canvas, area, parts).draw();
}

void draw_plan_contexts(Canvas& canvas, const Rect& area, const std::vector<PlanPart>& parts) {
  ContextPlot(canvas, area, parts).draw();
}

}  // namespace headroom
