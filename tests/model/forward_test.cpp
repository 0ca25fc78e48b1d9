#include "core/model/forward.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/tensor/error.h"
#include "tests/model/double_forward.h"
#include "tests/model/models.h"

namespace headroom {
namespace {

using test::CpuAttention;

/// Float32 against double over two or three blocks of activations of order one.
constexpr double kTolerance = 2e-5;

double largest_error(const Tensor& logits, const test::DoublePass& oracle) {
  double largest = 0;
  for (std::int64_t i = 0; i < logits.dim(0); ++i) {
    for (std::int64_t c = 0; c < logits.dim(1); ++c) {
      const double exact = oracle.logits[static_cast<std::size_t>(i)][static_cast<std::size_t>(c)];
      const double error = std::abs(static_cast<double>(logits.row(i)[static_cast<std::size_t>(c)]) - exact);
      if (!(error <= largest)) largest = error;
    }
  }
  return largest;
}

ModelConfig config_of(std::int64_t n_heads, std::int64_t n_kv_heads, std::int64_t d_head) {
  ModelConfig config;
  config.shape = {.n_layers = 2,
                  .d_model = 20,
                  .n_heads = n_heads,
                  .n_kv_heads = n_kv_heads,
                  .d_head = d_head,
                  .d_ff = 27,
                  .vocab_size = 37,
                  .max_positions = 64};
  config.rope_theta = 100;
  return config;
}

struct ShapeCase {
  const char* name;
  std::int64_t n_heads, n_kv_heads, d_head, seq;
  bool ties, qkv_bias, o_bias;
};

class ForwardShapes : public testing::TestWithParam<ShapeCase> {};

TEST_P(ForwardShapes, AgreeWithTheDoubleOracle) {
  const ShapeCase& c = GetParam();
  ModelConfig config = config_of(c.n_heads, c.n_kv_heads, c.d_head);
  config.ties_embeddings = c.ties;
  config.has_qkv_bias = c.qkv_bias;
  config.has_o_bias = c.o_bias;
  const ModelParams params = test::odd_params(config, 11);
  const std::vector<std::int32_t> ids = test::some_ids(c.seq, config.shape.vocab_size);
  const test::DoublePass oracle = test::double_forward(params, ids, [](auto i, auto j) { return j <= i; });
  for (const char* backend : {"reference", "naive", "flash"}) {
    CpuAttention attention(backend);
    EXPECT_LT(largest_error(attention.pass(params, ids).logits, oracle), kTolerance) << backend;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Model, ForwardShapes,
    testing::Values(ShapeCase{"mha", 4, 4, 6, 9, true, true, false}, ShapeCase{"gqa", 6, 2, 4, 13, true, true, false},
                    ShapeCase{"mqa", 5, 1, 2, 7, true, true, false}, ShapeCase{"one_head", 1, 1, 20, 11, true, true, false},
                    ShapeCase{"one_token", 4, 2, 6, 1, true, true, false}, ShapeCase{"untied", 4, 2, 6, 9, false, true, false},
                    ShapeCase{"no_bias", 4, 2, 6, 9, true, false, false}, ShapeCase{"output_bias", 4, 4, 6, 9, false, false, true},
                    ShapeCase{"all_biases", 6, 3, 10, 31, false, true, true}),
    [](const auto& test_info) { return std::string(test_info.param.name); });

struct MaskCase {
  const char* name;
  Mask mask;
  test::IsVisible is_visible;
};

void PrintTo(const MaskCase& c, std::ostream* out) { *out << c.name; }

class ForwardMasks : public testing::TestWithParam<MaskCase> {};

TEST_P(ForwardMasks, AgreeWithTheDoubleOracle) {
  const ModelConfig config = config_of(6, 2, 4);
  const ModelParams params = test::odd_params(config, 5);
  const std::vector<std::int32_t> ids = test::some_ids(17, config.shape.vocab_size);
  const test::DoublePass oracle = test::double_forward(params, ids, GetParam().is_visible);
  CpuAttention attention;
  const ForwardTrace trace = attention.pass(params, ids, GetParam().mask);
  EXPECT_LT(largest_error(trace.logits, oracle), kTolerance);
  EXPECT_EQ(trace.mask, GetParam().mask);
}

MaskPattern pattern(PatternKind kind) {
  MaskPattern p;
  p.kind = kind;
  p.window = 3;
  p.stride = 3;
  p.n_global = 2;
  return p;
}

std::vector<MaskCase> mask_cases() {
  const auto near = [](auto i, auto j, auto width) { return std::abs(i - j) < width; };
  const Mask blocks{Direction::kCausal, 0, pattern(PatternKind::kRandomBlocks), {}};
  return {
      {"causal", {}, [](auto i, auto j) { return j <= i; }},
      {"bidirectional", {Direction::kBidirectional, 0, {}, {}}, [](auto, auto) { return true; }},
      {"local_window",
       {Direction::kCausal, 0, pattern(PatternKind::kLocalWindow), {}},
       [near](auto i, auto j) { return j <= i && near(i, j, 3); }},
      {"strided",
       {Direction::kCausal, 0, pattern(PatternKind::kStrided), {}},
       [near](auto i, auto j) { return j <= i && (near(i, j, 3) || (i - j) % 3 == 0); }},
      {"global_local",
       {Direction::kBidirectional, 0, pattern(PatternKind::kGlobalLocal), {}},
       [near](auto i, auto j) { return near(i, j, 3) || i < 2 || j < 2; }},
      // Which blocks are drawn is the mask's own affair: its tests know them.
      {"random_blocks", blocks, [blocks](auto i, auto j) { return is_visible(blocks, 0, i, j); }},
  };
}

INSTANTIATE_TEST_SUITE_P(Model, ForwardMasks, testing::ValuesIn(mask_cases()),
                         [](const auto& test_info) { return std::string(test_info.param.name); });

TEST(ForwardTrace, HoldsWhatEachBlockReadAndWrote) {
  const ModelConfig config = config_of(6, 2, 4);
  const ModelParams params = test::odd_params(config, 3);
  const std::vector<std::int32_t> ids = test::some_ids(5, config.shape.vocab_size);
  CpuAttention attention;
  const ForwardTrace trace = attention.pass(params, ids);
  ASSERT_EQ(trace.layers.size(), 2u);
  EXPECT_EQ(trace.ids, ids);
  EXPECT_THAT(trace.output.shape(), testing::ElementsAre(5, 20));
  EXPECT_THAT(trace.logits.shape(), testing::ElementsAre(5, 37));
  for (const LayerTrace& layer : trace.layers) {
    EXPECT_THAT(layer.input.shape(), testing::ElementsAre(5, 20));
    EXPECT_THAT(layer.normed.shape(), testing::ElementsAre(5, 20));
    EXPECT_THAT(layer.attention.q.shape(), testing::ElementsAre(5, 24));
    EXPECT_THAT(layer.attention.k.shape(), testing::ElementsAre(5, 8));
    EXPECT_THAT(layer.attention.v.shape(), testing::ElementsAre(5, 8));
    EXPECT_THAT(layer.attention.head_out.shape(), testing::ElementsAre(5, 24));
    EXPECT_THAT(layer.attention.logsumexp.shape(), testing::ElementsAre(6, 5));
    EXPECT_EQ(layer.d_head, 4);
    EXPECT_FLOAT_EQ(layer.scale, 0.5f);
    EXPECT_EQ(layer.index_of(5), 5);
    EXPECT_EQ(layer.index_of(6), -1);
    EXPECT_EQ(layer.index_of(-1), -1);
  }
  for (std::int64_t i = 0; i < 5; ++i) {
    EXPECT_THAT(trace.layers[0].input.row(i), testing::ElementsAreArray(params.embedding.row(ids[static_cast<std::size_t>(i)])));
  }
}

TEST(ForwardTrace, NamesEveryStageOnceInOrder) {
  const ModelConfig config = config_of(4, 4, 6);
  CpuAttention attention;
  const ForwardTrace trace = attention.pass(test::odd_params(config, 3), test::some_ids(6, 37));
  std::vector<std::string> stages;
  for (const StageTime& time : trace.times) {
    stages.push_back(time.stage);
    EXPECT_GE(time.ms, 0) << time.stage;
  }
  EXPECT_THAT(stages, testing::ElementsAre("embed", "norm", "q k v", "rotary", "attention", "W_O", "MLP", "logits"));
}

TEST(Forward, KeepsOnlyLogitsWhenAsked) {
  const ModelConfig config = config_of(4, 4, 6);
  const ModelParams params = test::odd_params(config, 3);
  const std::vector<std::int32_t> ids = test::some_ids(6, 37);
  CpuAttention attention;
  const ForwardTrace full = attention.pass(params, ids);
  const ForwardTrace lean =
      forward(params, ids, *attention.layer, attention.pool, {.mask = {}, .keep = ForwardOptions::Keep::kLogitsOnly, .stop = {}});
  EXPECT_TRUE(lean.layers.empty());
  EXPECT_TRUE(lean.output.empty());
  EXPECT_THAT(lean.logits.span(), testing::ElementsAreArray(full.logits.span()));
}

TEST(Forward, RefusesIdsOutsideTheVocabularyAndNoIds) {
  const ModelParams params = test::odd_params(config_of(4, 4, 6), 3);
  CpuAttention attention;
  EXPECT_THROW(attention.pass(params, {}), ShapeError);
  EXPECT_THROW(attention.pass(params, {0, -1}), Error);
  try {
    attention.pass(params, {0, 37});
    FAIL() << "id 37 of 37 was accepted";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "token 1 has id 37, which is outside the vocabulary of 37");
  }
}

TEST(Forward, StopsWhenAsked) {
  CpuAttention attention;
  std::stop_source source;
  source.request_stop();
  ForwardOptions options;
  options.stop = source.get_token();
  const ModelParams params = test::odd_params(config_of(4, 4, 6), 3);
  EXPECT_THROW(forward(params, test::some_ids(6, 37), *attention.layer, attention.pool, options), Cancelled);
}

TEST(Forward, LetsNaNWeightsThroughWithoutCrashing) {
  ModelParams params = test::odd_params(config_of(4, 4, 6), 3);
  params.layers[0].w_gate.data()[3] = NAN;
  CpuAttention attention;
  const ForwardTrace trace = attention.pass(params, test::some_ids(6, 37));
  EXPECT_TRUE(std::isnan(trace.logits.data()[0]));
}

}  // namespace
}  // namespace headroom
