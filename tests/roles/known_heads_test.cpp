#include <algorithm>

#include "core/roles/probe_set.h"
#include "core/roles/report.h"
#include "tests/roles/fake_corpus.h"

namespace headroom {
namespace {

constexpr std::int64_t kLength = 24;
constexpr ProbeOptions kSmall{.rows = 12, .length = kLength, .random_rows = 6, .most_choices = 1000, .wanted_cases = 0, .seed = 3};

/// One layer that knows nothing but places: position p is the p-th unit vector. Head 0 asks for the place before, head 1 for the
/// first place, head 2 for all alike.
ModelConfig places_config(ModelKind kind) {
  ModelConfig config = test::form(kind == ModelKind::kMasked ? "bert" : "gpt2");
  config.shape = {1, 3 * kLength, 3, 3, kLength, 0, test::FakeCorpus::kVocabulary, kLength};
  return config;
}

class Places {
 public:
  explicit Places(ModelKind kind, std::int64_t step = 1) : pool_(2), network(places_config(kind), pool_) {
    std::ranges::fill(network.parameters(), 0.0F);
    for (const ParameterSlot& slot : network.layout().slots())
      if (slot.name.ends_with("norm")) std::ranges::fill(of(slot.name), 1.0F);
    for (std::int64_t p = 0; p < kLength; ++p) {
      set("positions", p, p, 100);
      for (std::int64_t head = 0; head < 3; ++head)
        set("layers.0.w_k", head * kLength + p, p, 5);
      if (p >= step && p - step < kLength) set("layers.0.w_q", p - step, p, 5);  // head 0
      set("layers.0.w_q", kLength, p, 5);                                        // head 1
    }
    network.parameters_changed();
  }

 private:
  ThreadPool pool_;

 public:
  Network network;

 private:
  std::span<float> of(const std::string& name) {
    const ParameterSlot& slot = network.layout().slot(name);
    return network.parameters().subspan(static_cast<std::size_t>(slot.offset), static_cast<std::size_t>(slot.size()));
  }
  void set(const std::string& name, std::int64_t row, std::int64_t col, float value) {
    of(name)[static_cast<std::size_t>(row * network.layout().slot(name).cols + col)] = value;
  }
};

TEST(KnownHeads, PreviousAndFirstTokenHeadsAreNamedAndNoOthers) {
  for (const ModelKind kind : {ModelKind::kCausal, ModelKind::kMasked}) {
    Places places(kind);
    const HeadReport report = measure_roles(places.network, RoleProbes(test::FakeCorpus(), kind, kSmall));
    const RoleScore &previous = *report.role("previous"), &first = *report.role("first");
    EXPECT_NEAR(previous.score, 1, 1e-3);
    EXPECT_EQ(previous.head, (HeadRef{0, 0}));
    EXPECT_TRUE(previous.names_head());
    EXPECT_NEAR(first.score, 1, 1e-3);
    EXPECT_EQ(first.head, (HeadRef{0, 1}));
    EXPECT_TRUE(first.names_head());
    // The even head gives what chance gives.
    EXPECT_NEAR(static_cast<double>(previous.of({0, 2})), previous.chance, 1e-3);
    EXPECT_NEAR(static_cast<double>(first.of({0, 2})), first.chance, 1e-3);
    EXPECT_EQ(std::ranges::count_if(report.roles, &RoleScore::names_head), 2) << "a place alone names nothing else";
  }
}

TEST(KnownHeads, AHeadThatAlwaysLooksAsFarReachesTheBaselineAndIsNoInductionHead) {
  const RoleProbes probes(test::FakeCorpus(), ModelKind::kCausal, kSmall);
  Places near(ModelKind::kCausal);
  const RoleScore induction = *measure_roles(near.network, probes).role("induction");
  ASSERT_GT(induction.baseline, 0.1);
  ASSERT_LT(induction.baseline, 0.5);
  Places far(ModelKind::kCausal, induction.offset);
  const RoleScore reached = *measure_roles(far.network, probes).role("induction");
  EXPECT_NEAR(static_cast<double>(reached.of({0, 0})), induction.baseline, 0.02);
  EXPECT_FALSE(reached.names_head());
}

}  // namespace
}  // namespace headroom
