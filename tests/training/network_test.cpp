#include "core/training/network.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/tensor/error.h"
#include "tests/training/stirred_network.h"

namespace headroom {
namespace {

std::vector<float> gradients_of(Network& network, const Batch& batch, const Network::Accumulation& how = {}) {
  network.accumulate(batch, how);
  return {network.gradients().begin(), network.gradients().end()};
}

// Bit for bit: also after other batches have left their activations in the buffers.
TEST(Accumulation, TheSameThreadsGiveTheSameBits) {
  for (const test::Form& form : test::forms()) {
    const Batch batch = test::random_batch(form.config, {.n_rows = 7, .seq = 13}, 3);
    for (const int threads : {1, 2, 3}) {
      test::Stirred one(form.config, threads), two(form.config, threads);
      const std::vector<float> first = gradients_of(one.network, batch);
      for (const test::BatchSize size : {test::BatchSize{2, 20, 30}, {9, 3, 2}, {1, 1, 1}})
        two.network.accumulate(test::random_batch(form.config, size, 8), {});
      const std::vector<float> second = gradients_of(two.network, batch);
      EXPECT_EQ(std::memcmp(first.data(), second.data(), first.size() * sizeof(float)), 0)
          << form.name << ", " << threads << " threads";
      EXPECT_EQ(one.network.accumulate(batch, {}).sum, two.network.accumulate(batch, {}).sum);
    }
  }
}

float largest(std::span<const float> values) {
  float found = 0;
  for (const float value : values)
    found = std::max(found, std::abs(value));
  return found;
}

TEST(Accumulation, AnyNumberOfThreadsGivesTheSameGradients) {
  for (const test::Form& form : test::forms()) {
    const Batch batch = test::random_batch(form.config, {.n_rows = 7, .seq = 13}, 3);
    test::Stirred one(form.config, 1);
    const std::vector<float> expected = gradients_of(one.network, batch);
    for (const int threads : {2, 3, 8, 11}) {
      test::Stirred many(form.config, threads);
      test::expect_near(gradients_of(many.network, batch), expected, 3e-6 * static_cast<double>(largest(expected)), form.name);
    }
  }
}

TEST(Accumulation, BatchesAddUp) {
  for (const test::Form& form : test::forms()) {
    const Batch first = test::random_batch(form.config, {.n_rows = 2, .seq = 13}, 3);
    const Batch second = test::random_batch(form.config, {.n_rows = 5, .seq = 4, .source_seq = 3}, 4);
    test::Stirred stirred(form.config, 2);
    std::vector<float> expected = gradients_of(stirred.network, first);
    const std::vector<float> other = gradients_of(stirred.network, second, {.scale = 0.5F});
    for (std::size_t i = 0; i < expected.size(); ++i)
      expected[i] += other[i];
    stirred.network.accumulate(first, {});
    const std::vector<float> sum = gradients_of(stirred.network, second, {.scale = 0.5F, .first = false});
    test::expect_near(sum, expected, 3e-6 * static_cast<double>(largest(expected)), form.name);
  }
}

TEST(Accumulation, TheScaleMultipliesTheGradientAlone) {
  test::Stirred stirred(test::form("bert"), 2);
  const Batch batch = test::random_batch(test::form("bert"), {}, 3);
  std::vector<float> expected = gradients_of(stirred.network, batch);
  const double sum = stirred.network.accumulate(batch, {}).sum;
  for (float& value : expected)
    value *= 0.125F;
  test::expect_near(gradients_of(stirred.network, batch, {.scale = 0.125F}), expected,
                    1e-6 * static_cast<double>(largest(expected)), "scaled");
  EXPECT_EQ(stirred.network.accumulate(batch, {.scale = 0.125F}).sum, sum);
}

TEST(Accumulation, WithoutTargetsNothingIsLearned) {
  for (const test::Form& form : test::forms()) {
    test::Stirred stirred(form.config, 2);
    Batch batch = test::random_batch(form.config, {}, 3);
    std::ranges::fill(batch.targets, kIgnored);
    const Network::Loss loss = stirred.network.accumulate(batch, {});
    EXPECT_EQ(loss.sum, 0) << form.name;
    EXPECT_EQ(loss.n_targets, 0) << form.name;
    EXPECT_EQ(largest(stirred.network.gradients()), 0) << form.name;
    const Evaluation evaluation = stirred.network.evaluate(batch);
    EXPECT_EQ(evaluation.n_targets, 0);
    EXPECT_FALSE(std::isnan(evaluation.loss)) << "no target: a loss of 0";
  }
}

TEST(Accumulation, ReadsParametersAnewAfterTheyChanged) {
  test::Stirred stirred(test::form("gpt2"), 2);
  const Batch batch = test::random_batch(test::form("gpt2"), {}, 3);
  const double before = stirred.network.accumulate(batch, {}).sum;
  for (float& value : stirred.network.parameters())
    value *= 0.9F;
  stirred.network.parameters_changed();
  const std::vector<double> changed = test::in_double(stirred.network.parameters());
  const double expected = test::run_reference(stirred.network.layout(), changed, batch).loss;
  EXPECT_NEAR(stirred.network.accumulate(batch, {}).sum, expected, 1e-5 * expected);
  EXPECT_GT(std::abs(before - expected), 1e-2);
}

// A divergence must come out as a loss that is not finite, not as a crash or a number.
TEST(Accumulation, ParametersThatAreNotFiniteGiveALossThatIsNot) {
  for (const test::Form& form : test::forms()) {
    test::Stirred stirred(form.config, 2);
    stirred.network.parameters()[static_cast<std::size_t>(stirred.network.layout().slot("layers.0.w_q").offset)] =
        std::numeric_limits<float>::quiet_NaN();
    stirred.network.parameters_changed();
    EXPECT_FALSE(std::isfinite(stirred.network.accumulate(test::random_batch(form.config, {}, 3), {}).sum)) << form.name;
  }
}

TEST(Accumulation, ABatchThatDoesNotFitIsRefused) {
  const auto refuses = [](const std::string& form, const std::string& what, const auto& change) {
    test::Stirred stirred(test::form(form), 2);
    Batch batch = test::random_batch(test::form(form), {}, 3);
    change(batch);
    EXPECT_THROW(stirred.network.accumulate(batch, {}), Error) << what;
    EXPECT_THROW(stirred.network.evaluate(batch), Error) << what;
  };
  refuses("qwen2", "an id above the vocabulary", [](Batch& b) { b.inputs[4] = 37; });
  refuses("qwen2", "a negative id", [](Batch& b) { b.inputs[4] = -1; });
  refuses("qwen2", "a target above the vocabulary", [](Batch& b) { b.targets[4] = 37; });
  refuses("qwen2", "inputs missing", [](Batch& b) { b.inputs.pop_back(); });
  refuses("qwen2", "targets missing", [](Batch& b) { b.targets.pop_back(); });
  refuses("qwen2", "no rows", [](Batch& b) { b = Batch{}; });
  refuses("bart", "no source", [](Batch& b) { b.source_seq = 0, b.sources.clear(), b.source_lengths.clear(); });
  refuses("bart", "sources missing", [](Batch& b) { b.sources.pop_back(); });
  refuses("bart", "an empty source", [](Batch& b) { b.source_lengths[1] = 0; });
  refuses("bart", "a source longer than its row", [](Batch& b) { b.source_lengths[1] = 8; });
  refuses("bart", "an id of a source above the vocabulary", [](Batch& b) { b.sources[0] = 99; });
  test::Stirred stirred(test::form("gpt2"), 2);
  EXPECT_THROW(stirred.network.accumulate(test::random_batch(test::form("gpt2"), {.n_rows = 1, .seq = 33}, 3), {}), ShapeError)
      << "longer than the positions";
  Batch taught = test::random_batch(test::form("gpt2"), {}, 3);
  taught.teacher.resize(5);
  EXPECT_THROW(stirred.network.accumulate(taught, {}), ShapeError) << "a teacher of another size";
}

// Padding's ids must not matter.
TEST(Accumulation, PaddingOfASourceChangesNothing) {
  test::Stirred stirred(test::form("bart"), 2);
  Batch batch = test::random_batch(test::form("bart"), {.n_rows = 3, .seq = 6, .source_seq = 9}, 3);
  const std::vector<float> expected = gradients_of(stirred.network, batch);
  for (std::int64_t row = 0; row < 3; ++row) {
    for (std::int64_t i = batch.source_lengths[static_cast<std::size_t>(row)]; i < 9; ++i)
      batch.sources[static_cast<std::size_t>(row * 9 + i)] = 5;
  }
  EXPECT_EQ(gradients_of(stirred.network, batch), expected);
}

TEST(Work, CountsProductsAndVisiblePairs) {
  ModelConfig config = test::form("qwen2");
  ThreadPool pool(1);
  Network network(config, pool);
  const Batch batch = test::random_batch(config, {.n_rows = 3, .seq = 10}, 3);
  const double weights = 37 * 24 + 2 * (24 * 30 + 2 * 24 * 10 + 30 * 24 + 3 * 24 * 20);
  const double pairs = 55;  // of a row of ten
  const double forward = 30 * 2 * weights + 3 * 2 * pairs * 4 * 30;
  EXPECT_DOUBLE_EQ(network.flops(batch), 3 * forward);
}

}  // namespace
}  // namespace headroom
