#include "core/figure/train_curves.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace headroom {
namespace {

/// What says most about a run comes first; roles that are not listed follow in their own order.
constexpr std::array<std::string_view, 9> kInteresting{"subject", "pronoun", "predicate",  "induction", "alignment",
                                                       "name",    "copy",    "antecedent", "previous"};
constexpr std::array kInterestingBehaviours{Behaviour::kAgreementAcrossDistractor,
                                            Behaviour::kCoreference,
                                            Behaviour::kCopying,
                                            Behaviour::kRandomCopying,
                                            Behaviour::kAgreement,
                                            Behaviour::kSurname,
                                            Behaviour::kTokens};
constexpr std::size_t kMostCurves = kMostRoles + kMostBehaviours;
constexpr std::array<Marker, kMostCurves> kMarkers{Marker::kDisc,  Marker::kSquare,   Marker::kDiamond,       Marker::kRing,
                                                   Marker::kCross, Marker::kTriangle, Marker::kHollowTriangle};

std::array<Color, kMostCurves> curve_colors(const Theme& theme) {
  return {theme.accent, theme.good, theme.flash, theme.warning, theme.gl, theme.linear, theme.naive};
}

std::size_t rank_of(const TrainCurve& curve) {
  if (curve.role != nullptr) {
    const auto found = std::find(kInteresting.begin(), kInteresting.end(), curve.role->id);
    return static_cast<std::size_t>(found - kInteresting.begin());
  }
  const auto found = std::find(kInterestingBehaviours.begin(), kInterestingBehaviours.end(), curve.behaviour);
  return static_cast<std::size_t>(found - kInterestingBehaviours.begin());
}

TrainCurve curve_of(HeadReports reports, const Role& role) {
  TrainCurve curve;
  curve.id = role.id;
  curve.name = short_role_name(role);
  curve.long_name = role.name;
  curve.definition = role.definition;
  curve.role = &role;
  for (const auto& report : reports) {
    const RoleScore* score = report->role(role.id);
    if (score == nullptr) continue;
    const double reference = role.has_baseline ? score->baseline : std::numeric_limits<double>::quiet_NaN();
    curve.samples.push_back({report->tokens, score->score, reference, score->head});
  }
  return curve;
}

TrainCurve curve_of(HeadReports reports, Behaviour behaviour) {
  TrainCurve curve;
  curve.id = behaviour_id(behaviour);
  curve.name = short_behaviour_name(behaviour);
  curve.long_name = behaviour_name(behaviour);
  curve.definition = behaviour_definition(behaviour);
  curve.behaviour = behaviour;
  for (const auto& report : reports) {
    const BehaviourScore* score = report->behaviour(behaviour);
    if (score != nullptr) curve.samples.push_back({report->tokens, score->accuracy, score->chance, {}});
  }
  return curve;
}

/// Each keeps its sign as long as no other wants it: the id decides where the search for a free one begins.
void give_signs(std::vector<TrainCurve>& curves, const Theme& theme) {
  const std::array<Color, kMostCurves> colors = curve_colors(theme);
  std::array<bool, kMostCurves> is_taken{};
  for (TrainCurve& curve : curves) {
    // Behaviours begin at the colour of warnings: the four before it are what the first roles take.
    std::size_t at = (curve.role != nullptr ? rank_of(curve) : kMostRoles - 1 + rank_of(curve)) % kMostCurves;
    while (is_taken[at])
      at = (at + 1) % kMostCurves;
    is_taken[at] = true;
    curve.sign = {colors[at], kMarkers[at]};
  }
}

}  // namespace

std::string short_role_name(const Role& role) {
  std::string name = role.id;
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string short_behaviour_name(Behaviour behaviour) {
  switch (behaviour) {
    case Behaviour::kAgreement:
      return "agreement, plain";
    case Behaviour::kAgreementAcrossDistractor:
      return "agreement";
    case Behaviour::kCoreference:
      return "coreference";
    case Behaviour::kCopying:
      return "copying";
    case Behaviour::kSurname:
      return "surname";
    case Behaviour::kRandomCopying:
      return "random copying";
    case Behaviour::kTokens:
      return "right words";
  }
  return {};
}

std::vector<TrainCurve> all_train_curves(HeadReports reports) {
  std::vector<TrainCurve> curves;
  if (reports.empty()) return curves;
  const HeadReport& last = *reports.back();
  for (const RoleScore& score : last.roles) {
    if (score.n_cases > 0 && !score.is_fixed_distance()) curves.push_back(curve_of(reports, *score.role));
  }
  for (const BehaviourScore& score : last.behaviours)
    curves.push_back(curve_of(reports, score.behaviour));
  std::erase_if(curves, [](const TrainCurve& curve) { return curve.samples.empty(); });
  std::stable_sort(curves.begin(), curves.end(), [](const TrainCurve& a, const TrainCurve& b) {
    const bool a_is_role = a.role != nullptr, b_is_role = b.role != nullptr;
    return a_is_role != b_is_role ? a_is_role : rank_of(a) < rank_of(b);
  });
  return curves;
}

std::vector<TrainCurve> train_curves(HeadReports reports, const std::vector<std::string>& hidden, const Theme& theme) {
  std::vector<TrainCurve> chosen;
  std::size_t n_roles = 0, n_behaviours = 0;
  for (TrainCurve& curve : all_train_curves(reports)) {
    if (std::find(hidden.begin(), hidden.end(), curve.id) != hidden.end()) continue;
    std::size_t& n = curve.role != nullptr ? n_roles : n_behaviours;
    if (n++ < (curve.role != nullptr ? kMostRoles : kMostBehaviours)) chosen.push_back(std::move(curve));
  }
  give_signs(chosen, theme);
  return chosen;
}

const HeadReport* report_at(HeadReports reports, std::int64_t tokens) {
  if (reports.empty()) return nullptr;
  const HeadReports before = reports_until(reports, tokens);
  return before.empty() ? reports.front().get() : before.back().get();
}

HeadReports reports_until(HeadReports reports, std::int64_t tokens) {
  const auto end = std::find_if(reports.begin(), reports.end(), [&](const auto& report) { return report->tokens > tokens; });
  return reports.first(static_cast<std::size_t>(end - reports.begin()));
}

const RoleScore* best_role_of(const HeadReport& report, AttentionStack stack, HeadRef head) {
  const RoleScore* best = nullptr;
  double most = -std::numeric_limits<double>::infinity();
  for (const RoleScore& score : report.roles) {
    const auto index = static_cast<std::size_t>(head.layer * score.n_heads + head.head);
    if (score.role->stack != stack || score.n_cases == 0 || score.is_fixed_distance() || index >= score.by_head.size()) continue;
    const double value = score.by_head[index], beyond = value - std::max(score.baseline, score.chance);
    // A role that names the head is before all that do not.
    const double key = beyond + (score.names(value) ? 1 : 0);
    if (key <= most) continue;
    most = key;
    best = &score;
  }
  return best;
}

}  // namespace headroom
