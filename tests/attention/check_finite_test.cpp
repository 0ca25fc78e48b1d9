#include "core/attention/check_finite.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tests/attention/conformance.h"

namespace headroom {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

conformance::Case small_case(KvStorage storage) {
  conformance::Case c = conformance::make_case("", {4, 2, 3, 5, 6});
  c.config.batch = 2;
  c.config.kv_storage = storage;
  c.layout = conformance::Layout::kPadded;
  return c;
}

std::string found_text(const conformance::Problem& problem, KvStorage storage = KvStorage::kFloat32) {
  const auto found = find_non_finite(problem.inputs, storage);
  return found ? non_finite_text(*found) : "";
}

TEST(FindNonFinite, NamesTensorHeadRowAndCoordinate) {
  conformance::Problem problem(small_case(KvStorage::kFloat32));
  EXPECT_EQ(found_text(problem), "");
  const auto set = [](std::vector<float>& memory, const float* element, float value) {
    memory[static_cast<std::size_t>(element - memory.data())] = value;
  };
  set(problem.v_memory, problem.inputs.v.row(1, 1, 4) + 5, -kInfinity);
  EXPECT_EQ(found_text(problem), "v of head 1 of batch entry 1 is minus infinity at row 4, coordinate 5 (all counted from 0)");
  set(problem.k_memory, problem.inputs.k.row(1, 0, 2) + 1, kInfinity);
  EXPECT_EQ(found_text(problem), "k of head 0 of batch entry 1 is infinite at row 2, coordinate 1 (all counted from 0)");
  set(problem.q_memory, problem.inputs.q.row(0, 3, 2) + 0, kNan);
  EXPECT_EQ(found_text(problem), "q of head 3 is NaN at row 2, coordinate 0 (all counted from 0)");
}

TEST(FindNonFinite, LooksAtTheStoredKeysAndLeavesOutGapsAndMissingTensors) {
  for (const KvStorage storage : {KvStorage::kFloat16, KvStorage::kBFloat16}) {
    const conformance::Case c = small_case(storage);
    conformance::Case wide = c;
    wide.config.kv_storage = KvStorage::kFloat32;
    conformance::Problem problem(wide);
    problem.k_memory[static_cast<std::size_t>(problem.inputs.k.row(0, 1, 3) + 2 - problem.k_memory.data())] = 1e30F;
    problem.v_memory[static_cast<std::size_t>(problem.inputs.v.row(0, 0, 0) + 6 - problem.v_memory.data())] =
        kNan;  // between two rows
    problem.store(c);
    EXPECT_EQ(found_text(problem, storage),
              storage == KvStorage::kFloat16 ? "k of head 1 is infinite at row 3, coordinate 2 (all counted from 0)" : "");
  }
  EXPECT_FALSE(find_non_finite({}).has_value());
}

}  // namespace
}  // namespace headroom
