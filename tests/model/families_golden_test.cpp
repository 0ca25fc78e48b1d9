// GPT-2, BERT and BART against transformers in double (tests/golden/make_family_golden.py): what each family's dialect of tensors means.

#include <gmock/gmock.h>

#include "core/analysis/tile.h"
#include "core/model/surgery.h"
#include "core/model/translation_pass.h"
#include "core/tensor/error.h"
#include "tests/model/models.h"

namespace headroom {
namespace {

using test::largest_probs_error;
using test::own_mask;

const std::string kFamiliesFolder = HEADROOM_SOURCE_DIR "/tests/golden/families/";

/// Logits of these random models are of order ten.
constexpr double kRelativeLogitsTolerance = 2e-4;
constexpr double kProbsTolerance = 1e-4;
/// What a wrongly read model differs by at least.
constexpr double kClearlyWrong = 0.05;

struct Golden {
  explicit Golden(const std::string& name)
      : model(load_model_folder(kFamiliesFolder + name)), file(kFamiliesFolder + name + "/golden.safetensors") {
    ids = read_ids("input_ids");
    source = read_ids("source_ids");
    logits = file.read_float(*file.find("logits"));
  }
  std::vector<std::int32_t> read_ids(const char* name) const {
    std::vector<std::int32_t> values;
    for (const std::int64_t id : file.read_integers(*file.find(name)))
      values.push_back(static_cast<std::int32_t>(id));
    return values;
  }

  LoadedModel model;
  SafetensorsFile file;
  std::vector<std::int32_t> ids, source;
  Tensor logits;
};

/// Largest |a - b|, in parts of the largest |b|.
double relative_error(const Tensor& ours, const Tensor& theirs) {
  float largest = 0;
  for (const float value : theirs.span())
    largest = std::max(largest, std::abs(value));
  return test::largest_error(ours.span(), theirs.span()) / static_cast<double>(largest);
}

double logits_error(const ModelParams& params, const Golden& golden, const std::string& backend = "flash") {
  test::CpuAttention attention(backend);
  if (params.config.kind == ModelKind::kEncoderDecoder)
    return relative_error(translate_pass(params, golden.source, golden.ids, *attention.backend, attention.pool).decoder.logits,
                          golden.logits);
  return relative_error(attention.pass(params, golden.ids, own_mask(params)).logits, golden.logits);
}

class OneStack : public ::testing::TestWithParam<std::tuple<const char*, const char*>> {};

TEST_P(OneStack, AgreesWithTransformers) {
  const auto& [name, backend] = GetParam();
  const Golden golden(name);
  EXPECT_THAT(golden.model.notices, ::testing::IsEmpty());
  test::CpuAttention attention(backend);
  const Mask mask = own_mask(golden.model.params);
  const ForwardTrace trace = attention.pass(golden.model.params, golden.ids, mask);
  EXPECT_LT(relative_error(trace.logits, golden.logits), kRelativeLogitsTolerance);
  EXPECT_LT(largest_probs_error(trace.layers, mask, golden.file.read_float(*golden.file.find("attentions"))), kProbsTolerance);
}

INSTANTIATE_TEST_SUITE_P(Families, OneStack,
                         ::testing::Combine(::testing::Values("qwen2", "qwen2-attention-only", "gpt2", "gpt2-untied",
                                                              "gpt2-attention-only", "bert", "bert-attention-only"),
                                            ::testing::Values("reference", "flash")));

class TwoStacks : public ::testing::TestWithParam<const char*> {};

TEST_P(TwoStacks, AgreeWithTransformers) {
  const Golden golden(GetParam());
  EXPECT_THAT(golden.model.notices, ::testing::IsEmpty());
  test::CpuAttention attention;
  const TranslationTrace trace = translate_pass(golden.model.params, golden.source, golden.ids, *attention.backend, attention.pool);
  EXPECT_LT(relative_error(trace.decoder.logits, golden.logits), kRelativeLogitsTolerance);
  const Mask all{.direction = Direction::kBidirectional};
  const auto probs = [&](const char* name) { return golden.file.read_float(*golden.file.find(name)); };
  EXPECT_LT(largest_probs_error(trace.encoder.layers, all, probs("encoder_attentions")), kProbsTolerance);
  EXPECT_LT(largest_probs_error(trace.decoder.layers, {}, probs("attentions")), kProbsTolerance);
  EXPECT_LT(largest_probs_error(trace.cross.layers, all, probs("cross_attentions")), kProbsTolerance);
  EXPECT_EQ(trace.cross.layers.front().attention.logsumexp.shape(),
            (std::vector<std::int64_t>{golden.model.params.config.shape.n_heads, std::ssize(golden.ids)}));
}

INSTANTIATE_TEST_SUITE_P(Families, TwoStacks, ::testing::Values("bart", "bart-attention-only"));

TEST(EncoderAlone, ComputesTheEncodersPart) {
  const Golden golden("bart");
  const ModelParams encoder = encoder_alone(golden.model.params);
  EXPECT_EQ(encoder.config.shape.n_layers, 2);
  EXPECT_FALSE(encoder.config.predicts);
  test::CpuAttention attention;
  const Mask mask = own_mask(encoder);
  EXPECT_EQ(mask.direction, Direction::kBidirectional);
  const ForwardTrace alone = attention.pass(encoder, golden.source, mask);
  EXPECT_TRUE(alone.logits.empty());
  EXPECT_LT(largest_probs_error(alone.layers, mask, golden.file.read_float(*golden.file.find("encoder_attentions"))),
            kProbsTolerance);
  const TranslationTrace whole = translate_pass(golden.model.params, golden.source, golden.ids, *attention.backend, attention.pool);
  EXPECT_EQ(test::largest_error(alone.output.span(), whole.encoder.output.span()), 0);
  EXPECT_THROW(attention.pass(golden.model.params, golden.source), ShapeError);
  EXPECT_THROW(encoder_alone(encoder), ShapeError);
}

TEST(SlicedGpt2, AgreesWithTransformersWithAnotherNumberOfHeads) {
  const Golden golden("gpt2");
  const ModelParams sliced = slice_heads(golden.model.params, 5);
  EXPECT_EQ(sliced.config.shape.d_head, 3) << "without rotary positions d_k may be odd";
  test::CpuAttention attention;
  const ForwardTrace trace = attention.pass(sliced, golden.ids);
  EXPECT_LT(relative_error(trace.logits, golden.file.read_float(*golden.file.find("sliced.5.logits"))), kRelativeLogitsTolerance);
  EXPECT_LT(largest_probs_error(trace.layers, {}, golden.file.read_float(*golden.file.find("sliced.5.attentions"))),
            kProbsTolerance);
  EXPECT_GT(logits_error(sliced, golden), kClearlyWrong) << "another h is another model";
}

// ---- Negative twins: each trap of a dialect, fallen into on purpose, is seen by the comparison above ------------------------------

Tensor transposed(const Tensor& matrix) {
  Tensor result({matrix.dim(1), matrix.dim(0)});
  for (std::int64_t r = 0; r < matrix.dim(0); ++r)
    for (std::int64_t c = 0; c < matrix.dim(1); ++c)
      result.row(c)[static_cast<std::size_t>(r)] = matrix.row(r)[static_cast<std::size_t>(c)];
  return result;
}

TEST(FamilyTwin, Gpt2WithoutTheTransposeOfConv1D) {
  const Golden golden("gpt2");
  ModelParams wrong = golden.model.params;
  for (LayerParams& layer : wrong.layers)
    layer.w_o = transposed(layer.w_o);
  EXPECT_GT(logits_error(wrong, golden), kClearlyWrong);
  EXPECT_LT(logits_error(golden.model.params, golden), kRelativeLogitsTolerance);
}

TEST(FamilyTwin, Gpt2WithQueriesAndKeysExchanged) {
  const Golden golden("gpt2");
  ModelParams wrong = golden.model.params;
  for (LayerParams& layer : wrong.layers) {
    std::swap(layer.w_q, layer.w_k);
    std::swap(layer.b_q, layer.b_k);
  }
  EXPECT_GT(logits_error(wrong, golden), kClearlyWrong);
}

TEST(FamilyTwin, Gpt2WithTheNormAfter) {
  const Golden golden("gpt2");
  ModelParams wrong = golden.model.params;
  wrong.config.norm_place = NormPlace::kAfter;
  EXPECT_GT(logits_error(wrong, golden), kClearlyWrong);
}

TEST(FamilyTwin, BertWithTheNormBefore) {
  const Golden golden("bert");
  ModelParams wrong = golden.model.params;
  wrong.config.norm_place = NormPlace::kBefore;
  wrong.final_norm = Tensor({14});
  for (float& gain : wrong.final_norm.span())
    gain = 1;
  wrong.final_norm_bias = Tensor({14});
  EXPECT_GT(logits_error(wrong, golden), kClearlyWrong);
}

TEST(FamilyTwin, BertWithoutItsTokenType) {
  const Golden golden("bert");
  ModelParams wrong = golden.model.params;
  wrong.token_types = Tensor();
  EXPECT_GT(logits_error(wrong, golden), kClearlyWrong);
}

TEST(FamilyTwin, BertThatSeesOnlyWhatCameBefore) {
  const Golden golden("bert");
  test::CpuAttention attention;
  EXPECT_GT(relative_error(attention.pass(golden.model.params, golden.ids, {}).logits, golden.logits), kClearlyWrong);
}

TEST(FamilyTwin, BertWithoutTheTransformOfItsHead) {
  const Golden golden("bert");
  ModelParams wrong = golden.model.params;
  wrong.config.has_head_transform = false;
  EXPECT_GT(logits_error(wrong, golden), kClearlyWrong);
}

TEST(FamilyTwin, TheOtherGelu) {
  const Golden golden("bert");
  ModelParams wrong = golden.model.params;
  wrong.config.mlp = MlpKind::kGeluTanh;
  EXPECT_GT(logits_error(wrong, golden), 2 * logits_error(golden.model.params, golden)) << "the two are close, but apart";
}

TEST(FamilyTwin, BartWithoutTheOffsetOfItsPositions) {
  const Golden golden("bart");
  const SafetensorsFile file(kFamiliesFolder + "bart/model.safetensors");
  for (const bool is_encoder : {true, false}) {
    ModelParams wrong = golden.model.params;
    Tensor& positions = is_encoder ? wrong.encoder_positions : wrong.positions;
    positions =
        file.read_float(*file.find(is_encoder ? "model.encoder.embed_positions.weight" : "model.decoder.embed_positions.weight"));
    EXPECT_GT(logits_error(wrong, golden), kClearlyWrong) << is_encoder;
  }
}

TEST(FamilyTwin, BartWithTheTwoAttentionsExchanged) {
  const Golden golden("bart");
  ModelParams wrong = golden.model.params;
  for (LayerParams& layer : wrong.layers) {
    std::swap(layer.attention_norm, layer.cross.norm);
    std::swap(layer.attention_norm_bias, layer.cross.norm_bias);
  }
  EXPECT_GT(logits_error(wrong, golden), kClearlyWrong);
}

TEST(FamilyTwin, BartWithoutItsOutputBias) {
  const Golden golden("bart");
  ModelParams wrong = golden.model.params;
  wrong.output_bias = Tensor();
  EXPECT_GT(logits_error(wrong, golden), 0.01);
}

TEST(LearnedPositions, ALongerTextIsRefusedInOneSentence) {
  const Golden golden("gpt2");
  test::CpuAttention attention;
  EXPECT_NO_THROW(attention.pass(golden.model.params, test::some_ids(11, 23)));
  try {
    attention.pass(golden.model.params, test::some_ids(12, 23));
    FAIL() << "nothing was thrown";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(), "the text has 12 tokens, but the model has learned only 11 positions");
  }
}

}  // namespace
}  // namespace headroom
