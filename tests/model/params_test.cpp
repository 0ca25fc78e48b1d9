#include "core/model/params.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/model/surgery.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using testing::ElementsAre;

ModelConfig small_config() {
  ModelConfig config;
  config.shape = {
      .n_layers = 2, .d_model = 48, .n_heads = 6, .n_kv_heads = 2, .d_head = 8, .d_ff = 40, .vocab_size = 30, .max_positions = 16};
  return config;
}

TEST(CountParameters, AddsUpByHand) {
  ModelConfig config = small_config();
  const ParameterCount tied = count_parameters(make_random_params(config, 1));
  EXPECT_EQ(tied.embedding, 30 * 48);
  EXPECT_EQ(tied.output, 0);
  EXPECT_EQ(tied.attention, 2 * (48 * 48 + 48 + 2 * (16 * 48 + 16) + 48 * 48));
  EXPECT_EQ(tied.mlp, 2 * 3 * 40 * 48);
  EXPECT_EQ(tied.norms, 5 * 48);
  EXPECT_EQ(tied.total(), tied.embedding + tied.attention + tied.mlp + tied.norms);

  config.ties_embeddings = false;
  config.has_qkv_bias = false;
  config.has_o_bias = true;
  const ParameterCount untied = count_parameters(make_random_params(config, 1));
  EXPECT_EQ(untied.output, 30 * 48);
  EXPECT_EQ(untied.attention, 2 * (48 * 48 + 2 * 16 * 48 + 48 * 48 + 48));
}

TEST(RandomParams, TheFirstLayerIsTheSameAlone) {
  for (const bool ties : {true, false}) {
    ModelConfig config = small_config();
    config.ties_embeddings = ties;
    const ModelParams all = make_random_params(config, 5), first = make_random_params(config, 5, DrawnLayers::kFirst);
    EXPECT_TRUE(std::ranges::equal(first.embedding.span(), all.embedding.span()));
    EXPECT_TRUE(std::ranges::equal(first.layers[0].w_q.span(), all.layers[0].w_q.span()));
    EXPECT_TRUE(std::ranges::equal(first.layers[0].w_down.span(), all.layers[0].w_down.span()));
    EXPECT_TRUE(first.layers[1].w_q.empty());
    EXPECT_TRUE(first.lm_head.empty());
    EXPECT_EQ(first.layers[1].kv_head_of, all.layers[1].kv_head_of);
    const std::vector<HeadRef> pruned{{0, 1}, {1, 0}, {1, 4}};
    for (const bool is_pruned : {false, true}) {
      const ParameterCount one = count_parameters(is_pruned ? prune_heads(first, pruned) : first);
      const ParameterCount both = count_parameters(is_pruned ? prune_heads(all, pruned) : all);
      EXPECT_EQ(one.attention, both.attention);
      EXPECT_EQ(one.mlp, both.mlp);
      EXPECT_EQ(one.norms, both.norms);
      EXPECT_EQ(one.output, both.output);
    }
  }
}

TEST(SetUnpruned, GroupsByDivision) {
  LayerParams layer;
  set_unpruned(layer, 6, 2);
  EXPECT_THAT(layer.heads, ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(layer.kv_heads, ElementsAre(0, 1));
  EXPECT_THAT(layer.kv_head_of, ElementsAre(0, 0, 0, 1, 1, 1));
}

double deviation(const Tensor& tensor) {
  double sum = 0, squares = 0;
  for (const float x : tensor.span()) {
    sum += x;
    squares += static_cast<double>(x) * x;
  }
  const double n = static_cast<double>(tensor.size());
  EXPECT_NEAR(sum / n, 0, 4 * std::sqrt(squares / n / n));
  return std::sqrt(squares / n);
}

TEST(RandomParams, HaveTheStatedSpread) {
  ModelConfig config;
  config.shape.n_layers = 3;
  config.ties_embeddings = false;
  const ModelParams params = make_random_params(config, 42);
  const double residual = std::sqrt(6.0);
  EXPECT_NEAR(deviation(params.embedding) * std::sqrt(128), 1, 0.02);
  EXPECT_NEAR(deviation(params.lm_head) * std::sqrt(128), 1, 0.02);
  for (const LayerParams& layer : params.layers) {
    for (const Tensor* t : {&layer.w_q, &layer.w_k, &layer.w_v, &layer.w_gate, &layer.w_up}) {
      EXPECT_NEAR(deviation(*t) * std::sqrt(128), 1, 0.03);
    }
    EXPECT_NEAR(deviation(layer.w_o) * std::sqrt(128) * residual, 1, 0.03);
    EXPECT_NEAR(deviation(layer.w_down) * std::sqrt(344) * residual, 1, 0.03);
    EXPECT_NEAR(deviation(layer.b_q), 0.5, 0.12);
    EXPECT_NEAR(deviation(layer.b_k), 0.5, 0.12);
    for (const float x : layer.b_v.span())
      EXPECT_EQ(x, 0);
    for (const float x : layer.attention_norm.span())
      EXPECT_EQ(x, 1);
    EXPECT_TRUE(layer.b_o.empty());
  }
}

TEST(RandomParams, AreTheSameBitsForOneSeedAndOthersForAnother) {
  const ModelParams first = make_random_params(small_config(), 7);
  const ModelParams again = make_random_params(small_config(), 7);
  const ModelParams other = make_random_params(small_config(), 8);
  EXPECT_THAT(again.layers[1].w_down.span(), testing::ElementsAreArray(first.layers[1].w_down.span()));
  EXPECT_THAT(other.layers[1].w_down.span(), testing::Not(testing::ElementsAreArray(first.layers[1].w_down.span())));
  EXPECT_THAT(first.layers[1].w_q.span(), testing::Not(testing::ElementsAreArray(first.layers[0].w_q.span())));
  // A saved session holds the seed alone: the values behind it must not move.
  EXPECT_FLOAT_EQ(first.embedding.data()[0], -0.036476135f);
  EXPECT_FLOAT_EQ(first.layers[1].w_down.data()[5], -0.084633067f);
}

TEST(RandomParams, RefuseShapesThatCannotRun) {
  ModelConfig config = small_config();
  config.shape.n_kv_heads = 4;
  EXPECT_THROW(make_random_params(config, 1), ShapeError);
  config = small_config();
  config.shape.d_head = 7;
  EXPECT_THROW(make_random_params(config, 1), ShapeError);
  config = small_config();
  config.shape.n_layers = 0;
  EXPECT_THROW(make_random_params(config, 1), ShapeError);
}

}  // namespace
}  // namespace headroom
