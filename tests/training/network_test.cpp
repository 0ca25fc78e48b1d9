#include "core/training/network.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <tuple>

#include "core/tensor/error.h"
#include "tests/training/forms.h"
#include "tests/training/reference_network.h"

namespace headroom {
namespace {

constexpr double kLogitTolerance = 3e-5;
constexpr double kProbTolerance = 1e-5;

/// A network with stirred parameters, and the same in double.
struct Stirred {
  Stirred(const ModelConfig& config, int threads) : pool(threads), network(config, pool) {
    std::ranges::copy(test::stirred_parameters(network.layout(), 11), network.parameters().begin());
    network.parameters_changed();
    parameters = test::in_double(network.parameters());
  }
  test::ReferenceRun reference(const Batch& batch, const std::vector<HeadRef>& off = {}) const {
    return test::run_reference(network.layout(), parameters, batch, {.heads_off = off, .keep = test::ReferenceOptions::Keep::kAll});
  }
  ThreadPool pool;
  Network network;
  std::vector<double> parameters;
};

std::vector<LogitsAt> every_position(const Batch& batch) {
  std::vector<LogitsAt> at;
  for (std::int64_t row = 0; row < batch.n_rows; ++row) {
    for (std::int64_t i = 0; i < batch.seq; ++i)
      at.push_back({row, i});
  }
  return at;
}

template <typename Expected>
void expect_near(std::span<const float> got, const std::vector<Expected>& expected, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(static_cast<double>(got[i]), static_cast<double>(expected[i]), tolerance) << what << ", element " << i;
}

TEST(Evaluation, LossesAndLogitsEqualTheReference) {
  for (test::Form form : test::forms()) {
    form.config.shape.max_positions = 80;
    for (const int threads : {1, 2, 3}) {
      Stirred stirred(form.config, threads);
      for (const std::int64_t seq : {1, 11, 70}) {
        const Batch batch = test::random_batch(form.config, {.n_rows = 4, .seq = seq, .source_seq = 13}, 3);
        const test::ReferenceRun reference = stirred.reference(batch);
        const std::vector<LogitsAt> at = every_position(batch);
        const Evaluation evaluation = stirred.network.evaluate(batch, {.logits_at = at});
        EXPECT_EQ(evaluation.n_targets, reference.n_targets);
        EXPECT_NEAR(evaluation.loss, reference.loss / static_cast<double>(reference.n_targets), 1e-5) << form.name;
        expect_near<double>(evaluation.losses, reference.losses, kLogitTolerance, form.name + ", losses");
        expect_near<double>(evaluation.logits, reference.logits, kLogitTolerance, form.name + ", logits");
      }
    }
  }
}

TEST(Evaluation, LogitsComeInTheOrderAskedFor) {
  Stirred stirred(test::form("qwen2"), 2);
  const Batch batch = test::random_batch(test::form("qwen2"), {.n_rows = 3, .seq = 6}, 3);
  const test::ReferenceRun reference = stirred.reference(batch);
  const std::vector<LogitsAt> at{{2, 0}, {0, 5}, {2, 0}, {1, 3}};
  std::vector<double> expected;
  for (const LogitsAt& one : at) {
    const auto begin = reference.logits.begin() + (one.row * batch.seq + one.position) * 37;
    expected.insert(expected.end(), begin, begin + 37);
  }
  expect_near<double>(stirred.network.evaluate(batch, {.logits_at = at}).logits, expected, kLogitTolerance, "logits");
}

TEST(Evaluation, EveryHeadOfEveryRowIsSeenOnceWithItsProbabilities) {
  for (test::Form form : test::forms()) {
    form.config.shape.max_positions = 80;
    for (const std::int64_t seq : {5, 37}) {
      Stirred stirred(form.config, 2);
      const Batch batch = test::random_batch(form.config, {.n_rows = 3, .seq = seq, .source_seq = 19}, 3);
      using Key = std::tuple<AttentionStack, std::int64_t, std::int64_t, std::int64_t>;
      std::map<Key, std::vector<float>> seen;
      std::map<Key, std::pair<std::int64_t, std::int64_t>> sizes;
      std::mutex mutex;
      const auto look = [&](const AttentionPicture& picture) {
        std::vector<float> probs;
        for (std::int64_t i = 0; i < picture.n_queries; ++i) {
          for (std::int64_t j = 0; j < picture.n_keys; ++j)
            probs.push_back(picture.at(i, j));
        }
        const std::scoped_lock lock(mutex);
        const Key key{picture.stack, picture.layer, picture.head, picture.row};
        EXPECT_FALSE(seen.contains(key)) << form.name << " shows a head twice";
        seen[key] = probs;
        sizes[key] = {picture.n_queries, picture.n_keys};
      };
      stirred.network.evaluate(batch, {.on_attention = look});
      const test::ReferenceRun reference = stirred.reference(batch);
      EXPECT_EQ(seen.size(), reference.pictures.size()) << form.name;
      for (const test::ReferencePicture& picture : reference.pictures) {
        const Key key{picture.stack, picture.layer, picture.head, picture.row};
        ASSERT_TRUE(seen.contains(key)) << form.name;
        // Padding of a source may be left out; nothing else.
        const std::int64_t length =
            picture.stack == AttentionStack::kSelf ? seq : batch.source_lengths.at(static_cast<std::size_t>(picture.row));
        const auto [n_queries, n_keys] = sizes[key];
        ASSERT_GE(n_keys, length);
        ASSERT_LE(n_keys, picture.n_keys);
        const std::int64_t real_queries = picture.stack == AttentionStack::kEncoder ? length : seq;
        ASSERT_GE(n_queries, real_queries);
        for (std::int64_t i = 0; i < real_queries; ++i) {
          for (std::int64_t j = 0; j < n_keys; ++j) {
            ASSERT_NEAR(static_cast<double>(seen[key][static_cast<std::size_t>(i * n_keys + j)]),
                        picture.probs[static_cast<std::size_t>(i * picture.n_keys + j)], kProbTolerance)
                << form.name << ", layer " << picture.layer << ", head " << picture.head << ", row " << picture.row << ", " << i
                << ", " << j;
          }
        }
      }
    }
  }
}

TEST(Evaluation, TheStrongestKeyIsTheFirstOfTheLargest) {
  // Two queries, four keys, three floats between keys.
  const std::vector<float> probs{0.1F, 0.3F, 9, 0.4F, 0.3F, 9, 0.4F, 0.2F, 9, 0.1F, 0.2F, 9};
  const AttentionPicture picture{.n_queries = 2, .n_keys = 4, .probs = probs.data(), .key_stride = 3};
  EXPECT_EQ(picture.strongest_key(0), 1);
  EXPECT_EQ(picture.strongest_key(1), 0);
}

TEST(Evaluation, HeadsOffAddNothing) {
  for (const test::Form& form : test::forms()) {
    Stirred stirred(form.config, 2);
    const Batch batch = test::random_batch(form.config, {}, 3);
    const std::vector<LogitsAt> at = every_position(batch);
    const std::vector<HeadRef> first{{0, 0}}, both{{0, 0}, {0, 1}}, second{{0, 1}};
    const auto expect = [&](const std::vector<HeadRef>& request, const std::vector<HeadRef>& expected) {
      const Evaluation evaluation = stirred.network.evaluate(batch, {.logits_at = at, .off = request});
      expect_near<double>(evaluation.logits, stirred.reference(batch, expected).logits, kLogitTolerance, form.name);
    };
    expect(first, first);
    expect({}, {});
    stirred.network.set_heads_off(second);
    expect(first, both);
    expect({}, second);
    stirred.network.set_heads_off({});
    expect({}, {});
  }
}

TEST(Evaluation, StopsWhenAsked) {
  Stirred stirred(test::form("qwen2"), 2);
  std::stop_source source;
  source.request_stop();
  const Batch batch = test::random_batch(test::form("qwen2"), {.n_rows = 8}, 3);
  EXPECT_THROW(stirred.network.evaluate(batch, {.stop = source.get_token()}), Cancelled);
  EXPECT_NO_THROW(stirred.network.evaluate(batch));
}

TEST(Evaluation, LeavesGradientsAlone) {
  Stirred stirred(test::form("bart"), 2);
  const Batch batch = test::random_batch(test::form("bart"), {}, 3),
              other = test::random_batch(test::form("bart"), {.n_rows = 2}, 4);
  stirred.network.accumulate(batch, {});
  const std::vector<float> before(stirred.network.gradients().begin(), stirred.network.gradients().end());
  stirred.network.evaluate(other);
  stirred.network.teach(other, 2);
  EXPECT_TRUE(std::ranges::equal(before, stirred.network.gradients()));
}

TEST(Teaching, IsTheSoftmaxAtATemperature) {
  for (const test::Form& form : test::forms()) {
    Stirred stirred(form.config, 2);
    const Batch batch = test::random_batch(form.config, {}, 3);
    const test::ReferenceRun reference = stirred.reference(batch);
    for (const double temperature : {1.0, 2.5}) {
      const std::vector<float> probs = stirred.network.teach(batch, static_cast<float>(temperature));
      ASSERT_EQ(probs.size(), reference.logits.size());
      for (std::int64_t token = 0; token < batch.n_tokens(); ++token) {
        double sum = 0;
        for (std::int64_t w = 0; w < 37; ++w)
          sum += std::exp(reference.logits[static_cast<std::size_t>(token * 37 + w)] / temperature);
        for (std::int64_t w = 0; w < 37; ++w) {
          const auto i = static_cast<std::size_t>(token * 37 + w);
          ASSERT_NEAR(static_cast<double>(probs[i]), std::exp(reference.logits[i] / temperature) / sum, kProbTolerance)
              << form.name;
        }
      }
    }
  }
}

std::vector<float> gradients_of(Network& network, const Batch& batch, const Network::Accumulation& how = {}) {
  network.accumulate(batch, how);
  return {network.gradients().begin(), network.gradients().end()};
}

// Bit for bit: also after other batches have left their activations in the buffers.
TEST(Accumulation, TheSameThreadsGiveTheSameBits) {
  for (const test::Form& form : test::forms()) {
    const Batch batch = test::random_batch(form.config, {.n_rows = 7, .seq = 13}, 3);
    for (const int threads : {1, 2, 3}) {
      Stirred one(form.config, threads), two(form.config, threads);
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
    Stirred one(form.config, 1);
    const std::vector<float> expected = gradients_of(one.network, batch);
    for (const int threads : {2, 3, 8, 11}) {
      Stirred many(form.config, threads);
      expect_near(gradients_of(many.network, batch), expected, 3e-6 * static_cast<double>(largest(expected)), form.name);
    }
  }
}

TEST(Accumulation, BatchesAddUp) {
  for (const test::Form& form : test::forms()) {
    const Batch first = test::random_batch(form.config, {.n_rows = 2, .seq = 13}, 3);
    const Batch second = test::random_batch(form.config, {.n_rows = 5, .seq = 4, .source_seq = 3}, 4);
    Stirred stirred(form.config, 2);
    std::vector<float> expected = gradients_of(stirred.network, first);
    const std::vector<float> other = gradients_of(stirred.network, second, {.scale = 0.5F});
    for (std::size_t i = 0; i < expected.size(); ++i)
      expected[i] += other[i];
    stirred.network.accumulate(first, {});
    const std::vector<float> sum = gradients_of(stirred.network, second, {.scale = 0.5F, .first = false});
    expect_near(sum, expected, 3e-6 * static_cast<double>(largest(expected)), form.name);
  }
}

TEST(Accumulation, TheScaleMultipliesTheGradientAlone) {
  Stirred stirred(test::form("bert"), 2);
  const Batch batch = test::random_batch(test::form("bert"), {}, 3);
  std::vector<float> expected = gradients_of(stirred.network, batch);
  const double sum = stirred.network.accumulate(batch, {}).sum;
  for (float& value : expected)
    value *= 0.125F;
  expect_near(gradients_of(stirred.network, batch, {.scale = 0.125F}), expected, 1e-6 * static_cast<double>(largest(expected)),
              "scaled");
  EXPECT_EQ(stirred.network.accumulate(batch, {.scale = 0.125F}).sum, sum);
}

TEST(Accumulation, WithoutTargetsNothingIsLearned) {
  for (const test::Form& form : test::forms()) {
    Stirred stirred(form.config, 2);
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
  Stirred stirred(test::form("gpt2"), 2);
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
    Stirred stirred(form.config, 2);
    stirred.network.parameters()[static_cast<std::size_t>(stirred.network.layout().slot("layers.0.w_q").offset)] =
        std::numeric_limits<float>::quiet_NaN();
    stirred.network.parameters_changed();
    EXPECT_FALSE(std::isfinite(stirred.network.accumulate(test::random_batch(form.config, {}, 3), {}).sum)) << form.name;
  }
}

TEST(Accumulation, ABatchThatDoesNotFitIsRefused) {
  const auto refuses = [](const std::string& form, const std::string& what, const auto& change) {
    Stirred stirred(test::form(form), 2);
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
  Stirred stirred(test::form("gpt2"), 2);
  EXPECT_THROW(stirred.network.accumulate(test::random_batch(test::form("gpt2"), {.n_rows = 1, .seq = 33}, 3), {}), ShapeError)
      << "longer than the positions";
  Batch taught = test::random_batch(test::form("gpt2"), {}, 3);
  taught.teacher.resize(5);
  EXPECT_THROW(stirred.network.accumulate(taught, {}), ShapeError) << "a teacher of another size";
}

// Padding's ids must not matter.
TEST(Accumulation, PaddingOfASourceChangesNothing) {
  Stirred stirred(test::form("bart"), 2);
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
  const double pairs = 10 * 11 / 2;
  const double forward = 30 * 2 * weights + 3 * 2 * pairs * 4 * 30;
  EXPECT_NEAR(network.flops(batch), 3 * forward, 0.02 * 3 * forward);
}

}  // namespace
}  // namespace headroom
