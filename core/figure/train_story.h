#pragma once

#include <string>
#include <vector>

#include "core/figure/train_curves.h"

namespace headroom {

/// What happened up to the last of these reports, a sentence each, most telling first; every number in them is measured. What is said:
///   induction, where it was measured: proved, absent, or the positional shortcut
///   agreement across a distractor: below chance (the model then agrees with the nearer noun), past it, mastered
///   the role that a head took up last; or, where none has, which head is nearest to one
///   the loss, and how far it is above the grammar's floor
/// Edge  No reports: empty.
std::vector<std::string> train_story(HeadReports seen);

/// Below chance by more than two standard errors of guessing: then the model follows a wrong rule.
bool is_below_chance(const BehaviourScore& score);
bool is_above_chance(const BehaviourScore& score);

}  // namespace headroom
