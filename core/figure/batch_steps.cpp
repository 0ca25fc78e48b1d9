#include <algorithm>
#include <cmath>
#include <vector>

#include "core/figure/batch_panels.h"
#include "core/figure/card_panels.h"
#include "core/figure/number_text.h"
#include "core/figure/plot_key.h"
#include "core/figure/train_axis.h"

namespace headroom {
namespace {

/// Powers of two, or halves of them, that divide [0, most] into few parts.
std::vector<double> byte_steps(double most, double height) {
  const double parts = std::clamp(std::floor(height / 26), 1.0, 5.0);
  double step = 1;
  while (step * parts < most)
    step *= 2;
  std::vector<double> ticks;
  for (double at = 0; at <= most; at += step)
    ticks.push_back(at);
  return ticks;
}

/// A plot over the steps; what is drawn of each is one value or an area.
class StepPlot {
 public:
  StepPlot(Canvas& canvas, const BatchPart& part) : canvas_(canvas), part_(part) {}

  struct Axis {
    double most = 1;
    std::vector<double> ticks;
    std::string (*text)(double) = nullptr;
  };
  /// Grid, numbers, and the steps below.
  void draw_axes(const Rect& area, const Axis& axis) {
    axis_ = axis;
    double label = 0;
    TextStyle style = canvas_.faint();
    for (const double tick : axis.ticks)
      label = std::max(label, canvas_.width(axis.text(tick), style));
    constexpr double kHalfLine = 7, kBelow = kSmallLine + 3;
    const double left = std::min(label + 8, area.w / 3);
    rect_ = {area.x + left, area.y + kHalfLine, std::max(8.0, area.w - left - 2), std::max(8.0, area.h - kHalfLine - kBelow)};
    const Color grid = mix(canvas_.theme().panel, canvas_.theme().border, 0.7);
    style.anchor = Anchor::kRight;
    double free_to = rect_.y + rect_.h + kSmallLine;
    for (const double tick : axis.ticks) {
      const double y = y_of(tick);
      canvas_.line({rect_.x, y}, {rect_.x + rect_.w, y}, grid);
      if (y + kSmallLine / 2 > free_to) continue;
      canvas_.text({rect_.x - 6, y}, axis.text(tick), style, left - 6);
      free_to = y - kSmallLine / 2;
    }
    draw_step_labels();
  }

  double y_of(double value) const { return rect_.y + rect_.h * (1 - std::min(value / axis_.most, 1.0)); }
  const Rect& rect() const { return rect_; }

  /// Bins of whole steps, wide enough to be told apart: each shows its step with the most reserved.
  struct Bin {
    std::int64_t first = 0, last = 0, shown = 0;
    double x = 0, w = 0;
  };
  std::vector<Bin> bins() const {
    constexpr double kLeastWidth = 2;
    const auto n = part_.n_steps;
    const auto n_bins = std::clamp<std::int64_t>(static_cast<std::int64_t>(rect_.w / kLeastWidth), 1, n);
    std::vector<Bin> all;
    for (std::int64_t b = 0; b < n_bins; ++b) {
      Bin bin{.first = b * n / n_bins, .last = (b + 1) * n / n_bins - 1};
      bin.x = edge(bin.first);
      bin.w = edge(bin.last + 1) - bin.x;
      bin.shown = bin.first;
      for (std::int64_t step = bin.first; step <= bin.last && step < std::ssize(part_.side.steps); ++step)
        if (of(step).reserved > of(bin.shown).reserved) bin.shown = step;
      all.push_back(bin);
    }
    return all;
  }
  const BatchStep& of(std::int64_t step) const {
    static const BatchStep nothing;
    return step < std::ssize(part_.side.steps) ? part_.side.steps[static_cast<std::size_t>(step)] : nothing;
  }

  /// From zero up; equal neighbours are one.
  template <typename Value>
  void area(const std::vector<Bin>& bins, Color color, const Value& value) {
    for (std::size_t i = 0; i < bins.size();) {
      const double height = value(of(bins[i].shown));
      std::size_t next = i + 1;
      while (next < bins.size() && value(of(bins[next].shown)) == height)
        ++next;
      const double top = y_of(height), right = bins[next - 1].x + bins[next - 1].w;
      canvas_.fill({bins[i].x, top, right - bins[i].x, rect_.y + rect_.h - top}, color);
      i = next;
    }
  }
  template <typename Value>
  void stairs(const std::vector<Bin>& bins, const KeySign& sign, const Value& value) {
    Polyline line{.points = {},
                  .color = sign.color,
                  .width = sign.width,
                  .is_closed = false,
                  .fill = {},
                  .dash = sign.kind == KeySign::Kind::kDashed ? kKeyDash : 0};
    for (const Bin& bin : bins) {
      if (bin.first >= std::ssize(part_.side.steps)) break;
      const double y = y_of(value(of(bin.shown)));
      if (line.points.size() >= 2 && line.points.back().y == y) {
        line.points.back().x = bin.x + bin.w;
        continue;
      }
      line.points.push_back({bin.x, y});
      line.points.push_back({bin.x + bin.w, y});
    }
    if (line.points.size() > 1) canvas_.add(std::move(line));
  }

  /// The step looked at, and every bin as what can be clicked.
  void draw_moments(const std::vector<Bin>& bins, const std::string& name) {
    const double x = (edge(part_.step) + edge(part_.step + 1)) / 2;
    canvas_.line({x, rect_.y}, {x, rect_.y + rect_.h}, canvas_.theme().text, 1);
    for (const Bin& bin : bins) {
      canvas_.hit({.shape = {bin.x, rect_.y, bin.w, rect_.h},
                   .tooltip = tooltip(bin.shown),
                   .click = BatchStepSet{bin.shown},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = part_.prefix() + name + " " + std::to_string(bin.shown)});
    }
  }

 private:
  /// Whole pixels, so that neighbours touch without a seam.
  double edge(std::int64_t step) const {
    return std::round(rect_.x + rect_.w * static_cast<double>(step) / static_cast<double>(part_.n_steps));
  }

  void draw_step_labels() {
    TextStyle style = canvas_.faint();
    style.anchor = Anchor::kCentre;
    const LinearAxis axis{0, static_cast<double>(part_.n_steps)};
    const std::vector<double> ticks = round_ticks(axis, std::max(1, static_cast<int>(rect_.w / 84)));
    double free_from = rect_.x - 16;
    for (const double& tick : ticks) {
      if (tick != std::floor(tick)) continue;
      const std::string text = count_text(std::llround(tick)) + (&tick == &ticks.back() ? " steps" : "");
      const double half = canvas_.width(text, style) / 2;
      const double x = std::min(rect_.x + rect_.w * axis.share(tick), rect_.x + rect_.w - half);
      if (x - half < free_from) continue;
      canvas_.text({x, rect_.y + rect_.h + 3 + kSmallLine / 2}, text, style);
      free_from = x + half + 10;
    }
  }

  std::string tooltip(std::int64_t step) const {
    std::string text = "Step " + count_text(step);
    if (step >= std::ssize(part_.side.steps)) return text + "\nAll requests are done: nothing is in memory.";
    const BatchStep& now = of(step);
    const auto bytes = [](std::int64_t n) { return short_bytes_text(static_cast<double>(n)); };
    text += "\nused " + bytes(now.used) + ", reserved but empty " + bytes(now.wasted()) + ", saved by sharing " + bytes(now.shared);
    text += "\nrunning " + count_text(now.n_running) + ", waiting " + count_text(now.n_waiting) + ", finished so far " +
            count_text(now.n_finished);
    if (now.n_admitted > 0) text += "\nadmitted in this step: " + count_text(now.n_admitted);
    if (now.n_preempted > 0) text += "\nput back into the queue in this step: " + count_text(now.n_preempted);
    return text + "\nSimulated. Click looks at this step's pages.";
  }

  Canvas& canvas_;
  const BatchPart& part_;
  Axis axis_;
  Rect rect_;
};

Color used_color(const Theme& theme) { return mix(theme.panel, theme.accent, 0.75); }
Color empty_color(const Theme& theme) { return mix(theme.panel, theme.text_faint, 0.32); }
Color saved_color(const Theme& theme) { return mix(theme.panel, theme.good, 0.3); }

}  // namespace

BatchStep BatchPart::now() const {
  if (!has_ended()) return side.steps[static_cast<std::size_t>(step)];
  BatchStep nothing;
  nothing.n_finished = side.n_finished;
  return nothing;
}

BatchPart batch_part(const BatchRun& run, CacheLayout layout, std::int64_t step) {
  BatchPart part{run, run.side(layout)};
  double most = 0;
  for (const BatchSide* side : {&run.contiguous, &run.paged}) {
    part.n_steps = std::max(part.n_steps, std::ssize(side->steps));
    for (const BatchStep& at : side->steps) {
      most = std::max(most, static_cast<double>(at.reserved + at.shared));
      part.most_requests = std::max({part.most_requests, at.n_running, at.n_waiting});
    }
  }
  // A memory that is hardly used would press everything to the ground.
  constexpr double kRoom = 1.06, kFar = 3;
  part.most_bytes = kRoom * (part.memory() <= kFar * most ? std::max(most, part.memory()) : most);
  if (!(part.most_bytes > 0)) part.most_bytes = part.memory();
  part.step = std::clamp<std::int64_t>(step, 0, part.n_steps - 1);
  return part;
}

void draw_batch_memory(Canvas& canvas, const Rect& area, const BatchPart& part) {
  const Theme& theme = canvas.theme();
  const BatchStep now = part.now();
  const auto bytes = [](std::int64_t n) { return short_bytes_text(static_cast<double>(n)); };
  const double top = area.y + canvas.panel_title({area.x, area.y}, "MEMORY",
                                                 "over the steps, simulated; numbers: at step " + count_text(part.step), area.w);
  const KeySign saved{.kind = KeySign::Kind::kDashed, .color = theme.good, .marker = {}, .width = 1.25},
      limit{.kind = KeySign::Kind::kSolid, .color = theme.bad, .marker = {}, .width = 1.25};
  PlotKey key(canvas, {area.x, top, area.w, 0});
  key.add("used " + bytes(now.used), {.kind = KeySign::Kind::kArea, .color = used_color(theme), .marker = {}},
          "Bytes of keys and values; those that several requests share once.");
  key.add("empty " + bytes(now.wasted()), {.kind = KeySign::Kind::kArea, .color = empty_color(theme), .marker = {}},
          part.is_paged() ? "Reserved and not used: the rest of each request's last page."
                          : "Reserved and not used: tokens that a request may still write, or never will.");
  if (part.run.plan.shared_prefix > 0)
    key.add("saved " + bytes(now.shared), saved,
            part.is_paged() ? "What the other copies of the shared beginning would take; it lies in memory once."
                            : "Stretches share nothing: each request has its own copy of the beginning.");
  key.add("memory " + short_bytes_text(part.memory()), limit, "All there is for keys and values.");
  const Rect below{area.x, key.bottom() - 2, area.w, area.y + area.h - key.bottom() + 2};
  if (below.h < 44) return;
  StepPlot plot(canvas, part);
  plot.draw_axes(below, {part.most_bytes, byte_steps(part.most_bytes, below.h - 24), short_bytes_text});
  const auto bins = plot.bins();
  const auto used = [](const BatchStep& step) { return static_cast<double>(step.used); };
  const auto reserved = [](const BatchStep& step) { return static_cast<double>(step.reserved); };
  const auto with_shared = [](const BatchStep& step) { return static_cast<double>(step.reserved + step.shared); };
  if (part.run.plan.shared_prefix > 0 && part.is_paged()) {
    plot.area(bins, saved_color(theme), with_shared);
    plot.stairs(bins, saved, with_shared);
  }
  plot.area(bins, empty_color(theme), reserved);
  plot.area(bins, used_color(theme), used);
  plot.stairs(bins, {.kind = KeySign::Kind::kSolid, .color = theme.text_dim, .marker = {}, .width = 1}, reserved);
  if (part.memory() <= part.most_bytes) {
    const double y = plot.y_of(part.memory());
    canvas.line({plot.rect().x, y}, {plot.rect().x + plot.rect().w, y}, theme.bad, 1.25);
  }
  plot.draw_moments(bins, "memory");
}

void draw_batch_queue(Canvas& canvas, const Rect& area, const BatchPart& part) {
  const Theme& theme = canvas.theme();
  const BatchStep now = part.now();
  const TextStyle title{.color = theme.text_dim, .size = kSmallTextSize, .face = FontFace::kSansMedium};
  const double named = canvas.text({area.x, area.y + kSmallLine / 2}, "REQUESTS", title, area.w) + 12;
  const KeySign running{.kind = KeySign::Kind::kSolid, .color = theme.accent, .marker = {}},
      waiting{.kind = KeySign::Kind::kDashed, .color = theme.warning, .marker = {}, .width = 1.5};
  PlotKey key(canvas, {area.x + named, area.y, std::max(60.0, area.w - named), 0});
  key.add(count_text(now.n_running) + " running", running, "Requests that get a token in the step looked at.");
  key.add(count_text(now.n_waiting) + " waiting", waiting, "Requests that have come and find no room, or were put back.");
  key.add(count_text(now.n_finished) + " finished", {.kind = KeySign::Kind::kArea, .color = theme.border, .marker = {}},
          "Requests that have their whole answer, up to the step looked at. No line: it only grows.");
  const Rect below{area.x, key.bottom() - 2, area.w, area.y + area.h - key.bottom() + 2};
  if (below.h < 36) return;
  StepPlot plot(canvas, part);
  const auto most = static_cast<double>(part.most_requests);
  std::vector<double> ticks;
  for (int parts = std::clamp(static_cast<int>((below.h - 24) / 24), 1, 4); parts <= 4 && ticks.size() < 2; ++parts)
    ticks = round_ticks({0, most}, parts);
  std::erase_if(ticks, [](double tick) { return tick != std::floor(tick); });
  plot.draw_axes(below, {most * 1.04, ticks, [](double n) { return count_text(std::llround(n)); }});
  const auto bins = plot.bins();
  plot.stairs(bins, waiting, [](const BatchStep& step) { return static_cast<double>(step.n_waiting); });
  plot.stairs(bins, running, [](const BatchStep& step) { return static_cast<double>(step.n_running); });
  plot.draw_moments(bins, "queue");
}

}  // namespace headroom
