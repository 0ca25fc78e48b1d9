#include <algorithm>
#include <cmath>

#include "core/figure/number_text.h"
#include "core/figure/train_panels.h"
#include "core/figure/train_story.h"
#include "core/roles/ablation.h"
#include "core/runs/report.h"

namespace headroom {
namespace {

/// Pictures of the inspector: lines from the top, as high as they need to be, cut where there is no more room.
class Card {
 public:
  Card(const FigureInput& input, const TrainInput& train, const std::string& title)
      : input_(input), canvas_(input, title), facts_(input, train) {}

 protected:
  const Theme& theme() const { return canvas_.theme(); }
  double width() const { return input_.size.w; }
  bool has_room(double height) const { return y_ + height <= input_.size.h; }

  void title(const std::string& text, const std::string& detail) {
    if (!has_room(kSmallLine)) return;
    y_ += canvas_.panel_title({0, y_}, text, detail, width()) + 8;
  }
  void sentence(const std::string& text, const TextStyle& style) {
    const auto lines = static_cast<std::size_t>(std::max(0.0, std::floor((input_.size.h - y_) / kSmallLine)));
    if (lines > 0) y_ += canvas_.paragraph({0, y_, width(), 0}, text, style, lines);
  }

  /// A quantity in [0, 1] as a bar, with ticks on it.
  struct Bar {
    std::string label, value, tooltip, name;
    double share = 0;
    std::optional<double> tick;   ///< chance, or a fixed offset
    std::optional<double> mark;   ///< threshold
    std::optional<double> other;  ///< the compared time's
    Color color;
    bool is_strong = false;
  };
  void bar(const Bar& row, double label_w, double value_w) {
    if (!has_room(kLine)) return;
    const double middle = y_ + kLine / 2, x = label_w + 12, w = width() - label_w - value_w - 24;
    TextStyle label = canvas_.small(), value = canvas_.mono();
    if (row.is_strong) label.color = theme().text;
    value.anchor = Anchor::kRight;
    canvas_.text({0, middle}, row.label, label, label_w);
    if (w >= 24) {
      canvas_.bar({x, middle - 3, w, 6}, row.share, row.color);
      const auto at = [&](double share) { return std::round(x + w * std::clamp(share, 0.0, 1.0)); };
      if (row.other) canvas_.outline({at(*row.other) - 3, middle - 3, 6, 6}, theme().text, 1.5, 3);
      if (row.tick) canvas_.fill({at(*row.tick), middle - 6, 1.5, 12}, theme().warning);
      if (row.mark) {
        const double m = at(*row.mark);
        canvas_.add(Polyline{.points = {{m - 3, middle - 8}, {m + 3, middle - 8}, {m, middle - 4}},
                             .color = theme().text_dim,
                             .width = 0,
                             .is_closed = true,
                             .fill = theme().text_dim});
      }
    }
    canvas_.text({width(), middle}, row.value, value, value_w);
    canvas_.hit({.shape = {0, y_, width(), kLine},
                 .tooltip = row.tooltip,
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = row.name});
    y_ += kLine;
  }
  void bars(const std::vector<Bar>& rows) {
    double label_w = 0, value_w = 0;
    for (const Bar& row : rows) {
      label_w = std::max(label_w, canvas_.width(row.label, canvas_.small()));
      value_w = std::max(value_w, canvas_.width(row.value, canvas_.mono()));
    }
    value_w = std::ceil(value_w);
    label_w = std::min(std::ceil(label_w), std::max(40.0, width() - value_w - 24 - 60));
    for (const Bar& row : rows)
      bar(row, label_w, value_w);
  }

  /// "| chance" with the tick as it stands on the bars.
  void key(const std::string& tick, const std::string& mark) {
    if (!has_room(kSmallLine + 4)) return;
    const double middle = y_ + 4 + kSmallLine / 2;
    double x = 0;
    if (!tick.empty()) {
      canvas_.fill({x, middle - 5, 1.5, 10}, theme().warning);
      x += 8 + canvas_.text({x + 8, middle}, tick, canvas_.faint(), width() - 8) + 16;
    }
    if (!mark.empty() && x + 12 + canvas_.width(mark, canvas_.faint()) <= width()) {
      canvas_.add(Polyline{.points = {{x, middle - 3}, {x + 6, middle - 3}, {x + 3, middle + 2}},
                           .color = theme().text_dim,
                           .width = 0,
                           .is_closed = true,
                           .fill = theme().text_dim});
      canvas_.text({x + 12, middle}, mark, canvas_.faint());
    }
    y_ += kSmallLine + 6;
  }

  Figure take() {
    canvas_.set_height(std::min(input_.size.h, std::ceil(y_)));
    return canvas_.take();
  }

  std::string when() const {
    return facts_.is_live() ? "now" : "at " + tokens_text(static_cast<double>(facts_.shown_tokens())) + " tokens";
  }

  const FigureInput& input_;
  Canvas canvas_;
  TrainFacts facts_;
  double y_ = 0;
};

class HappenedCard : Card {
 public:
  HappenedCard(const FigureInput& input, const TrainInput& train) : Card(input, train, "What happened here") {}

  Figure draw() {
    TextStyle heading = canvas_.body();
    heading.face = FontFace::kSansMedium;
    if (has_room(kLine)) canvas_.text({0, kLine / 2}, "What happened here", heading, width());
    y_ = kLine + 4;
    for (const std::string& text : sentences()) {
      sentence(text, canvas_.small());
      y_ += 4;
    }
    return take();
  }

 private:
  std::vector<std::string> sentences() const {
    if (!facts_.has_run()) {
      return {
          "Nothing yet. Press Train: within seconds each head's picture sharpens, and what it does is measured here, on sentences "
          "whose grammar is known."};
    }
    std::vector<std::string> all;
    if (!facts_.run().failure.empty()) all.push_back(facts_.run().failure);
    const HeadReports seen = reports_until(facts_.reports(), facts_.shown_tokens());
    for (std::string& text : train_story(seen))
      all.push_back(std::move(text));
    if (all.empty()) all.emplace_back("The first measurement is on its way.");
    return all;
  }
};

class BehaviourCard : Card {
 public:
  BehaviourCard(const FigureInput& input, const TrainInput& train) : Card(input, train, "What the model gets right") {}

  Figure draw() {
    title("BEHAVIOUR", facts_.shown() == nullptr ? "measured as it trains" : "measured, " + when());
    const HeadReport* report = facts_.shown();
    if (report == nullptr || report->behaviours.empty()) {
      draw_empty();
      return take();
    }
    std::vector<Bar> rows;
    for (const BehaviourScore& score : report->behaviours)
      rows.push_back(row_of(score));
    bars(rows);
    key("chance: guessing among the answers", "");
    return take();
  }

 private:
  Bar row_of(const BehaviourScore& score) const {
    const std::string name(behaviour_name(score.behaviour));
    Bar row{.label = name,
            .value = fixed(score.accuracy, 2),
            .tooltip = name + " " + fixed(score.accuracy, 3) + "\n" + std::string(behaviour_definition(score.behaviour)) +
                       "\nchance " + fixed(score.chance, 2) + ", " + count_text(score.n_cases) + " cases, measured",
            .name = "behaviour " + std::string(behaviour_id(score.behaviour)),
            .share = score.accuracy,
            .tick = score.chance,
            .mark = {},
            .other = {},
            .color = is_below_chance(score) ? theme().bad : theme().accent,
            .is_strong = false};
    if (is_below_chance(score)) row.tooltip += "\nworse than guessing: the model follows a wrong rule";
    const HeadReport* before = facts_.compared();
    const BehaviourScore* other = before == nullptr ? nullptr : before->behaviour(score.behaviour);
    if (other != nullptr) {
      row.other = other->accuracy;
      row.tooltip += "\n" + fixed(other->accuracy, 3) + " at " + tokens_text(static_cast<double>(before->tokens)) + " tokens";
    }
    return row;
  }

  void draw_empty() {
    for (const char* name : {"agreement", "across a distractor", "coreference", "copying"}) {
      if (!has_room(kLine)) break;
      TextStyle style = canvas_.faint();
      canvas_.text({0, y_ + kLine / 2}, name, style, width() / 2);
      if (width() > 160) canvas_.bar({width() / 2, y_ + kLine / 2 - 3, width() / 2, 6}, 0, theme().accent);
      y_ += kLine;
    }
    y_ += 4;
    sentence("How often the model answers questions with a known answer, beside what guessing gives.", canvas_.faint());
  }
};

class ScoresCard : Card {
 public:
  ScoresCard(const FigureInput& input, const TrainInput& train) : Card(input, train, "The chosen head's roles") {}

  Figure draw() {
    const std::optional<HeadRef>& head = input_.session.train_view.head;
    const HeadReport* report = facts_.shown();
    if (!head || report == nullptr) {
      title("ROLES", "of the chosen head");
      sentence(head ? "The first measurement is on its way."
                    : "Choose a head: how it scores in each role shows here, beside what a "
                      "fixed offset would score.",
               canvas_.faint());
      return take();
    }
    title("ROLES OF " + head_label(*head), "measured, " + when());
    std::vector<Bar> rows;
    for (const RoleScore* score : sorted(*report, *head))
      rows.push_back(row_of(*score, *head));
    if (rows.empty()) sentence("No role is measured in this stack with these data.", canvas_.faint());
    bars(rows);
    if (!rows.empty()) key("best fixed offset", "threshold");
    return take();
  }

 private:
  std::vector<const RoleScore*> sorted(const HeadReport& report, HeadRef head) const {
    std::vector<const RoleScore*> scores;
    for (const RoleScore& score : report.roles) {
      const bool is_here = score.role->stack == input_.session.train_view.stack && score.n_cases > 0;
      const bool exists =
          head.head < score.n_heads && static_cast<std::size_t>(head.layer * score.n_heads + head.head) < score.by_head.size();
      if (is_here && exists) scores.push_back(&score);
    }
    std::stable_sort(scores.begin(), scores.end(), [&](const RoleScore* a, const RoleScore* b) {
      const double x = a->of(head), y = b->of(head);
      return a->names(x) != b->names(y) ? a->names(x) : x - std::max(a->baseline, a->chance) > y - std::max(b->baseline, b->chance);
    });
    constexpr std::size_t kMostRows = 7;
    if (scores.size() > kMostRows) scores.resize(kMostRows);
    return scores;
  }

  Bar row_of(const RoleScore& score, HeadRef head) const {
    const double value = score.of(head);
    const Role& role = *score.role;
    const bool is_named = score.names(value);
    std::string tip = role.name + " " + fixed(value, 3) + "\n" + role.definition + "\nthreshold " + fixed(role.threshold, 2);
    if (role.has_baseline) tip += ", best fixed offset " + fixed(score.baseline, 2);
    tip += ", " + count_text(score.n_cases) + " cases, measured";
    if (score.is_fixed_distance()) tip += "\nstands at a fixed distance: names no head";
    if (is_named) tip += "\nthis head has the role";
    Bar row{.label = short_role_name(role),
            .value = fixed(value, 2),
            .tooltip = tip,
            .name = "role " + role.id,
            .share = value,
            .tick = {},
            .mark = role.threshold,
            .other = {},
            .color = is_named ? theme().accent : mix(theme().panel, theme().accent, 0.55),
            .is_strong = is_named};
    if (role.has_baseline) row.tick = score.baseline;
    return row;
  }
};

class AblationCard : Card {
 public:
  AblationCard(const FigureInput& input, const TrainInput& train) : Card(input, train, "What removing the chosen head costs") {}

  Figure draw() {
    const std::optional<HeadRef>& head = input_.session.train_view.head;
    const Ablation* ablation = found(head);
    if (ablation == nullptr) {
      title(head ? "REMOVE " + head_label(*head) : "REMOVE A HEAD", "");
      sentence(why_none(head), canvas_.faint());
      return take();
    }
    title("REMOVE " + head_label(*head), "measured at " + tokens_text(static_cast<double>(ablation->tokens)) + " tokens");
    const Color loss_color = ablation->loss_change() > 0 ? theme().text : theme().text_dim;
    row("loss", fixed(ablation->loss_before, 3) + " → " + fixed(ablation->loss_after, 3), loss_color,
        "loss, nats a token\nheld-out, before and after the head's output is set to zero: " +
            signed_fixed(ablation->loss_change(), 4));
    for (const BehaviourScore& after : ablation->after) {
      const auto same = [&](const BehaviourScore& one) { return one.behaviour == after.behaviour; };
      const auto before = std::find_if(ablation->before.begin(), ablation->before.end(), same);
      if (before == ablation->before.end()) continue;
      const double change = after.accuracy - before->accuracy;
      row(std::string(behaviour_name(after.behaviour)), fixed(before->accuracy, 2) + " → " + fixed(after.accuracy, 2),
          change < -0.05 ? theme().warning : theme().text_dim,
          std::string(behaviour_name(after.behaviour)) + "\n" + std::string(behaviour_definition(after.behaviour)) +
              "\nwithout this head " + signed_fixed(change, 3) + ", " + count_text(after.n_cases) + " cases, measured");
    }
    y_ += 4;
    const HeadReport* report = facts_.shown();
    std::string text =
        "A picture of attention is not a cause: this is what the model loses without the head, measured again as it trains.";
    constexpr std::size_t kMostCauses = 2;
    std::vector<std::string> causes;
    if (report != nullptr) causes = cause_sentences(*report, *ablation);
    for (std::size_t i = 0; i < std::min(kMostCauses, causes.size()); ++i)
      text += " " + causes[i];
    sentence(text, canvas_.faint());
    return take();
  }

 private:
  const Ablation* found(const std::optional<HeadRef>& head) const {
    if (!head || !facts_.has_run() || input_.session.train_view.stack != AttentionStack::kSelf) return nullptr;
    const auto& ablation = facts_.run().ablation;
    return ablation && ablation->head == *head ? &*ablation : nullptr;
  }
  std::string why_none(const std::optional<HeadRef>& head) const {
    if (!head) return "Choose a head: what the model loses without it is measured here. A picture of attention is not a cause.";
    if (input_.session.train_view.stack != AttentionStack::kSelf)
      return "Only heads of the decoder's self-attention can be switched off one by one.";
    return facts_.has_run() ? "What the model loses without it is being measured. A picture of attention is not a cause."
                            : "Once it trains, what the model loses without this head is measured here.";
  }
  void row(const std::string& label, const std::string& value, Color color, const std::string& tooltip) {
    if (!has_room(kLine)) return;
    TextStyle number = canvas_.mono();
    number.anchor = Anchor::kRight;
    number.color = color;
    const double used = canvas_.text({width(), y_ + kLine / 2}, value, number);
    canvas_.text({0, y_ + kLine / 2}, label, canvas_.small(), width() - used - 12);
    canvas_.hit({.shape = {0, y_, width(), kLine},
                 .tooltip = tooltip,
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "ablation " + label});
    y_ += kLine;
  }
};

}  // namespace

Figure train_happened_figure(const FigureInput& input, const TrainInput& train) { return HappenedCard(input, train).draw(); }
Figure train_behaviour_figure(const FigureInput& input, const TrainInput& train) { return BehaviourCard(input, train).draw(); }
Figure train_scores_figure(const FigureInput& input, const TrainInput& train) { return ScoresCard(input, train).draw(); }
Figure train_ablation_figure(const FigureInput& input, const TrainInput& train) { return AblationCard(input, train).draw(); }

}  // namespace headroom
