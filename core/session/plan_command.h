#pragma once

#include <string>

#include "core/session/session.h"

namespace headroom {

/// The command that prints what the Cost stage shows of a plan, for a shell: "headroom cost --model-card llama-3-8b --context 8192 …".
/// `compute` says which the open model is. Empty where the plan's configuration lies in no file: a pasted one, or a capture's.
std::string plan_command(const CostPlan& plan, const Compute& compute);

}  // namespace headroom
