#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/roles/report.h"

namespace headroom {

enum class RoleEventKind {
  kRoleTaken,    ///< a head has the role for the first time
  kBelowChance,  ///< answers are worse than guessing: the model follows a wrong rule
  kMastered,     ///< answers are right in kMasteredShare of the cases for the first time
};

/// A behaviour is mastered at this accuracy.
inline constexpr double kMasteredShare = 0.95;

/// A moment to mark on the time line.
struct RoleEvent {
  RoleEventKind kind = RoleEventKind::kRoleTaken;
  std::int64_t tokens = 0;                      ///< of the report in which it was first so
  const Role* role = nullptr;                   ///< of kRoleTaken
  HeadRef head;                                 ///< of kRoleTaken: the best head at that moment
  Behaviour behaviour = Behaviour::kAgreement;  ///< of the others
  double score = 0;                             ///< of the head, or the accuracy
  /// Still so in the last report of the series. A role that went from one head to another still holds.
  bool holds = false;
  HeadRef last_head;  ///< of kRoleTaken: the best head in the last report

  /// "At 180 k tokens L1 H1 takes up: subject across a distractor, before the verb (0.97)."
  std::string sentence() const;
};

/// Of one run's reports, by tokens: the first at which each role named a head, and each behaviour fell below chance or was mastered.
/// Events of equal tokens come in the order of RoleEventKind, then of the report. An untrained model (0 tokens) has no behaviour.
std::vector<RoleEvent> role_events(std::span<const std::shared_ptr<const HeadReport>> series);

}  // namespace headroom
