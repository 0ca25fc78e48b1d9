#include "core/figure/train_panels.h"

#include <algorithm>
#include <cmath>

#include "core/figure/number_text.h"
#include "core/runs/report.h"

namespace headroom {

TrainFacts::TrainFacts(const FigureInput& input, const TrainInput& train)
    : view_(input.session.train_view), run_(train.report.get()) {
  if (run_ != nullptr && run_->phase == RunPhase::kIdle && run_->reports.empty()) run_ = nullptr;
}

HeadReports TrainFacts::reports() const { return run_ == nullptr ? HeadReports() : HeadReports(run_->reports); }
const HeadReport* TrainFacts::shown() const { return report_at(reports(), shown_tokens()); }
const HeadReport* TrainFacts::compared() const {
  const std::optional<std::int64_t> tokens = compared_tokens();
  return tokens ? report_at(reports(), *tokens) : nullptr;
}
bool TrainFacts::is_live() const { return !view_.at; }
std::int64_t TrainFacts::shown_tokens() const {
  const std::int64_t newest = run_ == nullptr ? 0 : run_->tokens;
  return view_.at ? std::clamp<std::int64_t>(*view_.at, 0, newest) : newest;
}
std::optional<std::int64_t> TrainFacts::compared_tokens() const {
  if (run_ == nullptr || !view_.compared) return std::nullopt;
  return std::clamp<std::int64_t>(*view_.compared, 0, run_->tokens);
}
double TrainFacts::tokens_end() const {
  if (run_ == nullptr) return 1e6;
  return static_cast<double>(std::max<std::int64_t>({run_->tokens_planned, run_->tokens, 1}));
}

TokenLabels token_labels_for(const Canvas& canvas, const Rect& area) {
  const bool is_alone = area.h > 0.75 * canvas.input().size.h;
  return is_alone && area.h >= 150 ? TokenLabels::kNumbered : TokenLabels::kNone;
}

void draw_train_cursors(Canvas& canvas, const TrainPlot& plot, const TrainFacts& facts) {
  if (!facts.has_run()) return;
  const Theme& theme = canvas.theme();
  const double top = plot.rect.y - 6, bottom = plot.rect.y + plot.rect.h;
  if (const auto compared = facts.compared_tokens()) {
    const double x = std::round(plot.x_of(static_cast<double>(*compared)));
    dashed(canvas, {x, top}, {x, bottom}, theme.text_faint);
  }
  if (facts.is_live()) return;  // the end of the curves
  const double x = std::round(plot.x_of(static_cast<double>(facts.shown_tokens())));
  canvas.fill({x - 1, top, 2, bottom - top}, theme.text_faint);
}

void add_train_moments(Canvas& canvas, const TrainPlot& plot, const TrainFacts& facts, const TrainMoments& moments) {
  const HeadReports reports = facts.reports();
  const double right = plot.rect.x + plot.rect.w;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    const double x = plot.x_of(static_cast<double>(reports[i]->tokens));
    const double before = i == 0 ? x - 12 : (x + plot.x_of(static_cast<double>(reports[i - 1]->tokens))) / 2;
    const double after = i + 1 == reports.size() ? x + 12 : (x + plot.x_of(static_cast<double>(reports[i + 1]->tokens))) / 2;
    const double from = std::clamp(before, plot.rect.x, right), to = std::clamp(after, plot.rect.x, right);
    if (to <= from) continue;
    const std::optional<std::int64_t> kept = nearest_kept(facts.run(), static_cast<double>(reports[i]->tokens));
    canvas.hit({.shape = {from, plot.rect.y, to - from, plot.rect.h},
                .tooltip = "after " + count_text(reports[i]->tokens) + " tokens\n" + moments.say(*reports[i]) +
                           "\nclick looks at this time, Ctrl-click compares with it",
                .click = TrainTimeSet{kept},
                .double_click = {},
                .ctrl_click = kept ? std::optional<Action>(TrainComparedSet{kept}) : std::nullopt,
                .name = std::string(moments.what) + " at " + std::to_string(reports[i]->tokens)});
  }
}

std::optional<std::int64_t> nearest_kept(const RunReport& run, double tokens) {
  std::optional<std::int64_t> nearest;
  for (const std::int64_t kept : run.kept) {
    const auto distance = [&](std::int64_t at) { return std::abs(static_cast<double>(at) - tokens); };
    if (!nearest || distance(kept) < distance(*nearest)) nearest = kept;
  }
  const auto newest = static_cast<double>(run.tokens);
  // Right of halfway between the newest kept state and the run itself, the run itself is nearer; of equals too, for it goes on.
  if (nearest && std::abs(newest - tokens) <= std::abs(static_cast<double>(*nearest) - tokens)) return std::nullopt;
  return nearest;
}

std::vector<Rect> draw_end_labels(Canvas& canvas, const TrainPlot& plot, const EndLabels& given) {
  constexpr double kPitch = 15, kLead = 14, kMarkerWidth = 14;
  const double right = plot.rect.x + plot.rect.w, bottom = plot.rect.y + plot.rect.h;
  const auto width_of = [&](const EndLabel& label) {
    return std::ceil(canvas.width(label.text, canvas.small())) + (label.marker ? kMarkerWidth : 0);
  };
  double widest = 0;
  for (const EndLabel& label : given.labels) {
    if (label.line == EndLabel::Line::kCurve) widest = std::max(widest, width_of(label));
  }
  const bool is_inside = given.end_x + kLead + widest + 4 <= right;
  std::vector<Rect> taken;
  const auto place = [&](const std::vector<const EndLabel*>& labels, double x, double room) {
    std::vector<double> wanted;
    for (const EndLabel* label : labels)
      wanted.push_back(label->y);
    const std::vector<double> y = spread_labels(wanted, kPitch, plot.rect.y, bottom);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const EndLabel& label = *labels[i];
      if (y[i] > bottom + kPitch / 2) continue;  // no room for all: what a curve is, its tooltip says too
      const double w = std::min(width_of(label), room);
      const Rect box{x, y[i] - kPitch / 2, w, kPitch};
      if (is_inside && label.line == EndLabel::Line::kCurve)
        canvas.fill({box.x - 2, box.y, box.w + 4, box.h}, canvas.theme().panel);
      if (label.line == EndLabel::Line::kCurve && (std::abs(y[i] - label.y) > 3 || !is_inside) && x - given.end_x < 60)
        canvas.line({given.end_x + 2, label.y}, {x - 4, y[i]}, with_alpha(label.color, 0.5));
      double text_x = x;
      if (label.marker) {
        draw_marker(canvas, {x + kMarkerRadius, y[i]}, *label.marker, label.color);
        text_x += kMarkerWidth;
      }
      TextStyle style = canvas.small();
      style.color = label.color;
      canvas.text({text_x, y[i]}, label.text, style, room - (text_x - x));
      if (!label.tooltip.empty()) {
        canvas.hit({.shape = box,
                    .tooltip = label.tooltip,
                    .click = label.click,
                    .double_click = {},
                    .ctrl_click = {},
                    .name = label.name});
      }
      taken.push_back(box);
    }
  };
  std::vector<const EndLabel*> curves, others;
  for (const EndLabel& label : given.labels)
    (is_inside && label.line == EndLabel::Line::kCurve ? curves : others).push_back(&label);
  place(curves, given.end_x + kLead, right - given.end_x - kLead);
  if (plot.label_w >= 48) place(others, right + 12, plot.label_w - 12);
  return taken;
}

void draw_train_promise(Canvas& canvas, const Rect& area, const std::string& heading, const std::string& sentence) {
  TextStyle title = canvas.body(), style = canvas.small();
  title.face = FontFace::kSansMedium;
  title.anchor = style.anchor = Anchor::kCentre;
  const double w = std::min(area.w - 24, 460.0);
  if (w < 120) return;
  const auto lines = static_cast<double>(canvas.wrap(sentence, style, w).size());
  double h = kLine + 4 + lines * kSmallLine;
  const bool has_sentence = h + 8 <= area.h;
  if (!has_sentence) h = kLine;
  if (h > area.h) return;
  const double x = std::floor(area.x + (area.w - w) / 2), y = std::floor(area.y + (area.h - h) / 2);
  canvas.fill({x - 12, y - 4, w + 24, h + 8}, canvas.theme().panel, 6);
  canvas.text({x + w / 2, y + kLine / 2}, heading, title, w);
  if (has_sentence) canvas.paragraph({x, y + kLine + 4, w, 0}, sentence, style, static_cast<std::size_t>(lines));
}

std::string head_label(const HeadRef& head) { return "L" + std::to_string(head.layer) + " H" + std::to_string(head.head); }

std::optional<std::int64_t> train_time_at(const RunReport& report, double width, double x) {
  const TokenSpan span = token_span(kTrainMargin, width - 2 * kTrainMargin);
  const auto end = static_cast<double>(std::max<std::int64_t>({report.tokens_planned, report.tokens, 1}));
  return nearest_kept(report, std::clamp((x - span.x) / span.w, 0.0, 1.0) * end);
}

}  // namespace headroom
