#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "core/training/network.h"
#include "tests/training/forms.h"
#include "tests/training/reference_network.h"

namespace headroom::test {

/// A network with stirred parameters, and the same in double.
struct Stirred {
  Stirred(const ModelConfig& config, int threads) : pool(threads), network(config, pool) {
    std::ranges::copy(stirred_parameters(network.layout(), 11), network.parameters().begin());
    network.parameters_changed();
    parameters = in_double(network.parameters());
  }
  ReferenceRun reference(const Batch& batch, const std::vector<HeadRef>& off = {}) const {
    return run_reference(network.layout(), parameters, batch, {.heads_off = off, .keep = ReferenceOptions::Keep::kAll});
  }
  ThreadPool pool;
  Network network;
  std::vector<double> parameters;
};

template <typename Expected>
void expect_near(std::span<const float> got, const std::vector<Expected>& expected, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(static_cast<double>(got[i]), static_cast<double>(expected[i]), tolerance) << what << ", element " << i;
}

}  // namespace headroom::test
