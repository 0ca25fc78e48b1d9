// Encoders and encoder-decoders against transformers (tests/golden/make_encoder_golden.py): each layer and head, hidden states, logits.

#include <gmock/gmock.h>

#include "core/formats/save_model.h"
#include "core/model/forward_steps.h"
#include "core/model/long_pass.h"
#include "core/tensor/error.h"
#include "tests/model/encoders.h"

namespace headroom {
namespace {

using test::EncoderText;
using ::testing::Combine;
using ::testing::IsEmpty;
using ::testing::Values;

constexpr double kRelativeTolerance = 2e-4;
constexpr double kProbsTolerance = 1e-4;

LoadedModel load(const std::string& name) { return load_model_folder(test::kEncodersFolder + name); }

ForwardTrace pass(const ModelParams& params, const EncoderText& text, const char* backend) {
  test::CpuAttention attention(backend);
  return forward(params, text.ids, *attention.layer, attention.pool, {.mask = text.mask(), .token_types = text.types, .stop = {}});
}

TranslationTrace translate(const ModelParams& params, const EncoderText& text, const char* backend) {
  test::CpuAttention attention(backend);
  return translate_pass(params, text.source, text.ids, *attention.backend, attention.pool,
                        {.encoder_mask = text.source_mask(), .stop = {}});
}

// ---- Each family -------------------------------------------------------------------------------------------------------------------

class Encoders : public ::testing::TestWithParam<std::tuple<const char*, const char*>> {};

TEST_P(Encoders, AgreeWithTransformers) {
  const auto& [name, backend] = GetParam();
  const LoadedModel model = load(name);
  const std::vector<EncoderText> texts = test::read_encoder_texts(name);
  ASSERT_FALSE(texts.empty());
  for (const EncoderText& text : texts) {
    const ForwardTrace trace = pass(model.params, text, backend);
    const std::int64_t rows = text.n_rows();
    EXPECT_LT(test::largest_probs_error(trace.layers, text.mask(), text.attentions, rows), kProbsTolerance);
    EXPECT_LT(test::hidden_error(trace.layers, text.hidden, rows), kRelativeTolerance);
    EXPECT_LT(test::last_hidden_error(trace.output, text.hidden, rows), kRelativeTolerance);
    ASSERT_EQ(model.params.config.predicts, !text.logits.empty());
    if (text.logits.empty()) continue;
    EXPECT_LT(test::logits_error(trace.logits, text), kRelativeTolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Encoders,
                         Combine(Values("bert-pretraining", "bert-old-names", "bert-classifier", "minilm", "minilm-no-pooler",
                                        "roberta", "roberta-encoder", "xlm-roberta", "distilbert", "distilbert-sinusoidal"),
                                 Values("reference", "naive", "flash")));

class Translators : public ::testing::TestWithParam<std::tuple<const char*, const char*>> {};

TEST_P(Translators, AgreeWithTransformers) {
  const auto& [name, backend] = GetParam();
  const LoadedModel model = load(name);
  EXPECT_THAT(model.notices, IsEmpty());
  const std::vector<EncoderText> texts = test::read_encoder_texts(name);
  ASSERT_FALSE(texts.empty());
  for (const EncoderText& text : texts) {
    const TranslationTrace trace = translate(model.params, text, backend);
    const std::int64_t rows = text.n_rows(), source_rows = text.n_source_rows();
    const Mask& all = trace.cross.mask;
    EXPECT_EQ(all.key_lengths, text.source_mask().key_lengths);
    EXPECT_LT(test::largest_probs_error(trace.encoder.layers, trace.encoder.mask, text.encoder_attentions, source_rows),
              kProbsTolerance);
    EXPECT_LT(test::largest_probs_error(trace.decoder.layers, trace.decoder.mask, text.attentions), kProbsTolerance);
    EXPECT_LT(test::largest_probs_error(trace.cross.layers, all, text.cross_attentions), kProbsTolerance);
    EXPECT_LT(test::hidden_error(trace.encoder.layers, text.encoder_hidden, source_rows), kRelativeTolerance);
    EXPECT_LT(test::last_hidden_error(trace.encoder.output, text.encoder_hidden, source_rows), kRelativeTolerance);
    EXPECT_LT(test::hidden_error(trace.decoder.layers, text.hidden, rows), kRelativeTolerance);
    for (const LayerTrace& layer : trace.cross.layers)
      EXPECT_EQ(layer.position_bias, nullptr);
    if (text.logits.empty()) continue;
    EXPECT_LT(test::logits_error(trace.decoder.logits, text), kRelativeTolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Translators,
                         Combine(Values("t5", "t5-v1_1", "t5-gated-silu", "bart-scaled", "bart-model"),
                                 Values("reference", "naive", "flash")));

class EncodersAlone : public ::testing::TestWithParam<const char*> {};

TEST_P(EncodersAlone, ComputeTheEncodersPart) {
  const LoadedModel model = load(GetParam());
  const ModelParams encoder = encoder_alone(model.params);
  EXPECT_FALSE(encoder.config.predicts);
  EXPECT_EQ(encoder.config.shape.n_layers, model.params.config.n_encoder_layers);
  test::CpuAttention attention;
  for (const EncoderText& text : test::read_encoder_texts(GetParam())) {
    const ForwardTrace alone =
        forward(encoder, text.source, *attention.layer, attention.pool, {.mask = text.source_mask(), .stop = {}});
    EXPECT_TRUE(alone.logits.empty());
    EXPECT_LT(test::largest_probs_error(alone.layers, text.source_mask(), text.encoder_attentions, text.n_source_rows()),
              kProbsTolerance);
    EXPECT_LT(test::hidden_error(alone.layers, text.encoder_hidden, text.n_source_rows()), kRelativeTolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, EncodersAlone, Values("t5", "t5-v1_1", "bart-scaled"));

// ---- What a file's tensors tell ----------------------------------------------------------------------------------------------------

TEST(EncoderFiles, UnusedHeadsAreToldAndOldNamesAreNot) {
  EXPECT_THAT(load("bert-old-names").notices, IsEmpty());
  EXPECT_THAT(load("minilm-no-pooler").notices, IsEmpty());
  EXPECT_THAT(load("roberta").notices, IsEmpty());
  EXPECT_THAT(load("minilm").notices, ::testing::ElementsAre("2 tensors are not used: pooler.dense.bias, pooler.dense.weight."));
  EXPECT_THAT(
      load("bert-classifier").notices,
      ::testing::ElementsAre("4 tensors are not used: bert.pooler.dense.bias, bert.pooler.dense.weight, classifier.bias and 1 "
                             "more."));
}

TEST(EncoderFiles, AModelWithoutItsHeadPredictsNothing) {
  for (const char* name : {"bert-classifier", "minilm", "minilm-no-pooler", "roberta-encoder", "distilbert-sinusoidal"}) {
    const ModelConfig config = load(name).params.config;
    EXPECT_FALSE(config.predicts) << name;
    EXPECT_FALSE(config.has_head_transform || config.has_output_bias) << name;
  }
  EXPECT_TRUE(load("bert-pretraining").params.config.predicts);
}

TEST(EncoderFiles, TokenTypesAreATableOfTheirOwn) {
  EXPECT_EQ(load("bert-pretraining").params.token_types.dim(0), 2);
  EXPECT_EQ(load("minilm-no-pooler").params.token_types.dim(0), 3);
  EXPECT_EQ(load("roberta").params.token_types.dim(0), 1);
  EXPECT_TRUE(load("distilbert").params.token_types.empty());
  EXPECT_TRUE(load_model_folder(test::asset("models/grammar-masked")).params.token_types.empty()) << "rows of zeros say nothing";
}

TEST(EncoderFiles, T5SaysWhatItsOutputIs) {
  const ModelConfig old = load("t5").params.config, later = load("t5-v1_1").params.config;
  EXPECT_TRUE(old.ties_embeddings);
  EXPECT_FLOAT_EQ(old.logit_scale, 1 / std::sqrt(26.0f));
  EXPECT_FALSE(later.ties_embeddings);
  EXPECT_EQ(later.logit_scale, 1);
  EXPECT_EQ(later.mlp, MlpKind::kGeGluTanh);
  EXPECT_NE(old.shape.n_heads * old.shape.d_head, old.shape.d_model);
  EXPECT_NE(old.shape.n_layers, old.n_encoder_layers);
}

// ---- Token types, padding, distances ------------------------------------------------------------------------------------------------

TEST(TokenTypes, AWrongNumberOrAnUnknownTypeIsRefused) {
  const LoadedModel model = load("bert-pretraining");
  EncoderText text = test::read_encoder_texts("bert-pretraining").front();
  const auto sentence = [&]() -> std::string {
    try {
      pass(model.params, text, "flash");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(sentence(), "");
  text.types[3] = 2;
  EXPECT_EQ(sentence(), "token 3 has type 2, but the model has learned only 2 types");
  text.types[3] = -1;
  EXPECT_EQ(sentence(), "token 3 has type -1, but the model has learned only 2 types");
  text.types.pop_back();
  EXPECT_EQ(sentence(), "there are 10 token types for 11 tokens");
}

TEST(TokenTypes, NoTypesAreAllOfTypeZero) {
  const LoadedModel model = load("bert-pretraining");
  EncoderText text = test::read_encoder_texts("bert-pretraining").front();
  text.types.assign(text.ids.size(), 0);
  const ForwardTrace zeros = pass(model.params, text, "flash");
  text.types.clear();
  EXPECT_EQ(test::largest_error(pass(model.params, text, "flash").logits.span(), zeros.logits.span()), 0);
}

TEST(TokenTypes, LongPassesAddThemToo) {
  const LoadedModel model = load("bert-pretraining");
  const EncoderText text = test::read_encoder_texts("bert-pretraining").front();
  test::CpuAttention attention;
  const ForwardTrace whole = pass(model.params, text, "flash");
  const LongPassOptions options{.mask = text.mask(), .token_types = text.types, .stop = {}, .progress = {}, .rows_per_stretch = 4};
  const ForwardTrace stretches = long_forward(model.params, text.ids, *attention.backend, attention.pool, options);
  EXPECT_LT(test::largest_error(stretches.output.span(), whole.output.span()), 1e-5);
  const ForwardTrace first = first_layer_pass(model.params, text.ids, attention.pool, options);
  EXPECT_LT(test::largest_error(first.layers[0].attention.q.span(), whole.layers[0].attention.q.span()), 1e-5);
  const FirstLayerVectors vectors = first_layer_vectors(model.params, text.ids[8], 8, text.types[8]);
  EXPECT_LT(test::largest_error(vectors.normed, whole.layers[0].normed.row(8)), 1e-6);
  LongPassOptions wrong = options;
  wrong.token_types.pop_back();
  EXPECT_THROW(first_layer_pass(model.params, text.ids, attention.pool, wrong), ShapeError);
}

TEST(RelativePositions, BucketsAreTransformersOwn) {
  const SafetensorsFile file(test::kEncodersFolder + "buckets.safetensors");
  const std::vector<std::int64_t> settings = file.read_integers(*file.find("settings"));
  const std::vector<std::int64_t> buckets = file.read_integers(*file.find("buckets"));
  const std::size_t n_settings = settings.size() / 3, n_distances = buckets.size() / n_settings;
  ASSERT_EQ(n_settings, 16u);
  const auto reach = static_cast<std::int64_t>(n_distances / 2);
  for (std::size_t s = 0; s < n_settings; ++s) {
    const std::int64_t n = settings[3 * s + 1], largest = settings[3 * s + 2];
    Tensor table({n, 2});
    for (std::int64_t b = 0; b < n; ++b) {
      table.row(b)[0] = static_cast<float>(b);
      table.row(b)[1] = static_cast<float>(100 + b);
    }
    const PositionBias bias = bucketed_bias(table, largest, settings[3 * s] == 1);
    for (std::int64_t distance = -reach; distance <= reach; ++distance) {
      const std::int64_t theirs = buckets[s * n_distances + static_cast<std::size_t>(distance + reach)];
      ASSERT_EQ(bias.at(0, distance), static_cast<float>(theirs)) << "setting " << s << ", distance " << distance;
      ASSERT_EQ(bias.at(1, distance), static_cast<float>(100 + theirs));
    }
  }
}

TEST(Padding, WhatStandsThereChangesNothing) {
  const LoadedModel model = load("t5");
  EncoderText text = test::read_encoder_texts("t5")[1];
  ASSERT_TRUE(text.source_length.has_value());
  const TranslationTrace trace = translate(model.params, text, "flash");
  for (std::size_t i = static_cast<std::size_t>(*text.source_length); i < text.source.size(); ++i)
    text.source[i] = 3;
  EXPECT_EQ(test::largest_error(translate(model.params, text, "flash").decoder.logits.span(), trace.decoder.logits.span()), 0);
}

}  // namespace
}  // namespace headroom
