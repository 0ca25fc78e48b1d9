#include "core/figure/train_story.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/figure/number_text.h"
#include "core/figure/train_axis.h"
#include "core/roles/events.h"

namespace headroom {
namespace {

double standard_error(const BehaviourScore& score) {
  return std::sqrt(score.chance * (1 - score.chance) / static_cast<double>(std::max<std::int64_t>(1, score.n_cases)));
}

std::string right_text(const BehaviourScore& score) {
  return "right in " + fixed(score.accuracy, 2) + " of " + count_text(score.n_cases) + " cases";
}
std::string at_text(std::int64_t tokens) { return tokens_text(static_cast<double>(tokens)) + " tokens"; }

constexpr Behaviour kAcross = Behaviour::kAgreementAcrossDistractor;

/// Where the accuracy was lowest, among the reports that were clearly below chance.
struct Lowest {
  std::int64_t tokens = 0;
  double accuracy = 0;
};
std::optional<Lowest> lowest_below_chance(HeadReports seen) {
  std::optional<Lowest> lowest;
  for (const auto& report : seen) {
    const BehaviourScore* score = report->behaviour(kAcross);
    if (report->tokens == 0 || score == nullptr || !is_below_chance(*score)) continue;  // untrained it follows no rule
    if (!lowest || score->accuracy < lowest->accuracy) lowest = Lowest{report->tokens, score->accuracy};
  }
  return lowest;
}

/// Since when it has been mastered without a break.
std::optional<std::int64_t> mastered_since(HeadReports seen) {
  std::optional<std::int64_t> since;
  for (const auto& report : seen) {
    const BehaviourScore* score = report->behaviour(kAcross);
    if (score == nullptr) continue;
    if (score->accuracy < kMasteredShare) {
      since.reset();
    } else if (!since) {
      since = report->tokens;
    }
  }
  return since;
}

std::string agreement_sentence(HeadReports seen) {
  const BehaviourScore* now = seen.back()->behaviour(kAcross);
  if (now == nullptr) return {};
  if (seen.back()->tokens > 0 && is_below_chance(*now)) {
    return "Across a distractor agreement is " + right_text(*now) + ", worse than a coin (" + fixed(now->chance, 2) +
           "): the model agrees with the nearer noun.";
  }
  const std::optional<Lowest> lowest = lowest_below_chance(seen);
  const std::optional<std::int64_t> since = mastered_since(seen);
  std::string text;
  if (lowest) {
    text = "At " + at_text(lowest->tokens) + " agreement across a distractor was worse than a coin (" + fixed(lowest->accuracy, 2) +
           "): the model agreed with the nearer noun. ";
    return text + (since ? "From " + at_text(*since) + " on it is mastered: now " : "Now it is ") + right_text(*now) + ".";
  }
  if (since) return "Agreement across a distractor is mastered since " + at_text(*since) + ": " + right_text(*now) + ".";
  if (!is_above_chance(*now))
    return "Agreement across a distractor is " + right_text(*now) + ": no better than a coin (" + fixed(now->chance, 2) + ").";
  return "Agreement across a distractor is " + right_text(*now) + ": better than a coin (" + fixed(now->chance, 2) +
         "), not yet mastered (" + fixed(kMasteredShare, 2) + ").";
}

/// The role that is nearest to its threshold, when no head has any.
std::string nearest_sentence(const HeadReport& last) {
  const RoleScore* nearest = nullptr;
  for (const RoleScore& score : last.roles) {
    if (score.n_cases == 0 || score.is_fixed_distance()) continue;
    const auto missing = [](const RoleScore& one) {
      return std::max(one.role->threshold, one.baseline + kBaselineMargin) - one.score;
    };
    if (nearest == nullptr || missing(score) < missing(*nearest)) nearest = &score;
  }
  if (nearest == nullptr) return {};
  std::string text = "No head has a role yet. Nearest is L" + std::to_string(nearest->head.layer) + " H" +
                     std::to_string(nearest->head.head) + ", " + nearest->role->name + ": " + fixed(nearest->score, 2) +
                     ", where " + fixed(nearest->role->threshold, 2) + " is needed";
  if (nearest->role->has_baseline) text += " and a fixed offset gives " + fixed(nearest->baseline, 2);
  return text + ".";
}

std::string role_sentence(HeadReports seen) {
  const std::vector<RoleEvent> events = role_events(seen);
  const RoleEvent* last = nullptr;
  std::int64_t n_held = 0;
  for (const RoleEvent& event : events) {
    if (event.kind != RoleEventKind::kRoleTaken) continue;
    n_held += event.holds ? 1 : 0;
    if (last == nullptr || event.tokens >= last->tokens) last = &event;
  }
  if (last == nullptr) return nearest_sentence(*seen.back());
  std::string text = last->sentence();
  if (n_held > 1) text += " " + count_text(n_held) + " roles are held now.";
  return text;
}

std::string loss_sentence(const HeadReport& last) {
  if (!std::isfinite(last.held_out_loss)) return "The loss is no number: the run diverged.";
  std::string text = "The held-out loss is " + fixed(last.held_out_loss, 2) + " nats a token";
  if (last.has_floor) text += ", " + fixed(last.held_out_loss - last.floor, 2) + " above the floor of " + fixed(last.floor, 2);
  return text + ".";
}

}  // namespace

bool is_below_chance(const BehaviourScore& score) { return score.accuracy < score.chance - 2 * standard_error(score); }
bool is_above_chance(const BehaviourScore& score) { return score.accuracy > score.chance + 2 * standard_error(score); }

std::vector<std::string> train_story(HeadReports seen) {
  std::vector<std::string> sentences;
  if (seen.empty()) return sentences;
  for (std::string sentence :
       {agreement_sentence(seen), role_sentence(seen), seen.back()->induction_sentence(), loss_sentence(*seen.back())}) {
    if (!sentence.empty()) sentences.push_back(std::move(sentence));
  }
  return sentences;
}

}  // namespace headroom
