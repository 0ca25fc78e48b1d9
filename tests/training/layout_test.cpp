#include "core/training/layout.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/model/surgery.h"
#include "core/tensor/error.h"
#include "tests/training/forms.h"

namespace headroom {
namespace {

std::int64_t end_of(const ParameterSlot& slot) { return slot.offset + slot.size(); }

TEST(Layout, SlotsFollowOneAnotherAtWholeVectors) {
  for (const test::Form& form : test::forms()) {
    const ParameterLayout layout(form.config);
    std::int64_t end = 0;
    for (const ParameterSlot& slot : layout.slots()) {
      ASSERT_GE(slot.offset, end) << form.name << ", " << slot.name;
      ASSERT_LT(slot.offset - end, 16) << form.name << ", " << slot.name;
      EXPECT_TRUE(slot.offset % 16 == 0 || slot.offset == end) << form.name << ", " << slot.name;
      EXPECT_GT(slot.size(), 0) << form.name << ", " << slot.name;
      end = end_of(slot);
    }
    EXPECT_GE(layout.size(), end);
    EXPECT_LT(layout.size() - end, 16);
    EXPECT_EQ(layout.size() % 16, 0);
  }
}

TEST(Layout, WhatOneProductComputesLiesTogether) {
  for (const test::Form& form : test::forms()) {
    const ParameterLayout layout(form.config);
    const auto expect_joined = [&](const std::string& first, const std::string& second) {
      EXPECT_EQ(end_of(layout.slot(first)), layout.slot(second).offset) << form.name << ", " << second;
    };
    expect_joined("layers.0.w_q", "layers.0.w_k");
    expect_joined("layers.0.w_k", "layers.0.w_v");
    expect_joined("layers.0.b_q", "layers.0.b_k");
    expect_joined("layers.0.b_k", "layers.0.b_v");
    if (form.config.mlp == MlpKind::kSwiGlu) expect_joined("layers.1.w_gate", "layers.1.w_up");
    if (form.config.kind == ModelKind::kEncoderDecoder) expect_joined("layers.0.cross_w_k", "layers.0.cross_w_v");
  }
}

// Counted by hand from the sizes in forms.h.
TEST(Layout, CountsTheParametersOfEachForm) {
  const std::int64_t qwen2 = 37 * 24 + 2 * (24 + 30 * 24 + 2 * 10 * 24 + 50 + 24 * 30 + 24 + 3 * 20 * 24) + 24;
  EXPECT_EQ(ParameterLayout(test::form("qwen2")).n_parameters(), qwen2);
  const std::int64_t attention = 4 * (18 * 18 + 18), norm = 2 * 18, mlp = 2 * 18 * 28 + 28 + 18;
  EXPECT_EQ(ParameterLayout(test::form("gpt2")).n_parameters(), (37 + 32) * 18 + 2 * (attention + mlp + 2 * norm) + norm);
  EXPECT_EQ(ParameterLayout(test::form("bart")).n_parameters(),
            (37 + 2 * 32) * 18 + 37 + 2 * norm + 2 * (attention + mlp + 2 * norm) + (2 * attention + mlp + 3 * norm));
  EXPECT_EQ(ParameterLayout(test::form("bert")).n_parameters(),
            (37 + 32) * 20 + 40 + 2 * (4 * 420 + 2 * 20 * 28 + 28 + 20 + 80) + 420 + 40 + 37);
}

TEST(Layout, WeightDecayActsOnMatricesAlone) {
  for (const test::Form& form : test::forms()) {
    const ParameterLayout layout(form.config);
    for (const ParameterSlot& slot : layout.slots())
      EXPECT_EQ(slot.decays, slot.rows > 1) << form.name << ", " << slot.name;
  }
}

TEST(Layout, FlatteningIsTheInverseOfUnflattening) {
  for (const test::Form& form : test::forms()) {
    const ParameterLayout layout(form.config);
    const std::vector<float> parameters = test::stirred_parameters(layout, 3);
    const ModelParams params = unflatten(layout, parameters);
    EXPECT_EQ(flatten(layout, params), parameters) << form.name;
    EXPECT_EQ(params.config, form.config);
  }
}

TEST(Layout, EachTensorHoldsItsSlot) {
  const ParameterLayout layout(test::form("qwen2"));
  const std::vector<float> parameters = test::stirred_parameters(layout, 3);
  const ModelParams params = unflatten(layout, parameters);
  const auto expect_slot = [&](const std::string& name, const Tensor& tensor, const std::vector<std::int64_t>& shape) {
    EXPECT_EQ(tensor.shape(), shape) << name;
    const ParameterSlot& slot = layout.slot(name);
    ASSERT_EQ(tensor.size(), slot.size()) << name;
    EXPECT_TRUE(std::equal(tensor.span().begin(), tensor.span().end(), parameters.begin() + slot.offset)) << name;
  };
  expect_slot("embedding", params.embedding, {37, 24});
  expect_slot("layers.0.w_q", params.layers[0].w_q, {30, 24});
  expect_slot("layers.1.w_k", params.layers[1].w_k, {10, 24});
  expect_slot("layers.1.b_v", params.layers[1].b_v, {10});
  expect_slot("layers.1.w_o", params.layers[1].w_o, {24, 30});
  expect_slot("layers.0.w_gate", params.layers[0].w_gate, {20, 24});
  expect_slot("layers.0.w_down", params.layers[0].w_down, {24, 20});
  expect_slot("final_norm", params.final_norm, {24});
  EXPECT_EQ(params.layers[0].kv_head_of, (std::vector<std::int64_t>{0, 0, 0}));
  EXPECT_TRUE(params.lm_head.empty());
  EXPECT_TRUE(params.positions.empty());
}

TEST(Layout, APrunedOrForeignModelIsRefused) {
  const ParameterLayout layout(test::form("qwen2"));
  const ModelParams params = unflatten(layout, test::stirred_parameters(layout, 3));
  const std::vector<HeadRef> heads{{0, 1}};
  EXPECT_THROW(flatten(layout, prune_heads(params, heads)), ShapeError);
  EXPECT_THROW(flatten(ParameterLayout(test::form("gpt2")), params), ShapeError);
  ModelParams shorter = params;
  shorter.layers.pop_back();
  EXPECT_THROW(flatten(layout, shorter), ShapeError);
  EXPECT_THROW(unflatten(layout, std::vector<float>(5)), ShapeError);
  EXPECT_THROW(layout.slot("layers.2.w_q"), Error);
}

TEST(Layout, FormsWithoutGradientsAreRefusedInOneSentence) {
  const auto said = [](const auto& change) -> std::string {
    ModelConfig config = test::form("qwen2");
    change(config);
    try {
      ParameterLayout{config};
    } catch (const ShapeError& error) {
      return error.what();
    }
    return "";
  };
  const auto sentence = [](const std::string& what) { return "a model with " + what + " can be looked at, but not trained here"; };
  EXPECT_EQ(said([](ModelConfig&) {}), "");
  EXPECT_EQ(said([](ModelConfig& c) { c.norm_place = NormPlace::kAround; }), sentence("norms on both sides of each sub-layer"));
  EXPECT_EQ(said([](ModelConfig& c) { c.block_order = BlockOrder::kParallel; }), sentence("attention and MLP side by side"));
  EXPECT_EQ(said([](ModelConfig& c) { c.positions = PositionKind::kRelative; }), sentence("learned biases for distances"));
  EXPECT_EQ(said([](ModelConfig& c) { c.rotary_share = 0.5; }), sentence("rotary positions in a part of each head"));
  EXPECT_EQ(said([](ModelConfig& c) { c.rope_scaling.kind = RopeScaling::Kind::kLinear; }), sentence("scaled rotary positions"));
  EXPECT_EQ(said([](ModelConfig& c) { c.windows.assign(static_cast<std::size_t>(c.shape.n_layers), 3); }),
            sentence("sliding windows"));
  const std::string scale = sentence("another scale of its scores than 1 / sqrt(d_k)");
  EXPECT_EQ(said([](ModelConfig& c) { c.attention_scale = 1.0F; }), scale);
  EXPECT_EQ(said([](ModelConfig& c) { c.divides_scale_by_layer = true; }), scale);
  EXPECT_EQ(said([](ModelConfig& c) { c.score_cap = 50; }), sentence("soft caps"));
  EXPECT_EQ(said([](ModelConfig& c) { c.logit_cap = 30; }), sentence("soft caps"));
  EXPECT_EQ(said([](ModelConfig& c) { c.embedding_scale = 2; }), sentence("a factor on its embeddings or its output"));
  EXPECT_EQ(said([](ModelConfig& c) { c.has_qk_norm = true; }), sentence("norms of q and k"));
  EXPECT_EQ(said([](ModelConfig& c) { c.mlp = MlpKind::kGeGlu; }), sentence("another MLP than SwiGLU or GELU"));
  EXPECT_EQ(said([](ModelConfig& c) { c.windows.assign(static_cast<std::size_t>(c.shape.n_layers), 0); }), "")
      << "no window at all";
}

TEST(Layout, ImpossibleShapesAreRefused) {
  const auto refuses = [](const std::string& what, const auto& change) {
    ModelConfig config = test::form("qwen2");
    change(config);
    EXPECT_THROW(ParameterLayout{config}, ShapeError) << what;
  };
  refuses("no layers", [](ModelConfig& c) { c.shape.n_layers = 0; });
  refuses("no heads", [](ModelConfig& c) { c.shape.n_heads = 0; });
  refuses("kv_heads that do not divide h", [](ModelConfig& c) { c.shape.n_kv_heads = 2; });
  refuses("odd d_head under rotary positions", [](ModelConfig& c) { c.shape.d_head = 7; });
  refuses("a negative MLP", [](ModelConfig& c) { c.shape.d_ff = -1; });
  refuses("a gated MLP with biases", [](ModelConfig& c) { c.has_mlp_bias = true; });
  refuses("no vocabulary", [](ModelConfig& c) { c.shape.vocab_size = 0; });
  refuses("an encoder without its kind", [](ModelConfig& c) { c.n_encoder_layers = 1; });
  refuses("a kind without its encoder", [](ModelConfig& c) { c.kind = ModelKind::kEncoderDecoder; });
  refuses("no positions to learn", [](ModelConfig& c) {
    c.positions = PositionKind::kLearned;
    c.shape.max_positions = 0;
  });
  ModelConfig odd = test::form("gpt2");
  odd.shape.d_head = 7;
  EXPECT_NO_THROW(ParameterLayout{odd}) << "learned positions turn no pairs";
}

/// Mean and standard deviation of a slot.
std::pair<double, double> moments(const ParameterLayout& layout, const std::vector<float>& parameters, const std::string& name) {
  const ParameterSlot& slot = layout.slot(name);
  const auto n = static_cast<double>(slot.size());
  double sum = 0, squares = 0;
  for (std::int64_t i = slot.offset; i < end_of(slot); ++i) {
    const auto value = static_cast<double>(parameters[static_cast<std::size_t>(i)]);
    sum += value;
    squares += value * value;
  }
  return {sum / n, std::sqrt(squares / n - (sum / n) * (sum / n))};
}

TEST(DrawnParameters, HaveTheStatedSpread) {
  ModelConfig config = test::form("qwen2");
  config.shape = {3, 96, 6, 6, 16, 256, 400, 64};
  const ParameterLayout layout(config);
  const std::vector<float> parameters = draw_parameters(layout, 5);
  const double stream = std::sqrt(2.0 * 3);
  const std::vector<std::pair<std::string, double>> spreads = {{"embedding", 1 / std::sqrt(96.0)},
                                                               {"layers.0.w_q", 1 / std::sqrt(96.0)},
                                                               {"layers.1.w_k", 1 / std::sqrt(96.0)},
                                                               {"layers.2.w_v", 1 / std::sqrt(96.0)},
                                                               {"layers.2.w_o", 1 / std::sqrt(96.0) / stream},
                                                               {"layers.0.w_gate", 1 / std::sqrt(96.0)},
                                                               {"layers.0.w_up", 1 / std::sqrt(96.0)},
                                                               {"layers.1.w_down", 1 / std::sqrt(256.0) / stream}};
  for (const auto& [name, spread] : spreads) {
    const auto [mean, deviation] = moments(layout, parameters, name);
    // Sampling errors of 9,216 and more numbers: 1 % of the mean, 0.7 % of the deviation.
    EXPECT_NEAR(mean, 0, 0.05 * spread) << name;
    EXPECT_NEAR(deviation, spread, 0.04 * spread) << name;
  }
  for (const char* name : {"layers.0.b_q", "layers.2.b_k"}) {
    EXPECT_NEAR(moments(layout, parameters, name).second, 0.5, 0.15) << name;
  }
  EXPECT_EQ(moments(layout, parameters, "layers.1.b_v"), (std::pair<double, double>{0, 0}));
  EXPECT_EQ(moments(layout, parameters, "layers.1.mlp_norm"), (std::pair<double, double>{1, 0}));
  EXPECT_EQ(moments(layout, parameters, "final_norm"), (std::pair<double, double>{1, 0}));
}

TEST(DrawnParameters, BiasesBeginAtZeroUnderLearnedPositions) {
  for (const char* name : {"gpt2", "bert", "bart"}) {
    const ParameterLayout layout(test::form(name));
    const std::vector<float> parameters = draw_parameters(layout, 5);
    for (const ParameterSlot& slot : layout.slots()) {
      if (slot.decays) continue;
      const float expected = slot.name.ends_with("norm") ? 1 : 0;
      for (std::int64_t i = slot.offset; i < end_of(slot); ++i)
        ASSERT_EQ(parameters[static_cast<std::size_t>(i)], expected) << name << ", " << slot.name;
    }
  }
}

TEST(DrawnParameters, AreAFunctionOfTheSeed) {
  const ParameterLayout layout(test::form("bart"));
  const std::vector<float> drawn = draw_parameters(layout, 5);
  EXPECT_EQ(drawn, draw_parameters(layout, 5));
  const std::vector<float> other = draw_parameters(layout, 6);
  std::int64_t alike = 0;
  for (const ParameterSlot& slot : layout.slots()) {
    if (!slot.decays) continue;
    for (std::int64_t i = slot.offset; i < end_of(slot); ++i)
      alike += drawn[static_cast<std::size_t>(i)] == other[static_cast<std::size_t>(i)];
  }
  EXPECT_LT(alike, 5);
  // The gaps stay zero.
  std::vector<float> gaps = drawn;
  for (const ParameterSlot& slot : layout.slots())
    std::fill_n(gaps.begin() + slot.offset, slot.size(), 0.0F);
  EXPECT_EQ(gaps, std::vector<float>(gaps.size()));
}

}  // namespace
}  // namespace headroom
