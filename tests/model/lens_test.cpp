// The logit lens against a direct computation in double, and against what the model says itself.

#include "core/model/lens.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/tensor/error.h"
#include "tests/model/families.h"
#include "tests/model/models.h"

namespace headroom {
namespace {

const std::vector<std::int32_t> kIds = {1, 7, 3, 12, 0, 5};

/// softmax(W · norm(x)) in double, by the definition of each norm.
std::vector<double> direct_probabilities(const ModelParams& params, std::span<const float> stream) {
  const ModelConfig& config = params.config;
  std::vector<double> x(stream.begin(), stream.end());
  const auto n = static_cast<double>(x.size());
  double mean = 0, square = 0;
  if (config.norm == NormKind::kLayer)
    for (const double value : x)
      mean += value / n;
  for (const double value : x)
    square += (value - mean) * (value - mean) / n;
  for (std::size_t c = 0; c < x.size(); ++c) {
    const double gain = params.final_norm.data()[c];
    const double bias = params.final_norm_bias.empty() ? 0 : params.final_norm_bias.data()[c];
    x[c] = (x[c] - mean) / std::sqrt(square + static_cast<double>(config.rms_norm_eps)) * gain + bias;
  }
  std::vector<double> probabilities;
  double sum = 0;
  const Tensor& words = config.ties_embeddings ? params.embedding : params.lm_head;
  for (std::int64_t word = 0; word < config.shape.vocab_size; ++word) {
    double logit = 0;
    for (std::size_t c = 0; c < x.size(); ++c)
      logit += x[c] * static_cast<double>(words.row(word)[c]);
    probabilities.push_back(std::exp(logit));
    sum += probabilities.back();
  }
  for (double& probability : probabilities)
    probability /= sum;
  return probabilities;
}

TEST(LogitLens, IsTheNormAndTheHeadOnEachLayersStream) {
  for (const std::string family : {"qwen2", "llama", "gpt2"}) {
    SCOPED_TRACE(family);
    const ModelParams params = test::stirred_params(test::family_config(family), 5);
    test::CpuAttention attention("reference");
    const ForwardTrace trace = attention.pass(params, kIds, {});
    constexpr std::int64_t kPosition = 3;
    const LogitLens lens = logit_lens(params, trace, kPosition, 4, attention.pool);
    ASSERT_EQ(lens.layers.size(), 3u);
    EXPECT_EQ(lens.position, kPosition);
    const auto best = top_predictions(trace.logits, kPosition, 4);
    EXPECT_EQ(lens.answer, best.front().id);
    for (std::size_t layer = 0; layer < 3; ++layer) {
      const Tensor& stream = layer < 2 ? trace.layers[layer].input : trace.output;
      const std::vector<double> wanted = direct_probabilities(params, stream.row(kPosition));
      const LensLayer& at = lens.layers[layer];
      ASSERT_EQ(at.top.size(), 4u);
      for (const Prediction& word : at.top)
        EXPECT_NEAR(word.probability, wanted[static_cast<std::size_t>(word.id)], 1e-5);
      const double own = wanted[static_cast<std::size_t>(lens.answer)];
      EXPECT_NEAR(at.answer_probability, own, 1e-5);
      EXPECT_EQ(at.answer_rank, 1 + std::ranges::count_if(wanted, [&](double p) { return p > own; }));
    }
    for (std::size_t i = 0; i < best.size(); ++i) {
      EXPECT_EQ(lens.layers.back().top[i].id, best[i].id);
      EXPECT_NEAR(lens.layers.back().top[i].probability, best[i].probability, 1e-6) << "the last layer is the model itself";
    }
    EXPECT_EQ(lens.layers.back().answer_rank, 1);
  }
}

TEST(LogitLens, OfAMaskedModelGoesThroughItsHead) {
  const ModelParams params = test::stirred_params(test::family_config("bert"), 5);
  test::CpuAttention attention("flash");
  const ForwardTrace trace = attention.pass(params, kIds, {.direction = Direction::kBidirectional});
  const LogitLens lens = logit_lens(params, trace, 2, 13, attention.pool);
  const auto best = top_predictions(trace.logits, 2, 13);
  for (std::size_t i = 0; i < best.size(); ++i)
    EXPECT_NEAR(lens.layers.back().top[i].probability, best[i].probability, 1e-6);
}

TEST(LogitLens, SaysWhatItCannotDo) {
  const ModelParams params = test::stirred_params(test::family_config("gpt2"), 5);
  test::CpuAttention attention("flash");
  ForwardTrace trace = attention.pass(params, kIds, {});
  EXPECT_THROW(logit_lens(params, trace, 6, 3, attention.pool), ShapeError);
  EXPECT_THROW(logit_lens(params, trace, -1, 3, attention.pool), ShapeError);
  ModelParams silent = params;
  silent.config.predicts = false;
  EXPECT_THROW(logit_lens(silent, trace, 0, 3, attention.pool), ShapeError);
  trace.layers[1].input = Tensor();
  EXPECT_THROW(logit_lens(params, trace, 0, 3, attention.pool), ShapeError);
}

}  // namespace
}  // namespace headroom
