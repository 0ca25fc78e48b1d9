#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/figure/log_plot.h"
#include "core/roles/report.h"

namespace headroom {

using HeadReports = std::span<const std::shared_ptr<const HeadReport>>;

/// One measured quantity over a run.
struct TrainCurve {
  std::string id;              ///< of the role or behaviour: stable
  std::string name;            ///< short, for a label: "subject"
  std::string long_name;       ///< "verb → subject across a distractor"
  std::string definition;      ///< one sentence
  const Role* role = nullptr;  ///< null: a behaviour
  Behaviour behaviour = Behaviour::kAgreement;
  KernelSign sign;  ///< colour and marker, both distinct among the curves drawn together

  struct Sample {
    std::int64_t tokens = 0;
    double value = 0;
    double reference = 0;  ///< the best fixed offset of a role that has one, chance of a behaviour; NaN: none
    HeadRef head;          ///< of a role: the best one
  };
  std::vector<Sample> samples;  ///< at least one
};

/// The curves that the roles picture draws of these reports: at most kMostRoles roles and kMostBehaviours behaviours, without the hidden
/// ones and without relations that stand at a fixed distance. The choice and the signs depend on what was measured and hidden, not on scores.
inline constexpr std::size_t kMostRoles = 4, kMostBehaviours = 3;
std::vector<TrainCurve> train_curves(HeadReports reports, const std::vector<std::string>& hidden, const Theme& theme);

/// All that could be drawn, hidden ones among them, in order of interest; their signs are not set.
std::vector<TrainCurve> all_train_curves(HeadReports reports);

/// Short names for labels.
std::string short_role_name(const Role& role);
std::string short_behaviour_name(Behaviour behaviour);

/// The last report at or before `tokens`; the first when there is none before; null without reports.
const HeadReport* report_at(HeadReports reports, std::int64_t tokens);
/// The reports up to `tokens`.
HeadReports reports_until(HeadReports reports, std::int64_t tokens);

/// The role that a head does best: farthest above its fixed offset and above chance, relations at a fixed distance left out. Null: none measured.
const RoleScore* best_role_of(const HeadReport& report, AttentionStack stack, HeadRef head);

}  // namespace headroom
