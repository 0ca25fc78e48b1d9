#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <tuple>

#include "core/model/surgery.h"
#include "tests/model/models.h"

namespace headroom {
namespace {

using test::CpuAttention;
using test::GoldenText;
using test::largest_error;

// The bundled models against PyTorch in double.
constexpr double kLogitsTolerance = 1e-3;
constexpr double kProbsTolerance = 1e-4;

const LoadedModel& load(const std::string& name) {
  static std::map<std::string, LoadedModel> loaded;
  if (!loaded.contains(name)) loaded.emplace(name, load_model_folder(test::asset("models/" + name)));
  return loaded.at(name);
}

double logits_error(const ModelParams& params, const std::string& name, CpuAttention& attention) {
  double largest = 0;
  for (const GoldenText& golden : test::read_golden(name)) {
    largest = std::max(largest, largest_error(attention.pass(params, golden.ids).logits.span(), golden.logits.span()));
  }
  return largest;
}

/// The probabilities that the naive backend writes down while it computes, from the q, k, v of a layer's trace.
std::vector<float> materialised_probs(const LayerTrace& layer, std::int64_t n_kv_heads, const Mask& mask, ThreadPool& pool) {
  const std::int64_t seq = layer.attention.q.dim(0);
  AttentionConfig config;
  config.n_heads = std::ssize(layer.heads);
  config.n_kv_heads = n_kv_heads;
  config.d_head = layer.d_head;
  config.seq_q = config.seq_k = seq;
  config.mask = mask;
  config.kv_head_of = layer.kv_head_of;
  Tensor out({seq, config.n_heads * config.d_head});
  std::vector<float> logsumexp(static_cast<std::size_t>(config.n_heads * seq));
  std::vector<float> probs(static_cast<std::size_t>(config.n_heads * seq * seq));
  const auto view = [&](const Tensor& t, std::int64_t n) { return ConstHeadsView::interleaved(t.data(), 1, n, seq, layer.d_head); };
  make_naive_backend(pool)->run(
      config, {view(layer.attention.q, config.n_heads), view(layer.attention.k, n_kv_heads), view(layer.attention.v, n_kv_heads)},
      {HeadsView::interleaved(out.data(), 1, config.n_heads, seq, layer.d_head), logsumexp, probs});
  // Two backends in float32, values up to about 5.
  EXPECT_LT(largest_error(out.span(), layer.attention.head_out.span()), 1e-4);
  return probs;
}

class Golden : public testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(Golden, LogitsAndMaterialisedProbsAgreeWithPyTorch) {
  const auto& [name, backend] = GetParam();
  const ModelParams& params = load(name).params;
  const std::vector<GoldenText> texts = test::read_golden(name);
  ASSERT_EQ(texts.size(), 4u);
  CpuAttention attention(backend);
  double probs_error = 0;
  for (const GoldenText& golden : texts) {
    const ForwardTrace trace = attention.pass(params, golden.ids);
    EXPECT_LT(largest_error(trace.logits.span(), golden.logits.span()), kLogitsTolerance) << golden.text;
    ASSERT_EQ(trace.layers.size(), 4u);
    const std::size_t layer_size = static_cast<std::size_t>(golden.probs.size()) / 4;
    for (std::size_t l = 0; l < 4; ++l) {
      const std::vector<float> probs =
          materialised_probs(trace.layers[l], params.config.shape.n_kv_heads, trace.mask, attention.pool);
      const double error = largest_error(probs, golden.probs.span().subspan(l * layer_size, layer_size));
      EXPECT_LT(error, kProbsTolerance) << golden.text << ", layer " << l;
      probs_error = std::max(probs_error, error);
    }
  }
  std::printf("%s, %s: largest error of logits %.2g, of probs %.2g\n", name.c_str(), backend.c_str(),
              logits_error(params, name, attention), probs_error);
}

INSTANTIATE_TEST_SUITE_P(Models, Golden,
                         testing::Combine(testing::Values("grammar-base", "grammar-gqa"),
                                          testing::Values("reference", "naive", "flash")),
                         [](const auto& test_info) {
                           std::string name = std::get<0>(test_info.param) + "_" + std::get<1>(test_info.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(GoldenText, IsWhatTheTokenizerMakesOfIt) {
  for (const char* name : {"grammar-base", "grammar-gqa"}) {
    for (const GoldenText& golden : test::read_golden(name)) {
      std::vector<std::int32_t> ids;
      for (const Token& token : load(name).tokenizer->encode(golden.text, 1000).tokens)
        ids.push_back(token.id);
      EXPECT_EQ(ids, golden.ids) << golden.text;
    }
  }
}

// ---- what must fail: each plausible mistake is far outside the tolerance ----

class GoldenTwin : public testing::TestWithParam<std::string> {
 protected:
  ModelParams params_ = load(GetParam()).params;
  double error() {
    CpuAttention attention;
    return logits_error(params_, GetParam(), attention);
  }
};

/// Neighbours (2c, 2c + 1) turned together instead of halves (c, c + d / 2): the same as permuting the rows of W_Q and W_K.
void pair_neighbours(Tensor& tensor, std::int64_t d_head) {
  const Tensor before = tensor;
  const std::int64_t cols = tensor.size() / tensor.dim(0);
  for (std::int64_t row = 0; row < tensor.dim(0); ++row) {
    const std::int64_t first = row / d_head * d_head, c = row % d_head, half = d_head / 2;
    const std::int64_t from = first + (c < half ? 2 * c : 2 * (c - half) + 1);
    std::copy_n(before.data() + from * cols, cols, tensor.data() + row * cols);
  }
}

TEST_P(GoldenTwin, FailsWithTheOtherRotaryPairing) {
  for (LayerParams& layer : params_.layers) {
    for (Tensor* tensor : {&layer.w_q, &layer.b_q, &layer.w_k, &layer.b_k})
      pair_neighbours(*tensor, params_.config.shape.d_head);
  }
  EXPECT_GT(error(), 100 * kLogitsTolerance);
}

TEST_P(GoldenTwin, FailsWithTheta10000) {
  params_.config.rope_theta = 10000;
  EXPECT_GT(error(), 100 * kLogitsTolerance);
}

TEST_P(GoldenTwin, FailsWithoutBiases) {
  for (auto bias : {&LayerParams::b_q, &LayerParams::b_k, &LayerParams::b_v}) {
    params_ = load(GetParam()).params;
    for (LayerParams& layer : params_.layers)
      layer.*bias = Tensor();
    // A bias of k adds the same to every score of a row but for the rotation, so it is the mildest.
    EXPECT_GT(error(), 10 * kLogitsTolerance);
  }
}

TEST_P(GoldenTwin, FailsWithAnotherNormEpsilonOrGain) {
  params_.config.rms_norm_eps = 1e-2f;
  EXPECT_GT(error(), 10 * kLogitsTolerance);
  params_ = load(GetParam()).params;
  std::swap(params_.layers[1].attention_norm, params_.layers[1].mlp_norm);
  EXPECT_GT(error(), 10 * kLogitsTolerance);
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenTwin, testing::Values("grammar-base", "grammar-gqa"), [](const auto& test_info) {
  std::string name = test_info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(GoldenTwinOfGqa, FailsWithKvHeadsByRemainder) {
  ModelParams params = load("grammar-gqa").params;
  for (LayerParams& layer : params.layers) {
    for (std::size_t h = 0; h < 8; ++h)
      layer.kv_head_of[h] = static_cast<std::int64_t>(h % 2);
  }
  CpuAttention attention;
  EXPECT_GT(logits_error(params, "grammar-gqa", attention), 100 * kLogitsTolerance);
}

// ---- held-out loss ----

double measure(const LoadedModel& model, const ModelParams& params) {
  ThreadPool pool;
  const std::vector<std::vector<std::int32_t>> rows = test::read_rows(*model.tokenizer);
  EXPECT_EQ(rows.size(), 200u);
  for (const auto& row : rows)
    EXPECT_EQ(row.size(), 64u);
  const auto start = std::chrono::steady_clock::now();
  const double loss = mean_loss(params, rows, pool, {}, {});
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  std::printf("held-out loss %.4f nats a token, %.0f ms on %d threads\n", loss, ms, pool.n_threads());
  return loss;
}

TEST(HeldOutLoss, IsWhatPyTorchMeasures) {
  EXPECT_NEAR(measure(load("grammar-base"), load("grammar-base").params), 1.5301, 0.0005);
  EXPECT_NEAR(measure(load("grammar-gqa"), load("grammar-gqa").params), 1.5036, 0.0005);
}

TEST(HeldOutLoss, IsTheSameRowByRow) {
  const LoadedModel& model = load("grammar-base");
  std::vector<std::vector<std::int32_t>> rows = test::read_rows(*model.tokenizer);
  rows.resize(20);
  CpuAttention attention("naive");
  ThreadPool one(1);
  const double row_by_row = mean_loss(model.params, rows, *attention.layer, attention.pool, {}, {});
  EXPECT_NEAR(mean_loss(model.params, rows, one, {}, {}), row_by_row, 1e-5);
  EXPECT_EQ(mean_loss(model.params, rows, attention.pool, {}, {}), mean_loss(model.params, rows, one, {}, {}));
}

TEST(HeldOutLoss, TellsWhatSurgeryCosts) {
  const LoadedModel& model = load("grammar-base");
  // No more than the direction and rough size is promised: pooling hurts much, slicing anew breaks the model, one head costs little.
  EXPECT_GT(measure(model, pool_kv_heads(model.params, 4)), 2.5);
  EXPECT_GT(measure(model, slice_heads(model.params, 4)), 3);
  const double pruned = measure(model, prune_heads(model.params, std::vector<HeadRef>{{2, 0}}));
  EXPECT_GT(pruned, 1.531);
  EXPECT_LT(pruned, 1.6);
}

}  // namespace
}  // namespace headroom
