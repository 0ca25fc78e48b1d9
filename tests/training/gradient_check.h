#pragma once

#include <string>
#include <vector>

#include "core/training/network.h"

namespace headroom::test {

struct GradientCase {
  std::string name;
  ModelConfig config;
  Batch batch;
  int threads = 1;
  std::vector<HeadRef> heads_off = {};
  Distillation distillation = {};
  /// Elements of each slot that are checked one by one, spread over it; beside them a random direction through all of it.
  int elements_per_slot = 3;
};

/// The loss and every slot's gradient of Network::accumulate against the double reference and its central differences.
void expect_gradients(const GradientCase& c);

}  // namespace headroom::test
