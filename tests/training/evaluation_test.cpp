// Network::evaluate and teach against the double reference.

#include <cmath>
#include <map>
#include <mutex>
#include <tuple>

#include "core/tensor/error.h"
#include "tests/training/stirred_network.h"

namespace headroom {
namespace {

// float32 through a few layers, against double.
constexpr double kLogitTolerance = 3e-5;
constexpr double kProbTolerance = 1e-5;

std::vector<LogitsAt> every_position(const Batch& batch) {
  std::vector<LogitsAt> at;
  for (std::int64_t row = 0; row < batch.n_rows; ++row) {
    for (std::int64_t i = 0; i < batch.seq; ++i)
      at.push_back({row, i});
  }
  return at;
}

TEST(Evaluation, LossesAndLogitsEqualTheReference) {
  for (test::Form form : test::forms()) {
    form.config.shape.max_positions = 80;
    for (const int threads : {1, 2, 3}) {
      test::Stirred stirred(form.config, threads);
      for (const std::int64_t seq : {1, 11, 70}) {
        const Batch batch = test::random_batch(form.config, {.n_rows = 4, .seq = seq, .source_seq = 13}, 3);
        const test::ReferenceRun reference = stirred.reference(batch);
        const std::vector<LogitsAt> at = every_position(batch);
        const Evaluation evaluation = stirred.network.evaluate(batch, {.logits_at = at});
        EXPECT_EQ(evaluation.n_targets, reference.n_targets);
        EXPECT_NEAR(evaluation.loss, reference.loss / static_cast<double>(reference.n_targets), 1e-5) << form.name;
        test::expect_near<double>(evaluation.losses, reference.losses, kLogitTolerance, form.name + ", losses");
        test::expect_near<double>(evaluation.logits, reference.logits, kLogitTolerance, form.name + ", logits");
      }
    }
  }
}

TEST(Evaluation, LogitsComeInTheOrderAskedFor) {
  test::Stirred stirred(test::form("qwen2"), 2);
  const Batch batch = test::random_batch(test::form("qwen2"), {.n_rows = 3, .seq = 6}, 3);
  const test::ReferenceRun reference = stirred.reference(batch);
  const std::vector<LogitsAt> at{{2, 0}, {0, 5}, {2, 0}, {1, 3}};
  std::vector<double> expected;
  for (const LogitsAt& one : at) {
    const auto begin = reference.logits.begin() + (one.row * batch.seq + one.position) * 37;
    expected.insert(expected.end(), begin, begin + 37);
  }
  test::expect_near<double>(stirred.network.evaluate(batch, {.logits_at = at}).logits, expected, kLogitTolerance, "logits");
}

TEST(Evaluation, EveryHeadOfEveryRowIsSeenOnceWithItsProbabilities) {
  for (test::Form form : test::forms()) {
    form.config.shape.max_positions = 80;
    for (const std::int64_t seq : {5, 37}) {
      test::Stirred stirred(form.config, 2);
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
    test::Stirred stirred(form.config, 2);
    const Batch batch = test::random_batch(form.config, {}, 3);
    const std::vector<LogitsAt> at = every_position(batch);
    const std::vector<HeadRef> first{{0, 0}}, both{{0, 0}, {0, 1}}, second{{0, 1}};
    const auto expect = [&](const std::vector<HeadRef>& request, const std::vector<HeadRef>& expected) {
      const Evaluation evaluation = stirred.network.evaluate(batch, {.logits_at = at, .off = request});
      test::expect_near<double>(evaluation.logits, stirred.reference(batch, expected).logits, kLogitTolerance, form.name);
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
  test::Stirred stirred(test::form("qwen2"), 2);
  std::stop_source source;
  source.request_stop();
  const Batch batch = test::random_batch(test::form("qwen2"), {.n_rows = 8}, 3);
  EXPECT_THROW(stirred.network.evaluate(batch, {.stop = source.get_token()}), Cancelled);
  EXPECT_NO_THROW(stirred.network.evaluate(batch));
}

TEST(Evaluation, LeavesGradientsAlone) {
  test::Stirred stirred(test::form("bart"), 2);
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
    test::Stirred stirred(form.config, 2);
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

}  // namespace
}  // namespace headroom
