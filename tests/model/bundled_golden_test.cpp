// Every bundled model against transformers in double (tests/golden/make_bundled_golden.py).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "core/model/translation_pass.h"
#include "tests/model/models.h"

namespace headroom {
namespace {

using test::GoldenText;
using test::largest_error;
using test::largest_probs_error;

constexpr double kLogitsTolerance = 1e-3;
constexpr double kProbsTolerance = 1e-4;

struct Errors {
  double logits = 0, probs = 0;
};

Errors errors_of(const ModelParams& params, const GoldenText& golden, test::CpuAttention& attention) {
  if (params.config.kind != ModelKind::kEncoderDecoder) {
    const Mask mask = test::own_mask(params);
    const ForwardTrace trace = attention.pass(params, golden.ids, mask);
    return {largest_error(trace.logits.span(), golden.logits.span()), largest_probs_error(trace.layers, mask, golden.probs)};
  }
  const TranslationTrace trace = translate_pass(params, golden.source, golden.ids, *attention.backend, attention.pool);
  const Mask all{.direction = Direction::kBidirectional};
  return {largest_error(trace.decoder.logits.span(), golden.logits.span()),
          std::max({largest_probs_error(trace.decoder.layers, {}, golden.probs),
                    largest_probs_error(trace.encoder.layers, all, golden.encoder_probs),
                    largest_probs_error(trace.cross.layers, all, golden.cross_probs)})};
}

class BundledGolden : public testing::TestWithParam<std::tuple<const char*, const char*>> {};

TEST_P(BundledGolden, AgreesWithTransformers) {
  const auto& [name, backend] = GetParam();
  const LoadedModel model = load_model_folder(test::asset(std::string("models/") + name));
  EXPECT_THAT(model.notices, testing::IsEmpty());
  const std::vector<GoldenText> texts = test::read_golden(name);
  ASSERT_EQ(texts.size(), 4u);
  test::CpuAttention attention(backend);
  Errors largest;
  for (const GoldenText& golden : texts) {
    const Errors errors = errors_of(model.params, golden, attention);
    EXPECT_LT(errors.logits, kLogitsTolerance) << golden.text;
    EXPECT_LT(errors.probs, kProbsTolerance) << golden.text;
    largest = {std::max(largest.logits, errors.logits), std::max(largest.probs, errors.probs)};
    std::vector<std::int32_t> ids;
    for (const Token& token : model.tokenizer->encode(golden.text, 1000).tokens)
      ids.push_back(token.id);
    EXPECT_EQ(ids, golden.source.empty() ? golden.ids : golden.source) << "the tokenizers agree on " << golden.text;
  }
  std::printf("%s, %s: largest error of logits %.2g, of probs %.2g\n", name, backend, largest.logits, largest.probs);
}

TEST_P(BundledGolden, IsMissedByAnotherModel) {
  const auto& [name, backend] = GetParam();
  LoadedModel model = load_model_folder(test::asset(std::string("models/") + name));
  std::swap(model.params.layers[0].w_q, model.params.layers[1].w_q);
  test::CpuAttention attention(backend);
  const Errors errors = errors_of(model.params, test::read_golden(name)[0], attention);
  EXPECT_GT(errors.logits, 100 * kLogitsTolerance);
  EXPECT_GT(errors.probs, 100 * kProbsTolerance);
}

INSTANTIATE_TEST_SUITE_P(Models, BundledGolden,
                         testing::Combine(testing::Values("grammar-base", "grammar-gqa", "grammar-mqa", "grammar-learned",
                                                          "grammar-masked", "grammar-translation", "induction"),
                                          testing::Values("reference", "flash")),
                         [](const auto& test_info) {
                           std::string name = std::string(std::get<0>(test_info.param)) + "_" + std::get<1>(test_info.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace headroom
