#include "core/roles/events.h"

#include <algorithm>

#include "core/roles/sentence_parts.h"

namespace headroom {
namespace {

using roles_detail::tokens_text;
using roles_detail::two_digits;

/// Clearly worse than guessing: by two standard errors of as many guesses, so that a few unlucky cases are no story.
bool is_below_chance(const BehaviourScore& score) {
  const double margin_squared = 4 * score.chance * (1 - score.chance) / static_cast<double>(score.n_cases);
  const double missing = score.chance - score.accuracy;
  return missing > 0 && missing * missing >= margin_squared;
}

bool is_mastered(const BehaviourScore& score) { return score.n_cases >= kFewestCases && score.accuracy >= kMasteredShare; }

/// Guessing among thousands of words is nearly always wrong: only questions of a few answers can be answered against the rule.
bool offers_few_answers(const BehaviourScore& score) { return score.chance >= 0.2; }

using Series = std::span<const std::shared_ptr<const HeadReport>>;

void add_role_events(Series series, std::vector<RoleEvent>& events) {
  const HeadReport& last = *series.back();
  for (const RoleScore& at_end : last.roles) {
    const auto named = [&](const std::shared_ptr<const HeadReport>& report) {
      const RoleScore* const score = report->role(at_end.role->id);
      return score != nullptr && score->names_head();
    };
    const auto first = std::ranges::find_if(series, named);
    if (first == series.end()) continue;
    const RoleScore& then = *(*first)->role(at_end.role->id);
    RoleEvent event;
    event.kind = RoleEventKind::kRoleTaken;
    event.tokens = (*first)->tokens;
    event.role = at_end.role;
    event.head = then.head;
    event.score = then.score;
    event.holds = at_end.names_head();
    event.last_head = at_end.head;
    events.push_back(event);
  }
}

template <class Is>
void add_behaviour_events(Series series, RoleEventKind kind, Is is, std::vector<RoleEvent>& events) {
  for (const BehaviourScore& at_end : series.back()->behaviours) {
    const auto first = std::ranges::find_if(series, [&](const std::shared_ptr<const HeadReport>& report) {
      const BehaviourScore* const score = report->behaviour(at_end.behaviour);
      return report->tokens > 0 && score != nullptr && is(*score);  // an untrained model follows no rule
    });
    if (first == series.end()) continue;
    RoleEvent event;
    event.kind = kind;
    event.tokens = (*first)->tokens;
    event.behaviour = at_end.behaviour;
    event.score = (*first)->behaviour(at_end.behaviour)->accuracy;
    event.holds = is(at_end);
    events.push_back(event);
  }
}

}  // namespace

std::string RoleEvent::sentence() const {
  const std::string when = "At " + tokens_text(tokens) + " tokens ";
  const std::string name(behaviour_name(behaviour));
  switch (kind) {
    case RoleEventKind::kRoleTaken:
      return when + name_of(head, role->stack) + " takes up: " + role->name + " (" + two_digits(score) + ")" +
             (holds ? last_head == head ? "." : "; now " + name_of(last_head, role->stack) + " does." : "; no head does now.");
    case RoleEventKind::kBelowChance:
      return when + name + " is worse than guessing (" + two_digits(score) + "): the model follows another rule.";
    case RoleEventKind::kMastered:
      break;
  }
  return when + name + " is right in " + two_digits(score) + " of the cases" + (holds ? "." : "; now in fewer.");
}

std::vector<RoleEvent> role_events(std::span<const std::shared_ptr<const HeadReport>> series) {
  std::vector<RoleEvent> events;
  if (series.empty()) return events;
  add_role_events(series, events);
  add_behaviour_events(
      series, RoleEventKind::kBelowChance,
      [](const BehaviourScore& score) { return offers_few_answers(score) && is_below_chance(score); }, events);
  add_behaviour_events(series, RoleEventKind::kMastered, is_mastered, events);
  std::ranges::stable_sort(events, {}, &RoleEvent::tokens);
  return events;
}

}  // namespace headroom
