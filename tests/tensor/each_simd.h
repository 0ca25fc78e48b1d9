#pragma once

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <set>
#include <string>

#include "core/tensor/machine.h"

namespace headroom {

/// Runs `body` with each instruction set that this machine has, then gives all of them back.
template <typename Body>
void for_each_simd(const Body& body) {
  const std::int64_t targets = hwy::SupportedTargets();
  std::set<std::string> names;  // sets that are not compiled in fall back to the plainest one; once is enough
  for (std::int64_t rest = targets; rest != 0; rest &= rest - 1) {
    hwy::SetSupportedTargetsForTest(rest & -rest);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    if (!names.insert(simd_name()).second) continue;
    SCOPED_TRACE(simd_name());
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace headroom
