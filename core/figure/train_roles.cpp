#include <algorithm>
#include <cmath>

#include "core/figure/number_text.h"
#include "core/figure/train_panels.h"
#include "core/figure/train_story.h"
#include "core/runs/report.h"

namespace headroom {
namespace {

/// The best head's score in each role over tokens, with the best fixed offset dashed, and what the model gets right.
class RolesPlot {
 public:
  RolesPlot(Canvas& canvas, const Rect& area, const TrainInput& train)
      : canvas_(canvas), area_(area), facts_(canvas.input(), train) {}

  void draw() {
    const double title = canvas_.panel_title({area_.x, area_.y}, "ROLES",
                                             "best head · dashed: best fixed offset, or chance · ▼ takes up its role", area_.w) +
                         4;
    Rect below{area_.x, area_.y + title, area_.w, area_.h - title};
    if (below.h < 24) return;
    const TokenLabels labels = token_labels_for(canvas_, area_);
    const TrainAxes axes{{0, facts_.tokens_end()}, {0, 1.04}, labels, 4};
    if (facts_.reports().empty()) {
      plot_ = draw_train_axes(canvas_, below, axes);
      draw_train_promise(
          canvas_, plot_.rect, "Heads take up their roles here",
          "A curve for each role: how often its best head looks where the grammar says it must, beside what a fixed offset "
          "would reach. A head is named only above both.");
      return;
    }
    curves_ = train_curves(facts_.reports(), canvas_.input().session.train_view.hidden_roles, canvas_.theme());
    const double key = token_span(below.x, below.w).label_w < 48 ? draw_key(below) : 0;
    below.y += key;
    below.h -= key;
    plot_ = draw_train_axes(canvas_, below, axes);
    draw_references();
    for (const TrainCurve& curve : curves_)
      draw_curve(curve);
    draw_train_cursors(canvas_, plot_, facts_);
    for (const TrainCurve& curve : curves_)
      draw_markers(curve);
    draw_taken();
    const std::vector<Rect> words = draw_labels();
    annotate(words);
    add_train_moments(canvas_, plot_, facts_, {"roles", [this](const HeadReport& report) { return tooltip(report); }});
    draw_hidden();
  }

 private:
  Point at(const TrainCurve::Sample& sample) const { return plot_.at(static_cast<double>(sample.tokens), sample.value); }
  double end_x() const {
    double x = plot_.rect.x;
    for (const TrainCurve& curve : curves_)
      x = std::max(x, at(curve.samples.back()).x);
    return x;
  }

  /// Where a fixed offset (or guessing) would be; as far as was measured. Equal ones are drawn once, in grey.
  void draw_references() {
    std::vector<std::pair<double, Color>> lines;
    for (const TrainCurve& curve : curves_) {
      const double value = curve.samples.back().reference;
      if (std::isnan(value)) continue;
      const auto same =
          std::find_if(lines.begin(), lines.end(), [&](const auto& line) { return std::abs(line.first - value) < 0.004; });
      if (same != lines.end()) {
        same->second = canvas_.theme().text_faint;
      } else {
        lines.emplace_back(value, curve.sign.color);
      }
    }
    const double right = std::max(end_x(), plot_.rect.x + 24);
    for (const auto& [value, color] : lines)
      dashed(canvas_, {plot_.rect.x, plot_.y_of(value)}, {right, plot_.y_of(value)}, with_alpha(color, 0.65));
  }

  void draw_curve(const TrainCurve& curve) {
    Polyline line{
        .points = {}, .color = curve.sign.color, .width = curve.role != nullptr ? 2.0 : 1.5, .is_closed = false, .fill = {}};
    for (const TrainCurve::Sample& sample : curve.samples)
      line.points.push_back(at(sample));
    if (line.points.size() > 1) canvas_.add(line);
  }

  /// Shapes along the curve: so many that it can be told from others without its colour, and at the shown time.
  void draw_markers(const TrainCurve& curve) {
    const std::size_t n = curve.samples.size(),
                      n_marks = std::clamp<std::size_t>(static_cast<std::size_t>(plot_.rect.w / 130), 1, n);
    const std::size_t shift = static_cast<std::size_t>(&curve - curves_.data());  // marks of two equal curves lie apart
    for (std::size_t i = 0; i < n_marks; ++i) {
      const std::size_t index =
          std::min(n - 1, (n * (2 * i + 1) / (2 * n_marks)) + shift % std::max<std::size_t>(1, n / (n_marks * 2)));
      draw_marker(canvas_, at(curve.samples[index]), curve.sign.marker, curve.sign.color);
    }
    if (facts_.is_live()) return;
    const auto shown = std::find_if(curve.samples.rbegin(), curve.samples.rend(),
                                    [&](const TrainCurve::Sample& sample) { return sample.tokens <= facts_.shown_tokens(); });
    if (shown != curve.samples.rend()) draw_marker(canvas_, at(*shown), curve.sign.marker, curve.sign.color);
  }

  /// ▼ on the curve where its best head first passed its threshold above its baseline.
  void draw_taken() {
    for (const RoleEvent& event : facts_.run().events) {
      if (event.kind != RoleEventKind::kRoleTaken || event.role == nullptr) continue;
      const auto curve =
          std::find_if(curves_.begin(), curves_.end(), [&](const TrainCurve& one) { return one.id == event.role->id; });
      if (curve == curves_.end()) continue;
      const Point tip = plot_.at(static_cast<double>(event.tokens), event.score);
      const double y = std::max(tip.y - 5, plot_.rect.y);
      canvas_.add(Polyline{.points = {{tip.x - 5.5, y - 9}, {tip.x + 5.5, y - 9}, {tip.x, y}},
                           .color = canvas_.theme().panel,
                           .width = 1,
                           .is_closed = true,
                           .fill = curve->sign.color});
    }
  }

  static std::string value_text(const TrainCurve& curve) { return curve.name + " " + fixed(curve.samples.back().value, 2); }

  std::vector<Rect> draw_labels() {
    EndLabels labels{end_x(), {}};
    for (const TrainCurve& curve : curves_) {
      labels.labels.push_back({.y = at(curve.samples.back()).y,
                               .text = value_text(curve),
                               .color = curve.sign.color,
                               .marker = curve.sign.marker,
                               .line = EndLabel::Line::kCurve,
                               .tooltip = about(curve),
                               .name = "curve " + curve.id,
                               .click = TrainRoleToggled{curve.id}});
    }
    return draw_end_labels(canvas_, plot_, labels);
  }

  static std::string about(const TrainCurve& curve) {
    const TrainCurve::Sample& last = curve.samples.back();
    std::string text = curve.long_name + " " + fixed(last.value, 3);
    if (curve.role != nullptr) text += ", " + head_label(last.head);
    text += "\n" + curve.definition;
    if (curve.role != nullptr) text += "\nthreshold " + fixed(curve.role->threshold, 2);
    if (!std::isnan(last.reference))
      text += (curve.role != nullptr ? ", best fixed offset " : "\nchance ") + fixed(last.reference, 2);
    return text + "\nclick hides the curve";
  }

  /// In a narrow picture the names stand above the plot. Returns the height used.
  double draw_key(const Rect& area) {
    double x = area.x, y = area.y;
    for (const TrainCurve& curve : curves_) {
      const std::string text = value_text(curve);
      TextStyle style = canvas_.small();
      style.color = curve.sign.color;
      const double w = 14 + std::min(canvas_.width(text, style), area.w - 14);
      if (x > area.x && x + w > area.x + area.w) {
        x = area.x;
        y += kSmallLine;
      }
      draw_marker(canvas_, {x + kMarkerRadius, y + kSmallLine / 2}, curve.sign.marker, curve.sign.color);
      canvas_.text({x + 14, y + kSmallLine / 2}, text, style, area.w - 14);
      canvas_.hit({.shape = {x, y, w, kSmallLine},
                   .tooltip = about(curve),
                   .click = TrainRoleToggled{curve.id},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = "curve " + curve.id});
      x += w + 14;
    }
    return curves_.empty() ? 0 : y + kSmallLine - area.y + 4;
  }

  /// Names of hidden curves, to bring them back: right below the plot, or above it where nothing is below.
  void draw_hidden() {
    const std::vector<std::string>& hidden = canvas_.input().session.train_view.hidden_roles;
    if (hidden.empty()) return;
    std::vector<TrainCurve> away = all_train_curves(facts_.reports());
    std::erase_if(away, [&](const TrainCurve& curve) { return std::find(hidden.begin(), hidden.end(), curve.id) == hidden.end(); });
    if (away.empty() || plot_.label_w < 48) return;
    // At the foot of the room for labels, as many as fit there.
    const double x = plot_.rect.x + plot_.rect.w + 12, w = plot_.label_w - 12;
    double y = area_.y + area_.h - kSmallLine;
    for (const TrainCurve& curve : away) {
      const Rect box{x, y, w, kSmallLine};
      if (y < plot_.rect.y + plot_.rect.h + 8 - kTokenLabels) break;
      canvas_.text({x, y + kSmallLine / 2}, "+ " + curve.name, canvas_.faint(), w);
      canvas_.hit({.shape = box,
                   .tooltip = curve.long_name + "\nhidden; click shows its curve",
                   .click = TrainRoleToggled{curve.id},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = "hidden curve " + curve.id});
      y -= kSmallLine;
    }
  }

  /// Beside the stretch in which the model does worse than guessing: what it does instead.
  void annotate(const std::vector<Rect>& words) {
    const TrainCurve::Sample* lowest = nullptr;
    for (const TrainCurve& curve : curves_) {
      if (curve.role != nullptr || curve.behaviour != Behaviour::kAgreementAcrossDistractor) continue;
      for (const TrainCurve::Sample& sample : curve.samples) {
        const HeadReport* report = report_at(facts_.reports(), sample.tokens);
        const BehaviourScore* score = report->behaviour(curve.behaviour);
        if (sample.tokens == 0 || score == nullptr || !is_below_chance(*score)) continue;  // untrained it follows no rule
        if (lowest == nullptr || sample.value < lowest->value) lowest = &sample;
      }
    }
    if (lowest == nullptr) return;
    TextStyle style = canvas_.small();
    style.color = canvas_.theme().text;
    const std::string text = "worse than a coin: it agrees with the nearer noun";
    const Size size{std::ceil(canvas_.width(text, style)) + 4, 15};
    LabelPlacer placer({plot_.rect.x, plot_.rect.y, plot_.rect.w, plot_.rect.h});
    for (const Rect& box : words)
      placer.block(box);
    for (const TrainCurve& curve : curves_) {
      for (std::size_t i = 0; i + 1 < curve.samples.size(); ++i)
        placer.block_line(at(curve.samples[i]), at(curve.samples[i + 1]), 3, LabelPlacer::Crossing::kAllowed);
    }
    const Point tip = at(*lowest);
    // The nearest free place, not so far that nobody sees what it belongs to.
    std::vector<Rect> candidates;
    constexpr double kFar = 280;
    for (double y = plot_.rect.y; y + size.h <= plot_.rect.y + plot_.rect.h; y += 6) {
      for (double x = std::max(plot_.rect.x, tip.x - size.w - 40); x <= tip.x + kFar; x += 12)
        candidates.push_back({x, y, size.w, size.h});
    }
    const auto distance = [&](const Rect& r) {
      return std::hypot(std::clamp(tip.x, r.x, r.x + r.w) - tip.x, 2 * (std::clamp(tip.y, r.y, r.y + r.h) - tip.y));
    };
    std::stable_sort(candidates.begin(), candidates.end(), [&](const Rect& a, const Rect& b) { return distance(a) < distance(b); });
    const std::optional<Rect> place = placer.place(candidates);
    if (!place) return;
    const double near_x = std::clamp(tip.x, place->x, place->x + place->w);
    const double near_y = std::clamp(tip.y, place->y, place->y + place->h);
    if (std::hypot(near_x - tip.x, near_y - tip.y) > 10) canvas_.line(tip, {near_x, near_y}, canvas_.theme().text_faint);
    canvas_.text({place->x + 2, place->y + place->h / 2}, text, style);
  }

  std::string tooltip(const HeadReport& report) const {
    std::string text;
    for (const TrainCurve& curve : curves_) {
      const auto sample = std::find_if(curve.samples.begin(), curve.samples.end(),
                                       [&](const TrainCurve::Sample& one) { return one.tokens == report.tokens; });
      if (sample == curve.samples.end()) continue;
      text += (text.empty() ? "" : "\n") + curve.name + " " + fixed(sample->value, 3);
      if (curve.role != nullptr) text += ", " + head_label(sample->head);
      if (!std::isnan(sample->reference))
        text += (curve.role != nullptr ? " (fixed offset " : " (chance ") + fixed(sample->reference, 2) + ")";
    }
    for (const RoleEvent& event : facts_.run().events) {
      if (event.tokens == report.tokens) text += "\n" + event.sentence();
    }
    return text.empty() ? "no role was measured" : text;
  }

  Canvas& canvas_;
  Rect area_;
  TrainFacts facts_;
  std::vector<TrainCurve> curves_;
  TrainPlot plot_;
};

}  // namespace

void draw_train_roles(Canvas& canvas, const Rect& area, const TrainInput& train) { RolesPlot(canvas, area, train).draw(); }

}  // namespace headroom
