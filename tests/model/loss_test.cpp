#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/model/forward.h"
#include "core/tensor/error.h"
#include "tests/model/double_forward.h"
#include "tests/model/models.h"

namespace headroom {
namespace {

using test::CpuAttention;

Tensor logits_of(std::int64_t rows, std::int64_t vocab) {
  Tensor logits({rows, vocab});
  for (std::int64_t i = 0; i < logits.size(); ++i)
    logits.data()[i] = 4 * std::sin(static_cast<float>(i * i + 1));
  return logits;
}

double exact_loss(std::span<const float> row, std::int32_t next) {
  double sum = 0;
  for (const float x : row)
    sum += std::exp(static_cast<double>(x));
  return std::log(sum) - static_cast<double>(row[static_cast<std::size_t>(next)]);
}

TEST(NextTokenLosses, AreMinusLogSoftmax) {
  for (const std::int64_t vocab : {1, 2, 7, 8, 9, 366}) {
    const Tensor logits = logits_of(4, vocab);
    const std::vector<std::int32_t> ids = test::some_ids(4, vocab);
    const std::vector<double> losses = next_token_losses(logits, ids);
    ASSERT_EQ(losses.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(losses[i], exact_loss(logits.row(static_cast<std::int64_t>(i)), ids[i + 1]), 1e-6) << vocab;
    }
  }
}

TEST(NextTokenLosses, SurviveHugeLogitsAndSingleTokens) {
  Tensor logits({2, 3});
  logits.data()[0] = 1e30f;
  logits.data()[1] = -1e30f;
  EXPECT_NEAR(next_token_losses(logits, std::vector<std::int32_t>{0, 0})[0], 0, 1e-9);
  EXPECT_NEAR(next_token_losses(logits, std::vector<std::int32_t>{0, 1})[0] / 2e30, 1, 1e-6);
  EXPECT_TRUE(next_token_losses(logits_of(1, 3), std::vector<std::int32_t>{2}).empty());
}

TEST(NextTokenLosses, RefuseOtherSizes) {
  EXPECT_THROW(next_token_losses(logits_of(3, 5), std::vector<std::int32_t>{0, 1}), ShapeError);
  EXPECT_THROW(next_token_losses(logits_of(2, 5), std::vector<std::int32_t>{0, 5}), Error);
}

TEST(TopPredictions, AreTheLargestInOrderAndProbabilities) {
  Tensor logits({2, 4});
  const std::vector<double> row{1, 3, 3, -2};
  for (std::size_t c = 0; c < 4; ++c)
    logits.row(1)[c] = static_cast<float>(row[c]);
  const double sum = std::exp(1) + 2 * std::exp(3) + std::exp(-2);
  const std::vector<Prediction> top = top_predictions(logits, 1, 3);
  ASSERT_EQ(top.size(), 3u);
  EXPECT_EQ(top[0].id, 1);
  EXPECT_EQ(top[1].id, 2);
  EXPECT_EQ(top[2].id, 0);
  EXPECT_NEAR(top[0].probability, std::exp(3) / sum, 1e-12);
  EXPECT_NEAR(top[2].probability, std::exp(1) / sum, 1e-12);
  double total = 0;
  for (const Prediction& p : top_predictions(logits, 0, 99))
    total += p.probability;
  EXPECT_NEAR(total, 1, 1e-12);
  EXPECT_THROW(top_predictions(logits, 2, 1), ShapeError);
  EXPECT_THROW(top_predictions(logits, -1, 1), ShapeError);
}

class MeanLoss : public testing::Test {
 protected:
  ModelParams params_ = [] {
    ModelConfig config;
    config.shape = {.n_layers = 2,
                    .d_model = 16,
                    .n_heads = 4,
                    .n_kv_heads = 2,
                    .d_head = 4,
                    .d_ff = 24,
                    .vocab_size = 23,
                    .max_positions = 64};
    return test::odd_params(config, 2);
  }();
  std::vector<std::vector<std::int32_t>> rows_{test::some_ids(7, 23), test::some_ids(1, 23), {}, {4, 3}, test::some_ids(19, 23)};
  CpuAttention attention_;
};

TEST_F(MeanLoss, AveragesOverTokensNotOverRows) {
  double sum = 0;
  int count = 0;
  for (const auto& row : rows_) {
    if (row.size() < 2) continue;
    const test::DoublePass oracle = test::double_forward(params_, row, [](auto i, auto j) { return j <= i; });
    for (std::size_t i = 0; i + 1 < row.size(); ++i, ++count) {
      double total = 0;
      for (const double x : oracle.logits[i])
        total += std::exp(x);
      sum += std::log(total) - oracle.logits[i][static_cast<std::size_t>(row[i + 1])];
    }
  }
  ASSERT_EQ(count, 6 + 1 + 18);
  EXPECT_NEAR(mean_loss(params_, rows_, *attention_.layer, attention_.pool, {}, {}), sum / count, 1e-6);
  EXPECT_NEAR(mean_loss(params_, rows_, attention_.pool, {}, {}), sum / count, 1e-6);
}

TEST_F(MeanLoss, TellsItsProgressToTheEnd) {
  std::vector<double> shares;
  mean_loss(params_, rows_, *attention_.layer, attention_.pool, {}, [&](double share) { shares.push_back(share); });
  EXPECT_THAT(shares, testing::ElementsAre(0.2, 0.4, 0.6, 0.8, 1.0));
  shares.clear();
  mean_loss(params_, rows_, attention_.pool, {}, [&](double share) { shares.push_back(share); });
  EXPECT_THAT(shares, testing::ElementsAre(0.2, 0.4, 0.6, 0.8, 1.0));
}

TEST_F(MeanLoss, StopsAtTheNextRow) {
  std::stop_source source;
  ForwardOptions options;
  options.stop = source.get_token();
  int n_rows = 0;
  const auto stop_at_two = [&](double) {
    if (++n_rows == 2) source.request_stop();
  };
  EXPECT_THROW(mean_loss(params_, rows_, *attention_.layer, attention_.pool, options, stop_at_two), Cancelled);
  EXPECT_EQ(n_rows, 2);
  std::stop_source second;
  options.stop = second.get_token();
  second.request_stop();
  EXPECT_THROW(mean_loss(params_, rows_, attention_.pool, options, {}), Cancelled);
}

TEST_F(MeanLoss, NeedsOneNextToken) {
  const std::vector<std::vector<std::int32_t>> lonely{{1}, {}};
  EXPECT_THROW(mean_loss(params_, lonely, *attention_.layer, attention_.pool, {}, {}), Error);
  EXPECT_THROW(mean_loss(params_, lonely, attention_.pool, {}, {}), Error);
}

}  // namespace
}  // namespace headroom
