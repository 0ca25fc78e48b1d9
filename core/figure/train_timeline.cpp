#include <algorithm>
#include <cmath>

#include "core/figure/log_plot.h"
#include "core/figure/number_text.h"
#include "core/figure/train_panels.h"
#include "core/runs/report.h"

namespace headroom {
namespace {

constexpr double kTrackHeight = 4, kHandle = 7;

/// From the first token to the last one planned: how far the run is, what of it can be shown again, what happened when.
class TimelineStrip {
 public:
  TimelineStrip(Canvas& canvas, const Rect& area, const TrainInput& train)
      : canvas_(canvas), area_(area), facts_(canvas.input(), train) {
    const TokenSpan span = token_span(area.x, area.w);
    plot_ = {{span.x, area.y, span.w, area.h}, {0, facts_.tokens_end()}, {0, 1}, span.label_w};
    track_y_ = std::floor(area.y + std::min(area.h / 2, 30.0));
  }

  void draw() {
    if (area_.h < 24) return;
    const Theme& theme = canvas_.theme();
    const Rect& r = plot_.rect;
    canvas_.fill({r.x, track_y_ - kTrackHeight / 2, r.w, kTrackHeight}, mix(theme.panel, theme.border, 0.8), kTrackHeight / 2);
    if (!facts_.has_run()) {
      draw_labels();
      TextStyle style = canvas_.small();
      if (track_y_ - area_.y >= 22)
        canvas_.parts({r.x, track_y_ - 16}, "Every state on the way is kept: drag here to go back to any of them.", style,
                      r.w + plot_.label_w);
      add_moments();
      return;
    }
    const double done = plot_.x_of(static_cast<double>(facts_.run().tokens)) - r.x;
    if (done > 0)
      canvas_.fill({r.x, track_y_ - kTrackHeight / 2, std::min(done, r.w), kTrackHeight}, theme.accent, kTrackHeight / 2);
    draw_kept();
    draw_events();
    draw_labels();
    draw_handles();
    add_moments();
    add_event_regions();
  }

 private:
  double x_of(std::int64_t tokens) const { return std::round(plot_.x_of(static_cast<double>(tokens))); }

  void draw_kept() {
    double last = -10;
    for (const std::int64_t kept : facts_.run().kept) {
      const double x = x_of(kept);
      if (x - last < 3) continue;  // closer ticks would be a bar
      canvas_.fill({x, track_y_ + kTrackHeight / 2 + 2, 1, 4}, canvas_.theme().text_faint);
      last = x;
    }
  }

  static Color color_of(const RoleEvent& event, const Theme& theme) {
    switch (event.kind) {
      case RoleEventKind::kRoleTaken:
        return theme.accent;
      case RoleEventKind::kBelowChance:
        return theme.bad;
      case RoleEventKind::kMastered:
        return theme.good;
    }
    return theme.text;
  }

  /// ▼ a role taken, ▲ something mastered, × worse than guessing: shapes that lie above the track.
  void draw_events() {
    const double y = track_y_ - kTrackHeight / 2 - 4;
    for (const RoleEvent& event : facts_.run().events) {
      const double x = plot_.x_of(static_cast<double>(event.tokens));
      const Color color = color_of(event, canvas_.theme());
      if (event.kind == RoleEventKind::kBelowChance) {
        canvas_.line({x - 3, y - 6}, {x + 3, y}, color, 2);
        canvas_.line({x - 3, y}, {x + 3, y - 6}, color, 2);
        continue;
      }
      const bool is_down = event.kind == RoleEventKind::kRoleTaken;
      const double base = is_down ? y - 7 : y, tip = is_down ? y : y - 7;
      canvas_.add(Polyline{
          .points = {{x - 4, base}, {x + 4, base}, {x, tip}}, .color = color, .width = 0, .is_closed = true, .fill = color});
    }
  }

  /// The shown time as a disc, the compared one as a ring, each with its words above; the newest end of a live run as a disc.
  void draw_handles() {
    const Theme& theme = canvas_.theme();
    const double x = x_of(facts_.shown_tokens());
    std::string text = "live, " + tokens_text(static_cast<double>(facts_.shown_tokens())) + " tokens";
    if (!facts_.is_live()) text = "looking at " + tokens_text(static_cast<double>(facts_.shown_tokens())) + " tokens";
    if (const auto other = facts_.compared_tokens()) {
      const double at = x_of(*other);
      canvas_.add(FilledRect{.rect = {at - kHandle, track_y_ - kHandle, 2 * kHandle, 2 * kHandle},
                             .fill = theme.panel,
                             .stroke = theme.text_dim,
                             .stroke_width = 2,
                             .radius = kHandle});
      text += " against " + tokens_text(static_cast<double>(*other));
    }
    canvas_.add(FilledRect{.rect = {x - kHandle, track_y_ - kHandle, 2 * kHandle, 2 * kHandle},
                           .fill = facts_.is_live() ? theme.accent : theme.text,
                           .stroke = theme.panel,
                           .stroke_width = 1,
                           .radius = kHandle});
    if (track_y_ - area_.y < 28) return;
    TextStyle style = canvas_.small();
    style.color = theme.text;
    const double w = canvas_.width(text, style), most = area_.x + area_.w - w;
    canvas_.text({std::clamp(x - w / 2, area_.x, std::max(area_.x, most)), area_.y + kSmallLine / 2}, text, style, area_.w);
  }

  void draw_labels() {
    const double y = track_y_ + 12;
    if (y + kSmallLine > area_.y + area_.h) return;
    draw_token_labels(canvas_, plot_, y);
    if (!facts_.has_run() || facts_.run().kept.empty() || y + 2 * kSmallLine > area_.y + area_.h) return;
    const RunReport& run = facts_.run();
    constexpr double kMebi = 1048576;
    const std::string text =
        count_text(std::ssize(run.kept)) + " kept states, " + compact(static_cast<double>(run.kept_bytes) / kMebi) + " of " +
        compact(static_cast<double>(run.kept_budget_bytes) / kMebi) + " MiB · ▼ takes up a role, ▲ mastered, × worse than guessing";
    canvas_.parts({plot_.rect.x, y + kSmallLine * 1.5}, text, canvas_.faint(), area_.x + area_.w - plot_.rect.x);
  }

  /// The track in pieces, one for each time that can be shown.
  void add_moments() {
    const double top = std::max(area_.y, track_y_ - 14), h = std::min(area_.y + area_.h - top, 28.0);
    const auto region = [&](double from, double to, std::optional<std::int64_t> kept, const std::string& tooltip) {
      if (to <= from) return;
      canvas_.hit({.shape = {from, top, to - from, h},
                   .tooltip = tooltip,
                   .click = TrainTimeSet{kept},
                   .double_click = TrainTimeSet{std::nullopt},
                   .ctrl_click = kept ? std::optional<Action>(TrainComparedSet{kept}) : std::nullopt,
                   .name = kept ? "time " + std::to_string(*kept) : "time live"});
    };
    const Rect& r = plot_.rect;
    if (!facts_.has_run()) {
      canvas_.hit({.shape = {r.x, top, r.w, h},
                   .tooltip = "Time line\nOnce it trains: drag to look at any earlier state; double-click goes back to the newest.",
                   .click = {},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = "time line"});
      return;
    }
    const std::vector<std::int64_t>& kept = facts_.run().kept;
    const double live = plot_.x_of(static_cast<double>(facts_.run().tokens));
    double from = r.x;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      const double x = plot_.x_of(static_cast<double>(kept[i]));
      const double next = i + 1 < kept.size() ? plot_.x_of(static_cast<double>(kept[i + 1])) : live;
      const double to = std::clamp((x + next) / 2, r.x, r.x + r.w);
      region(
          from, to, kept[i],
          "look at " + count_text(kept[i]) +
              " tokens\nkept state; click or drag looks at it, Ctrl-click compares with it, double-click goes back to the newest");
      from = std::max(from, to);
    }
    region(from, r.x + r.w, std::nullopt, "the newest state\nclick goes back to it: heads and scores follow the training");
  }

  void add_event_regions() {
    for (const RoleEvent& event : facts_.run().events) {
      const double x = std::clamp(plot_.x_of(static_cast<double>(event.tokens)), plot_.rect.x, plot_.rect.x + plot_.rect.w);
      const double y = std::max(area_.y, track_y_ - 16);
      const std::optional<std::int64_t> kept = nearest_kept(facts_.run(), static_cast<double>(event.tokens));
      canvas_.hit({.shape = {x - 5, y, 10, track_y_ - 4 - y},
                   .tooltip = event.sentence() + (event.holds ? "" : "\nno longer so now") + "\nclick looks at this time",
                   .click = TrainTimeSet{kept},
                   .double_click = {},
                   .ctrl_click = kept ? std::optional<Action>(TrainComparedSet{kept}) : std::nullopt,
                   .name = "event at " + std::to_string(event.tokens)});
    }
  }

  Canvas& canvas_;
  Rect area_;
  TrainFacts facts_;
  TrainPlot plot_;
  double track_y_ = 0;
};

}  // namespace

void draw_train_timeline(Canvas& canvas, const Rect& area, const TrainInput& train) { TimelineStrip(canvas, area, train).draw(); }

}  // namespace headroom
