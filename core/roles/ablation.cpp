#include "core/roles/ablation.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/roles/measure.h"
#include "core/roles/sentence_parts.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using roles_detail::count_of_cases;
using roles_detail::two_digits;

/// Accuracies that differ by less are called almost the same; below this a loss is not worth a sentence.
constexpr double kSmallChange = 0.05;

/// Which answers a role would be expected to carry.
std::vector<Behaviour> served_by(const Role& role) {
  if (role.cases == RoleCases::kInduction || role.cases == RoleCases::kDuplicate)
    return {Behaviour::kRandomCopying, Behaviour::kCopying};
  if (role.cases != RoleCases::kRelation) return {};
  switch (role.relation) {
    case Relation::kSubject:
    case Relation::kSubjectAcrossDistractor:
    case Relation::kRelativeSubject:
      return {Behaviour::kAgreementAcrossDistractor, Behaviour::kAgreement};
    case Relation::kPronoun:
    case Relation::kPronounName:
    case Relation::kPossessor:
      return {Behaviour::kCoreference};
    case Relation::kName:
      return {Behaviour::kSurname};
    case Relation::kCopy:
      return {Behaviour::kCopying};
    default:
      return {};
  }
}

const BehaviourScore* find(const std::vector<BehaviourScore>& scores, Behaviour behaviour) {
  const auto found = std::ranges::find(scores, behaviour, &BehaviourScore::behaviour);
  return found == scores.end() ? nullptr : &*found;
}

/// "it looks at the subject in 0.98 of 61 cases"
std::string claim(const RoleScore& score, HeadRef head) {
  const std::string value = two_digits(static_cast<double>(score.of(head)));
  if (score.role->measure == RoleMeasure::kStrongest)
    return name_of(head) + " looks at " + score.role->looks_at + " in " + value + " of " + count_of_cases(score.n_cases);
  return name_of(head) + " gives " + score.role->looks_at + " " + value + " of its attention";
}

/// What follows the claim: ", yet agreement stays at 1.00 without it." A large change either way is told with both numbers.
std::string consequence(const BehaviourScore& before, const BehaviourScore& after) {
  const std::string name(behaviour_name(before.behaviour)), was = two_digits(before.accuracy), is = two_digits(after.accuracy);
  const double change = after.accuracy - before.accuracy;
  if (was == is) return ", yet " + name + " stays at " + is + " without it.";
  if (std::abs(change) < kSmallChange) return ", yet " + name + " hardly changes without it: " + was + ", then " + is + ".";
  return ", and without it " + name + (change < 0 ? " falls" : " rises") + " from " + was + " to " + is + ".";
}

}  // namespace

double Ablation::change(Behaviour behaviour) const {
  const BehaviourScore* const first = find(before, behaviour);
  const BehaviourScore* const second = find(after, behaviour);
  return first == nullptr || second == nullptr ? 0 : second->accuracy - first->accuracy;
}

Ablation measure_ablation(Network& network, const RoleProbes& probes, const HeadReport& before, HeadRef head,
                          std::stop_token stop) {
  const ModelShape& shape = network.layout().config().shape;
  if (head.layer < 0 || head.layer >= shape.n_layers || head.head < 0 || head.head >= shape.n_heads)
    throw ShapeError("the model has no head " + name_of(head));
  const std::array off{head};
  HeadReport after = roles_detail::measure(network, probes, {roles_detail::Looks::kNotAtAttention, off, std::move(stop)});
  Ablation ablation;
  ablation.head = head;
  ablation.tokens = before.tokens;
  ablation.loss_before = before.held_out_loss;
  ablation.loss_after = after.held_out_loss;
  ablation.before = before.behaviours;
  ablation.after = std::move(after.behaviours);
  return ablation;
}

std::vector<Ablation> measure_ablations(Network& network, const RoleProbes& probes, const HeadReport& before,
                                        const AblationWatch& watch) {
  const ModelShape& shape = network.layout().config().shape;
  const std::int64_t total = shape.n_layers * shape.n_heads;
  std::vector<Ablation> all;
  for (std::int64_t i = 0; i < total; ++i) {
    if (watch.stop.stop_requested()) throw Cancelled();
    all.push_back(measure_ablation(network, probes, before, {i / shape.n_heads, i % shape.n_heads}, watch.stop));
    if (watch.on_progress) watch.on_progress(i + 1, total);
  }
  return all;
}

std::vector<std::string> cause_sentences(const HeadReport& report, const Ablation& ablation) {
  std::vector<std::string> sentences;
  std::vector<Behaviour> told;
  for (const RoleScore& score : report.roles) {
    if (score.role->stack != AttentionStack::kSelf || score.n_cases == 0 ||
        !score.names(static_cast<double>(score.of(ablation.head))))
      continue;
    for (const Behaviour behaviour : served_by(*score.role)) {
      const BehaviourScore* const before = find(ablation.before, behaviour);
      const BehaviourScore* const after = find(ablation.after, behaviour);
      if (before == nullptr || after == nullptr || std::ranges::find(told, behaviour) != told.end()) continue;
      sentences.push_back(claim(score, ablation.head) + consequence(*before, *after));
      told.push_back(behaviour);
    }
  }
  for (const BehaviourScore& before : ablation.before) {
    const BehaviourScore* const after = find(ablation.after, before.behaviour);
    if (after == nullptr || std::ranges::find(told, before.behaviour) != told.end()) continue;
    const double change = after->accuracy - before.accuracy;
    if (std::abs(change) < kSmallChange) continue;
    sentences.push_back("No role for it is seen in " + name_of(ablation.head) + ", yet without this head " +
                        std::string(behaviour_name(before.behaviour)) + (change < 0 ? " falls" : " rises") + " from " +
                        two_digits(before.accuracy) + " to " + two_digits(after->accuracy) + ".");
  }
  if (std::abs(ablation.loss_change()) >= kSmallChange)
    sentences.push_back("Without " + name_of(ablation.head) + " the held-out loss " +
                        (ablation.loss_change() > 0 ? "rises" : "falls") + " from " + two_digits(ablation.loss_before) + " to " +
                        two_digits(ablation.loss_after) + " nats a token.");
  return sentences;
}

}  // namespace headroom
