#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "core/analysis/head_metrics.h"
#include "core/analysis/tile.h"
#include "core/model/surgery.h"
#include "tests/model/models.h"

namespace headroom {
namespace {

using test::CpuAttention;
using test::GoldenText;

/// The bundled models' probabilities against PyTorch in double, as pictures get them: from q, k and logsumexp.
constexpr double kProbsTolerance = 1e-4;

TileRequest whole(std::int64_t layer, std::int64_t head, std::int64_t seq) {
  return {.layer = layer, .head = head, .row_begin = 0, .row_end = seq, .col_begin = 0, .col_end = seq, .rows = seq, .cols = seq};
}

/// Largest error over every layer, head and pair; a masked cell must be 0 in the golden file.
double probs_error(const ForwardTrace& trace, const GoldenText& golden) {
  const std::int64_t seq = std::ssize(golden.ids);
  double largest = 0;
  for (std::int64_t l = 0; l < 4; ++l) {
    for (std::int64_t h = 0; h < 8; ++h) {
      std::vector<float> values = evaluate_tile(trace, whole(l, h, seq)).values;
      for (float& x : values)
        x = std::isnan(x) ? 0 : x;
      const std::size_t size = static_cast<std::size_t>(seq * seq);
      largest = std::max(
          largest, test::largest_error(values, golden.probs.span().subspan(static_cast<std::size_t>(l * 8 + h) * size, size)));
    }
  }
  return largest;
}

class GoldenProbs : public testing::TestWithParam<std::string> {
 protected:
  LoadedModel model_ = load_model_folder(test::asset("models/" + GetParam()));
};

TEST_P(GoldenProbs, AgreeWithPyTorchOnEveryBackend) {
  for (const char* backend : {"reference", "naive", "flash"}) {
    CpuAttention attention(backend);
    double largest = 0;
    for (const GoldenText& golden : test::read_golden(GetParam())) {
      const double error = probs_error(attention.pass(model_.params, golden.ids), golden);
      EXPECT_LT(error, kProbsTolerance) << backend << ": " << golden.text;
      largest = std::max(largest, error);
    }
    std::printf("%s, %s: largest error of evaluated probs %.2g\n", GetParam().c_str(), backend, largest);
  }
}

TEST_P(GoldenProbs, FailWithTheta10000OrAnotherKvHead) {
  CpuAttention attention;
  const GoldenText golden = test::read_golden(GetParam())[0];
  ModelParams params = model_.params;
  params.config.rope_theta = 10000;
  EXPECT_GT(probs_error(attention.pass(params, golden.ids), golden), 100 * kProbsTolerance);
  ForwardTrace trace = attention.pass(model_.params, golden.ids);
  std::reverse(trace.layers[0].kv_head_of.begin(), trace.layers[0].kv_head_of.end());
  EXPECT_GT(probs_error(trace, golden), 100 * kProbsTolerance);
}

TEST_P(GoldenProbs, OfTheFirstLayerSurviveThePruningOfOthers) {
  CpuAttention attention;
  const GoldenText golden = test::read_golden(GetParam())[0];
  const std::int64_t seq = std::ssize(golden.ids);
  const ModelParams pruned = prune_heads(model_.params, std::vector<HeadRef>{{0, 0}, {0, 5}});
  const ForwardTrace trace = attention.pass(pruned, golden.ids), full = attention.pass(model_.params, golden.ids);
  for (std::int64_t h = 0; h < 8; ++h) {
    const Tile tile = evaluate_tile(trace, whole(0, h, seq));
    ASSERT_EQ(tile.is_pruned, h == 0 || h == 5);
    if (tile.is_pruned) continue;
    for (std::int64_t i = 0; i < seq; ++i) {
      for (std::int64_t j = 0; j <= i; ++j) {
        EXPECT_NEAR(evaluate_cell(trace, 0, h, i, j).probability, evaluate_cell(full, 0, h, i, j).probability, 1e-6);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenProbs, testing::Values("grammar-base", "grammar-gqa"), [](const auto& test_info) {
  std::string name = test_info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

/// On the held-out text, as PyTorch measures it: the head with the most mass on the previous token, and how much.
TEST(BundledHeads, LookAtThePreviousTokenAsPyTorchMeasures) {
  struct Role {
    const char* model;
    std::size_t layer, head;
    double mean;
  };
  for (const Role role : {Role{"grammar-base", 2, 1, 0.998}, Role{"grammar-gqa", 0, 0, 0.685}}) {
    const LoadedModel model = load_model_folder(test::asset(std::string("models/") + role.model));
    const std::vector<std::vector<std::int32_t>> rows = test::read_rows(*model.tokenizer);
    CpuAttention attention;
    std::vector<std::vector<double>> means(4, std::vector<double>(8, 0));
    for (const auto& row : rows) {
      const auto measured = measure_heads(attention.pass(model.params, row), 8);
      for (std::size_t l = 0; l < 4; ++l) {
        for (std::size_t h = 0; h < 8; ++h)
          means[l][h] += measured[l][h].scores[0] / static_cast<double>(rows.size());
      }
    }
    EXPECT_NEAR(means[role.layer][role.head], role.mean, 0.002) << role.model;
    for (std::size_t l = 0; l < 4; ++l) {
      for (std::size_t h = 0; h < 8; ++h)
        EXPECT_LE(means[l][h], means[role.layer][role.head]) << role.model << " L" << l << " H" << h;
    }
  }
}

}  // namespace
}  // namespace headroom
