// What models beyond Llama's and GPT-2's block do: activations and caps against double, counting, surgery, long passes, refusals.

#include "tests/model/decoders.h"

#include <gmock/gmock.h>

#include "core/model/elementwise.h"
#include "core/model/forward_steps.h"
#include "core/model/long_pass.h"
#include "core/model/rope.h"
#include "core/model/surgery.h"
#include "core/tensor/error.h"
#include "tests/model/models.h"

namespace headroom {
namespace {

using test::decoder_configs;
using test::largest_error;
using ::testing::HasSubstr;

std::vector<float> some_values() {
  std::vector<float> values;
  for (int i = -3000; i <= 3000; ++i)
    values.push_back(0.005f * static_cast<float>(i));
  return values;
}

TEST(Activations, AgreeWithDouble) {
  const std::vector<float> before = some_values();
  std::vector<float> with_relu = before, with_silu = before, product = before, capped = before;
  relu(with_relu);
  silu(with_silu);
  multiply(product, with_silu);
  soft_cap(capped, 3.0f);
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto x = static_cast<double>(before[i]);
    EXPECT_EQ(with_relu[i], std::max(0.0f, before[i]));
    EXPECT_NEAR(with_silu[i], x / (1 + std::exp(-x)), 1e-6 * std::max(1.0, std::abs(x))) << x;
    EXPECT_EQ(product[i], before[i] * with_silu[i]);
    EXPECT_NEAR(capped[i], 3 * std::tanh(x / 3), 3 * 2e-7 + 1e-6) << x;
  }
  std::vector<float> odd{NAN, INFINITY, -INFINITY};
  relu(odd);
  EXPECT_TRUE(std::isnan(odd[0]));
  EXPECT_EQ(odd[2], 0);
  std::vector<float> far{1e30f, -1e30f, 0};
  soft_cap(far, 5);
  EXPECT_EQ(far[0], 5);
  EXPECT_EQ(far[1], -5);
  EXPECT_EQ(far[2], 0);
}

TEST(DecoderParameters, AreCountedOnceEach) {
  for (const ModelConfig& config : decoder_configs()) {
    SCOPED_TRACE(config.family);
    const ModelParams params = make_random_params(config, 1);
    std::int64_t n = 0;
    test::for_each_tensor(params, [&](const Tensor& tensor) { n += tensor.size(); });
    EXPECT_EQ(count_parameters(params).total(), n);
    EXPECT_EQ(count_parameters(make_random_params(config, 1, DrawnLayers::kFirst)).total(), n);
    EXPECT_EQ(params.layers[0].q_norm.size(), config.has_qk_norm ? 8 : 0);
    EXPECT_EQ(params.layers[0].mlp_out_norm.size(), config.norm_place == NormPlace::kAround ? 12 : 0);
    EXPECT_EQ(params.layers[0].b_gate.size(), config.family == "llama" ? 10 : 0);
  }
}

TEST(DecoderPasses, LongOnesEqualTheShortOne) {
  for (const ModelConfig& config : decoder_configs()) {
    SCOPED_TRACE(config.family);
    const ModelParams params = test::stirred_params(config, 5);
    const std::vector<std::int32_t> ids = test::some_ids(9, 13);
    test::CpuAttention attention;
    const ForwardTrace whole = attention.pass(params, ids);
    LongPassOptions options;
    options.rows_per_stretch = 2;
    for (const ForwardTrace& trace : {long_forward(params, ids, *attention.backend, attention.pool, options),
                                      long_forward(params, ids, *attention.layer, attention.pool, options)})
      EXPECT_LT(largest_error(trace.output.span(), whole.output.span()), 1e-4);
    const ForwardTrace first = first_layer_pass(params, ids, attention.pool, options);
    EXPECT_LT(largest_error(first.layers[0].attention.q.span(), whole.layers[0].attention.q.span()), 1e-5);
    EXPECT_LT(largest_error(first.layers[0].attention.k.span(), whole.layers[0].attention.k.span()), 1e-5);
  }
}

TEST(DecoderSurgery, PrunedHeadsEqualSilencedOnes) {
  for (const ModelConfig& config : decoder_configs()) {
    SCOPED_TRACE(config.family);
    const ModelParams params = test::stirred_params(config, 3);
    // In the second layer all heads go.
    const std::vector<HeadRef> gone = {{0, 0}, {1, 0}, {1, 1}, {1, 2}, {1, 3}, {2, 2}};
    ModelParams silent = params;
    for (const HeadRef& ref : gone) {
      Tensor& w_o = silent.layers[static_cast<std::size_t>(ref.layer)].w_o;
      for (std::int64_t r = 0; r < w_o.dim(0); ++r)
        std::fill_n(w_o.row(r).data() + ref.head * config.shape.d_head, config.shape.d_head, 0.0f);
    }
    const std::vector<std::int32_t> ids = test::some_ids(8, 13);
    test::CpuAttention attention;
    const ModelParams pruned = prune_heads(params, gone);
    const Tensor expected = attention.pass(silent, ids).logits;
    const ForwardTrace got = attention.pass(pruned, ids);
    EXPECT_LT(largest_error(got.logits.span(), expected.span()), 1e-4);
    EXPECT_GT(largest_error(got.logits.span(), attention.pass(params, ids).logits.span()), 1e-2);
    EXPECT_LT(largest_error(attention.pass(fill_pruned_heads(pruned), ids).logits.span(), expected.span()), 1e-4);
    LongPassOptions options;
    options.rows_per_stretch = 3;
    EXPECT_LT(
        largest_error(long_forward(pruned, ids, *attention.backend, attention.pool, options).output.span(), got.output.span()),
        1e-4);
  }
}

TEST(DecoderSurgery, PoolingHeadsThatAreEqualChangesNothing) {
  for (const ModelConfig& config : decoder_configs()) {
    SCOPED_TRACE(config.family);
    ModelParams params = test::stirred_params(config, 4);
    for (LayerParams& layer : params.layers)
      for (Tensor* tensor : {&layer.w_k, &layer.b_k, &layer.w_v, &layer.b_v}) {
        const std::int64_t block = tensor->size() / config.shape.n_kv_heads;
        for (std::int64_t head = 1; head < config.shape.n_kv_heads; ++head)
          std::copy_n(tensor->data(), block, tensor->data() + head * block);
      }
    const std::vector<std::int32_t> ids = test::some_ids(7, 13);
    test::CpuAttention attention;
    EXPECT_LT(largest_error(attention.pass(pool_kv_heads(params, 1), ids).logits.span(), attention.pass(params, ids).logits.span()),
              1e-4);
  }
}

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const ShapeError& error) {
    return error.what();
  }
  return "";
}

TEST(DecoderSurgery, HeadsThatHaveNormsOrTheirOwnTurnsAreNotCutAnew) {
  for (const ModelConfig& config : decoder_configs()) {
    SCOPED_TRACE(config.family);
    const ModelParams params = make_random_params(config, 1);
    const std::string problem = find_slice_problem(config), said = refusal([&] { slice_heads(params, 2); });
    EXPECT_EQ(said, problem);
    EXPECT_EQ(refusal([&] { slice_heads(params, 4); }), "") << "h stays";
    if (config.family == "qwen3") {
      EXPECT_EQ(problem, "h stays 4: the model norms q and k of each head, with gains for d_k = 8");
    } else if (config.family == "phi3") {
      EXPECT_THAT(problem, HasSubstr("rotary positions name a factor for each pair of d_k = 8"));
    } else if (config.family == "gpt_neox") {
      EXPECT_THAT(problem, HasSubstr("a part of each head turns"));
    } else {
      EXPECT_EQ(problem, "");
      EXPECT_EQ(slice_heads(params, 2).config.shape.d_head, 16);
    }
  }
}

TEST(DecoderParameters, ImpossibleFormsAreRefused) {
  const auto said = [](auto change) {
    ModelConfig config = decoder_configs().front();
    config.rope_scaling = {};
    change(config);
    return refusal([&] { make_random_params(config, 1); });
  };
  EXPECT_EQ(said([](ModelConfig&) {}), "");
  EXPECT_EQ(said([](ModelConfig& c) { c.windows = {1, 2}; }), "there are 2 windows for 3 layers");
  EXPECT_THAT(said([](ModelConfig& c) { c.windows = {1, -2, 0}; }), HasSubstr("a window is below 0"));
  EXPECT_THAT(said([](ModelConfig& c) { c.score_cap = -1; }), HasSubstr("a soft cap is below 0"));
  EXPECT_THAT(said([](ModelConfig& c) { c.logit_cap = NAN; }), HasSubstr("a soft cap is below 0"));
  EXPECT_THAT(said([](ModelConfig& c) {
                c.norm_place = NormPlace::kAround;
                c.norm = NormKind::kLayer;
              }),
              HasSubstr("norms on both sides"));
  EXPECT_THAT(said([](ModelConfig& c) {
                c.norm_place = NormPlace::kAfter;
                c.block_order = BlockOrder::kParallel;
              }),
              HasSubstr("only under norms before them"));
  EXPECT_THAT(said([](ModelConfig& c) { c.rotary_share = 0; }), HasSubstr("turn 0 of d_k = 8"));
  EXPECT_THAT(said([](ModelConfig& c) { c.rotary_share = 1.1; }), HasSubstr("of d_k = 8 coordinates"));
  EXPECT_THAT(said([](ModelConfig& c) { c.rope_scaling = {.kind = RopeScaling::Kind::kLinear, .factor = 0}; }),
              HasSubstr("must be above 0"));
  EXPECT_THAT(said([](ModelConfig& c) {
                c.rope_scaling = {.kind = RopeScaling::Kind::kLongRope, .short_factors = {1, 2}};
              }),
              HasSubstr("longrope needs 4 short and long factors"));
}

TEST(ScaledPositions, PlainOnesKeepTheFormulaOfTheirTable) {
  ModelConfig config;
  config.rope_theta = 77;
  EXPECT_EQ(rotary_of(config, 5), Rotary{77}) << "nothing that a device without scaled positions would refuse";
  config.positions = PositionKind::kLearned;
  EXPECT_EQ(rotary_of(config, 5), std::nullopt);
}

TEST(ScaledPositions, DynamicOnesAreThePlainOnesUntilTheTextIsTooLong) {
  ModelConfig config;
  config.rope_scaling = {.kind = RopeScaling::Kind::kDynamic, .factor = 4};
  config.shape.max_positions = 20;
  const auto short_text = rotary_of(config, 20), long_text = rotary_of(config, 21), longer_text = rotary_of(config, 40);
  for (std::size_t j = 0; j < 8; ++j)
    EXPECT_NEAR(short_text->frequencies[j], std::pow(10000.0, -static_cast<double>(j) / 8), 1e-15);
  EXPECT_LT(long_text->frequencies[7], short_text->frequencies[7]);
  // theta * (4 * 40 / 20 - 3)^(16 / 14)
  EXPECT_NEAR(longer_text->frequencies[1], std::pow(10000 * std::pow(5.0, 16.0 / 14), -1.0 / 8), 1e-12);
}

}  // namespace
}  // namespace headroom
