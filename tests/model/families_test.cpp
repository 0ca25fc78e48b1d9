// The steps of a pass for models other than Llama's: pieces against plain loops, surgery, and the passes of long texts against the short one.

#include "tests/model/families.h"

#include <gmock/gmock.h>

#include "core/model/elementwise.h"
#include "core/model/forward_steps.h"
#include "core/model/surgery.h"
#include "core/model/translation_pass.h"
#include "core/tensor/error.h"
#include "tests/model/models.h"

namespace headroom {
namespace {

using test::largest_error;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Families whose models have one stack; the last one has no MLPs.
std::vector<ModelConfig> one_stack_configs() {
  std::vector<ModelConfig> configs = {test::family_config("gpt2"), test::family_config("bert"), test::family_config("llama")};
  configs.push_back(test::family_config("bert"));
  configs.back().shape.d_ff = 0;
  configs.push_back(test::family_config("gpt2"));
  configs.back().has_embedding_norm = true;
  configs.back().mlp = MlpKind::kGelu;
  configs.push_back(test::relative_config());
  return configs;
}

Mask mask_of(const ModelConfig& config) { return {.direction = default_direction(config.kind)}; }

TEST(Gelu, AgreesWithDouble) {
  std::vector<float> values, tanh_values;
  for (int i = -4000; i <= 4000; ++i)
    values.push_back(0.002f * static_cast<float>(i));
  tanh_values = values;
  const std::vector<float> before = values;
  gelu(values);
  gelu_tanh(tanh_values);
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto x = static_cast<double>(before[i]);
    EXPECT_NEAR(values[i], x * 0.5 * std::erfc(-x / std::sqrt(2.0)), 1e-6 * std::max(1.0, std::abs(x))) << x;
    EXPECT_NEAR(tanh_values[i], 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x))),
                1e-6 * std::max(1.0, std::abs(x)))
        << x;
  }
}

TEST(Gelu, HoldsFarOut) {
  std::vector<float> values{1e4f, -1e4f, 0, NAN}, tanh_values = values;
  gelu(values);
  gelu_tanh(tanh_values);
  for (const std::vector<float>& got : {values, tanh_values}) {
    EXPECT_EQ(got[0], 1e4f);
    EXPECT_NEAR(got[1], 0, 1e-30);
    EXPECT_EQ(got[2], 0);
    EXPECT_TRUE(std::isnan(got[3]));
  }
}

TEST(LayerNorm, AgreesWithDoubleAlsoInPlace) {
  ThreadPool pool(2);
  constexpr std::int64_t kRows = 300, kCols = 77;  // so many rows that two threads share them
  Tensor x({kRows, kCols}), gain({kCols}), bias({kCols}), out({kRows, kCols});
  for (std::int64_t i = 0; i < x.size(); ++i)
    x.data()[i] = 100 + std::sin(static_cast<float>(i * i % 1009));
  for (std::int64_t c = 0; c < kCols; ++c) {
    gain.data()[c] = std::cos(static_cast<float>(c));
    bias.data()[c] = 0.1f * static_cast<float>(c);
  }
  layer_norm(pool, x.matrix(), gain, bias, 1e-3f, out.matrix());
  for (std::int64_t r = 0; r < kRows; ++r) {
    double mean = 0, variance = 0;
    for (const float value : x.row(r))
      mean += static_cast<double>(value) / kCols;
    for (const float value : x.row(r))
      variance += (static_cast<double>(value) - mean) * (static_cast<double>(value) - mean) / kCols;
    for (std::int64_t c = 0; c < kCols; ++c) {
      const auto at = static_cast<std::size_t>(c);
      const double expected =
          (static_cast<double>(x.row(r)[at]) - mean) / std::sqrt(variance + 1e-3) * static_cast<double>(gain.data()[c]) +
          static_cast<double>(bias.data()[c]);
      ASSERT_NEAR(out.row(r)[at], expected, 1e-4) << r << " " << c;
    }
  }
  layer_norm(pool, x.matrix(), gain, bias, 1e-3f, x.matrix());
  EXPECT_EQ(largest_error(x.span(), out.span()), 0);
}

TEST(CountParameters, CountsEveryTensorOnce) {
  std::vector<std::string> families = test::kFamilies;
  families.insert(families.end(), test::kReadEncoders.begin(), test::kReadEncoders.end());
  for (const std::string& family : families) {
    for (const std::int64_t d_ff : {10, 0}) {
      ModelConfig config = test::family_config(family);
      config.shape.d_ff = d_ff;
      const ModelParams params = make_random_params(config, 1);
      std::int64_t n = 0;
      test::for_each_tensor(params, [&](const Tensor& tensor) { n += tensor.size(); });
      EXPECT_EQ(count_parameters(params).total(), n) << family;
    }
  }
}

TEST(CountParameters, CountsLayersThatAreNotDrawnAsIfTheyWere) {
  for (const ModelConfig& config : one_stack_configs())
    EXPECT_EQ(count_parameters(make_random_params(config, 1, DrawnLayers::kFirst)).total() -
                  count_parameters(make_random_params(config, 1)).total(),
              0)
        << config.family;
}

TEST(RandomParams, ImpossibleFormsAreRefused) {
  const auto message = [](const ModelConfig& config) -> std::string {
    try {
      make_random_params(config, 1);
    } catch (const ShapeError& error) {
      return error.what();
    }
    return "";
  };
  ModelConfig config = test::family_config("gpt2");
  EXPECT_EQ(message(config), "") << "an odd d_k is fine without rotary positions";
  config.positions = PositionKind::kRotary;
  EXPECT_THAT(message(config), HasSubstr("d_k = 5 is odd"));
  config = test::family_config("gpt2");
  config.n_encoder_layers = 1;
  EXPECT_THAT(message(config), HasSubstr("encoder layers; here there are 1"));
  config = test::family_config("bart");
  config.n_encoder_layers = 0;
  EXPECT_THAT(message(config), HasSubstr("encoder layers; here there are 0"));
  config = test::family_config("gpt2");
  config.shape.d_ff = -1;
  EXPECT_THAT(message(config), HasSubstr("below 0"));
}

TEST(FamilySurgery, PrunedHeadsEqualSilencedOnes) {
  for (const ModelConfig& config : one_stack_configs()) {
    SCOPED_TRACE(config.family);
    const ModelParams params = test::stirred_params(config, 3);
    const std::vector<HeadRef> gone = {{0, 0}, {1, 1}, {1, 2}};
    ModelParams silent = params;
    for (const HeadRef& ref : gone) {
      Tensor& w_o = silent.layers[static_cast<std::size_t>(ref.layer)].w_o;
      for (std::int64_t r = 0; r < w_o.dim(0); ++r)
        std::fill_n(w_o.row(r).data() + ref.head * config.shape.d_head, config.shape.d_head, 0.0f);
    }
    const std::vector<std::int32_t> ids = test::some_ids(8, config.shape.vocab_size);
    test::CpuAttention attention;
    const ModelParams pruned = prune_heads(params, gone);
    const Tensor got = attention.pass(pruned, ids, mask_of(config)).logits;
    const Tensor expected = attention.pass(silent, ids, mask_of(config)).logits;
    EXPECT_LT(largest_error(got.span(), expected.span()), 1e-4);
    EXPECT_GT(largest_error(got.span(), attention.pass(params, ids, mask_of(config)).logits.span()), 1e-2);
    const ModelParams filled = fill_pruned_heads(pruned);
    EXPECT_EQ(std::ssize(filled.layers[1].heads), config.shape.n_heads);
    EXPECT_LT(largest_error(attention.pass(filled, ids, mask_of(config)).logits.span(), expected.span()), 1e-4);
  }
}

TEST(FamilySurgery, PoolingHeadsThatAreEqualChangesNothing) {
  for (const std::string family : {"gpt2", "bert", "bart"}) {
    SCOPED_TRACE(family);
    ModelParams params = test::stirred_params(test::family_config(family), 4);
    const auto share = [](Tensor& tensor) {
      const std::int64_t block = tensor.size() / 3;
      for (std::int64_t head : {1, 2})
        std::copy_n(tensor.data(), block, tensor.data() + head * block);
    };
    for (auto* layers : {&params.layers, &params.encoder_layers})
      for (LayerParams& layer : *layers)
        for (Tensor* tensor : {&layer.w_k, &layer.b_k, &layer.w_v, &layer.b_v, &layer.cross.w_k, &layer.cross.b_k, &layer.cross.w_v,
                               &layer.cross.b_v})
          share(*tensor);
    const ModelParams pooled = pool_kv_heads(params, 1);
    EXPECT_EQ(pooled.layers[0].w_k.shape(), (std::vector<std::int64_t>{5, 15}));
    EXPECT_EQ(pooled.layers[0].b_v.size(), 5);
    const std::vector<std::int32_t> ids = test::some_ids(7, 13), source = test::some_ids(5, 13);
    test::CpuAttention attention;
    const auto logits = [&](const ModelParams& of) {
      if (family == "bart") return translate_pass(of, source, ids, *attention.backend, attention.pool).decoder.logits;
      return attention.pass(of, ids, mask_of(of.config)).logits;
    };
    EXPECT_LT(largest_error(logits(pooled).span(), logits(params).span()), 1e-4);
  }
}

TEST(FamilySurgery, WithoutRotaryPositionsHeadsMayBeOdd) {
  const ModelShape shape = test::family_config("gpt2").shape;
  EXPECT_THAT(valid_heads(shape, PositionKind::kLearned), ElementsAre(1, 3, 5, 15));
  EXPECT_THAT(valid_heads(shape), ElementsAre(3)) << "rotary positions leave the trained number alone";
  EXPECT_THAT(valid_lab_heads(12, PositionKind::kLearned), ElementsAre(1, 2, 3, 4, 6, 12));
  EXPECT_THAT(valid_lab_heads(12), ElementsAre(1, 2, 3, 6));
  const Snapped snapped = snap_heads(shape, 4, PositionKind::kLearned);
  EXPECT_EQ(snapped.value, 3);
  EXPECT_EQ(snapped.why, "h = 4 does not divide 15; d_k = 15 / h must be whole");
  EXPECT_THAT(valid_kv_heads(shape, 5, PositionKind::kLearned), ElementsAre(1, 5));
}

TEST(FamilySurgery, EachHeadKeepsItsOwnRelativePositions) {
  const ModelConfig config = test::relative_config();
  EXPECT_THAT(valid_heads(config.shape, PositionKind::kRelative), ElementsAre(4));
  EXPECT_EQ(snap_heads(config.shape, 2, PositionKind::kRelative).why,
            "h = 2 is not the trained 4, and each trained head has its own bias for every distance");
  EXPECT_THROW(slice_heads(test::stirred_params(config, 3), 2), ShapeError);
  EXPECT_THAT(valid_lab_heads(12, PositionKind::kRelative), ElementsAre(1, 2, 3, 4, 6, 12)) << "random ones are drawn for any h";
}

TEST(LongForward, EqualsTheShortPassInEveryForm) {
  for (const ModelConfig& config : one_stack_configs()) {
    SCOPED_TRACE(config.family);
    const ModelParams params = test::stirred_params(config, 5);
    const std::vector<std::int32_t> ids = test::some_ids(9, config.shape.vocab_size);
    test::CpuAttention attention;
    const ForwardTrace whole = attention.pass(params, ids, mask_of(config));
    LongPassOptions options;
    options.mask = mask_of(config);
    options.rows_per_stretch = 2;
    for (const ForwardTrace& trace : {long_forward(params, ids, *attention.backend, attention.pool, options),
                                      long_forward(params, ids, *attention.layer, attention.pool, options)}) {
      EXPECT_LT(largest_error(trace.output.span(), whole.output.span()), 1e-4);
      EXPECT_LT(largest_error(logits_of(params, trace, 4, attention.pool).span(), whole.logits.row(4)), 1e-4);
      const std::vector<double> losses = next_token_losses(params, trace, attention.pool, options),
                                expected = next_token_losses(whole.logits, ids);
      for (std::size_t i = 0; i < expected.size(); ++i)
        EXPECT_NEAR(losses[i], expected[i], 1e-4);
    }
    const ForwardTrace first = first_layer_pass(params, ids, attention.pool, options);
    EXPECT_LT(largest_error(first.layers[0].attention.q.span(), whole.layers[0].attention.q.span()), 1e-5);
    EXPECT_LT(largest_error(first.layers[0].attention.k.span(), whole.layers[0].attention.k.span()), 1e-5);
    for (std::int64_t i = 0; i < std::ssize(ids); ++i) {
      const FirstLayerVectors alone = first_layer_vectors(params, ids[static_cast<std::size_t>(i)], i);
      EXPECT_LT(largest_error(alone.normed, whole.layers[0].normed.row(i)), 1e-5);
      EXPECT_LT(largest_error(alone.v, whole.layers[0].attention.v.row(i)), 1e-5);
    }
  }
}

TEST(LearnedPositions, NoPassReadsBeyondThem) {
  const ModelParams params = test::stirred_params(test::family_config("gpt2"), 6);
  const std::vector<std::int32_t> ids = test::some_ids(10, 13);
  test::CpuAttention attention;
  EXPECT_THROW(long_forward(params, ids, *attention.backend, attention.pool, {}), ShapeError);
  EXPECT_THROW(first_layer_pass(params, ids, attention.pool, {}), ShapeError);
  EXPECT_THROW(first_layer_vectors(params, 1, 9), ShapeError);
  EXPECT_THROW(first_layer_vectors(params, 1, -1), ShapeError);
  const ModelParams pair = test::stirred_params(test::family_config("bart"), 6);
  const std::span<const std::int32_t> few = std::span(ids).first(3);
  EXPECT_THROW(translate_pass(pair, ids, few, *attention.backend, attention.pool), ShapeError);
  EXPECT_THROW(translate_pass(pair, few, ids, *attention.backend, attention.pool), ShapeError);
  EXPECT_THROW(translate_pass(params, few, few, *attention.backend, attention.pool), ShapeError);
}

TEST(BlockTrace, TellsWhatTheProjectionsRead) {
  for (const ModelConfig& config : one_stack_configs()) {
    SCOPED_TRACE(config.family);
    const ModelParams params = test::stirred_params(config, 7);
    test::CpuAttention attention;
    const ForwardTrace trace = attention.pass(params, test::some_ids(6, 13), mask_of(config));
    for (const LayerTrace& layer : trace.layers) {
      const double difference = largest_error(layer.input.span(), layer.normed.span());
      if (config.norm_place == NormPlace::kAfter) {
        EXPECT_EQ(difference, 0);
      } else {
        EXPECT_GT(difference, 1e-2);
      }
    }
  }
}

}  // namespace
}  // namespace headroom
