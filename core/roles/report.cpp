#include "core/roles/report.h"

#include <algorithm>

#include "core/roles/sentence_parts.h"

namespace headroom {

using roles_detail::count_of_cases;
using roles_detail::distance_text;
using roles_detail::two_digits;

namespace {

struct BehaviourText {
  std::string_view id, name, definition;
};

BehaviourText text_of(Behaviour behaviour) {
  switch (behaviour) {
    case Behaviour::kAgreement:
      return {"agreement", "agreement", "The form of a word that agrees with its noun is likelier than its other forms."};
    case Behaviour::kAgreementAcrossDistractor:
      return {"agreement_across_distractor", "agreement across a distractor",
              "The verb's form for its subject is likelier than the other one, although the nearest noun has the other number."};
    case Behaviour::kCoreference:
      return {"coreference", "coreference", "The right pronoun is likelier than those that would stand for nothing said before."};
    case Behaviour::kCopying:
      return {"copying", "copying", "The word that a repeated list or quote goes on with is likelier than the others offered."};
    case Behaviour::kSurname:
      return {"surname", "surname", "After a first name that was said before, its surname is likelier than the others."};
    case Behaviour::kRandomCopying:
      return {"random_copying", "copying random sequences",
              "In held-out random sequences that repeat, the token that comes next is likelier than all others."};
    case Behaviour::kTokens:
      break;
  }
  return {"tokens", "exact token", "Each token of the translation, after the right ones before it, is likelier than all others."};
}

}  // namespace

std::string name_of(HeadRef head, AttentionStack stack) {
  std::string name = "L" + std::to_string(head.layer) + " H" + std::to_string(head.head);
  if (stack == AttentionStack::kEncoder) return "encoder " + name;
  if (stack == AttentionStack::kCross) return "cross " + name;
  return name;
}

std::string_view behaviour_id(Behaviour behaviour) { return text_of(behaviour).id; }
std::string_view behaviour_name(Behaviour behaviour) { return text_of(behaviour).name; }
std::string_view behaviour_definition(Behaviour behaviour) { return text_of(behaviour).definition; }

bool RoleScore::is_fixed_distance() const { return role->has_baseline && n_cases > 0 && baseline >= kFixedDistance; }

bool RoleScore::names(double value) const {
  return n_cases >= kFewestCases && !is_fixed_distance() && value >= role->threshold &&
         (!role->has_baseline || value >= baseline + kBaselineMargin);
}

std::string RoleScore::why() const {
  if (n_cases == 0) return "Not measured: the held-out rows have no case of it.";
  const std::string where = distance_text(offset);
  if (is_fixed_distance())
    return "No head is named: it stands " + where + " in " + two_digits(baseline) + " of " + count_of_cases(n_cases) +
           ", so a fixed distance alone finds it.";
  if (n_cases < kFewestCases)
    return "No head is named: the held-out rows have only " + count_of_cases(n_cases) + ", and " + std::to_string(kFewestCases) +
           " are needed.";
  const std::string best = name_of(head, role->stack);
  if (!(score >= role->threshold))
    return "No head is named: the best, " + best + ", reaches " + two_digits(score) + " in " + count_of_cases(n_cases) +
           ", below " + two_digits(role->threshold) + ".";
  if (!names(score))
    return "No head is named: the best, " + best + ", reaches " + two_digits(score) + " in " + count_of_cases(n_cases) +
           ", hardly more than always looking " + where + ": " + two_digits(baseline) + ".";
  const std::string measured =
      role->measure == RoleMeasure::kStrongest
          ? best + " looks at " + role->looks_at + " in " + two_digits(score) + " of " + count_of_cases(n_cases)
          : best + " gives " + role->looks_at + " " + two_digits(score) + " of its attention, the mean of " +
                count_of_cases(n_cases);
  if (!role->has_baseline) return measured + "; spread evenly it would be " + two_digits(chance) + ".";
  return measured + "; always looking " + where + " would reach " + two_digits(baseline) + ".";
}

const RoleScore* HeadReport::role(std::string_view id) const {
  const auto found = std::ranges::find_if(roles, [&](const RoleScore& score) { return score.n_cases > 0 && score.role->id == id; });
  return found == roles.end() ? nullptr : &*found;
}

const BehaviourScore* HeadReport::behaviour(Behaviour which) const {
  const auto found = std::ranges::find(behaviours, which, &BehaviourScore::behaviour);
  return found == behaviours.end() ? nullptr : &*found;
}

std::string HeadReport::induction_sentence() const {
  const RoleScore* const induction = role("induction");
  if (induction == nullptr) return {};
  const BehaviourScore* const copying = behaviour(Behaviour::kRandomCopying);
  const std::string copied = copying == nullptr ? std::string() : two_digits(copying->accuracy);
  const std::string given = two_digits(induction->score);
  if (induction->names_head())
    return "Proved on random sequences: " + name_of(induction->head) + " gives " + given +
           " of its attention to what followed the last mention of the token.";
  if (has_shortcut)
    return "This is the positional shortcut: " + copied + " of random sequences are copied right, yet the best head gives only " +
           given + " of its attention to what followed the last mention; that is no induction head.";
  return "No induction head: the best head, " + name_of(induction->head) + ", gives " + given +
         " of its attention to what followed the last mention of the token" +
         (copied.empty() ? "." : "; " + copied + " of random sequences are copied right.");
}

}  // namespace headroom
