#include "core/model/long_pass.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "core/model/surgery.h"
#include "core/tensor/error.h"
#include "tests/model/models.h"

namespace headroom {
namespace {

using test::CpuAttention;
using test::largest_error;

/// The passes differ in the order in which float32 sums are made, through three blocks of activations of order one.
constexpr double kTolerance = 3e-5;

ModelConfig config_of(std::int64_t n_heads, std::int64_t n_kv_heads) {
  ModelConfig config;
  config.shape = {.n_layers = 3,
                  .d_model = 20,
                  .n_heads = n_heads,
                  .n_kv_heads = n_kv_heads,
                  .d_head = 6,
                  .d_ff = 27,
                  .vocab_size = 37,
                  .max_positions = 64};
  config.rope_theta = 100;
  config.has_o_bias = true;
  return config;
}

Mask mask_of(Direction direction, PatternKind kind) {
  Mask mask;
  mask.direction = direction;
  mask.pattern.kind = kind;
  mask.pattern.window = 9;
  mask.pattern.block = 8;
  return mask;
}

const std::vector<Mask>& some_masks() {
  static const std::vector<Mask> masks{
      {},
      mask_of(Direction::kBidirectional, PatternKind::kDense),
      mask_of(Direction::kCausal, PatternKind::kLocalWindow),
      mask_of(Direction::kCausal, PatternKind::kStrided),
      mask_of(Direction::kBidirectional, PatternKind::kGlobalLocal),
      mask_of(Direction::kCausal, PatternKind::kRandomBlocks),
  };
  return masks;
}

void expect_close(const Tensor& actual, const Tensor& expected, const std::string& what) {
  EXPECT_EQ(actual.shape(), expected.shape()) << what;
  EXPECT_LT(largest_error(actual.span(), expected.span()), kTolerance) << what;
}

ModelParams pruned_params() {
  const ModelParams whole = test::odd_params(config_of(6, 3), 5);
  const std::vector<HeadRef> pruned{{0, 1}, {0, 4}, {0, 5}, {1, 0}, {1, 1}, {1, 2}, {1, 3}, {1, 4}, {1, 5}, {2, 3}};
  return prune_heads(whole, pruned);
}

TEST(LongPass, TheFirstLayerIsThatOfAWholePass) {
  const std::vector<std::int32_t> ids = test::some_ids(300, 37);
  for (const ModelParams& params : {test::odd_params(config_of(4, 4), 3), test::odd_params(config_of(4, 1), 4), pruned_params()}) {
    CpuAttention attention;
    const ForwardTrace whole = attention.pass(params, ids);
    for (const std::int64_t stretch : {1, 7, 512}) {
      const ForwardTrace first = first_layer_pass(params, ids, attention.pool, {.mask = {}, .rows_per_stretch = stretch});
      ASSERT_EQ(first.layers.size(), 1u);
      const LayerTrace &actual = first.layers[0], &expected = whole.layers[0];
      expect_close(actual.attention.q, expected.attention.q, "q");
      expect_close(actual.attention.k, expected.attention.k, "k");
      EXPECT_EQ(actual.heads, expected.heads);
      EXPECT_EQ(actual.kv_head_of, expected.kv_head_of);
      EXPECT_EQ(actual.d_head, expected.d_head);
      EXPECT_EQ(actual.scale, expected.scale);
      EXPECT_EQ(first.ids, ids);
      EXPECT_TRUE(first.logits.empty());
      EXPECT_TRUE(actual.attention.v.empty());
      EXPECT_TRUE(actual.attention.logsumexp.empty());
      ASSERT_NE(actual.row_sums, nullptr);
      for (std::size_t head = 0; head < actual.heads.size(); ++head) {
        for (const std::int64_t row : {0, 1, 150, 299}) {
          const auto h = static_cast<std::int64_t>(head);
          EXPECT_NEAR(actual.row_sums->logsumexp(h, row), expected.attention.logsumexp.row(h)[static_cast<std::size_t>(row)],
                      kTolerance);
        }
      }
    }
  }
}

TEST(LongPass, WhatATokenIsByItselfIsThatOfAWholePass) {
  const ModelParams params = test::odd_params(config_of(4, 2), 3);
  const std::vector<std::int32_t> ids = test::some_ids(40, 37);
  CpuAttention attention;
  const ForwardTrace whole = attention.pass(params, ids);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const FirstLayerVectors alone = first_layer_vectors(params, ids[i]);
    EXPECT_LT(largest_error(alone.v, whole.layers[0].attention.v.row(static_cast<std::int64_t>(i))), kTolerance);
    EXPECT_LT(largest_error(alone.normed, whole.layers[0].normed.row(static_cast<std::int64_t>(i))), kTolerance);
  }
  EXPECT_THROW(first_layer_vectors(params, 37), Error);
  EXPECT_THROW(first_layer_vectors(params, -1), Error);
}

TEST(LongPass, AllLayersAreThoseOfAWholePassUnderEveryMask) {
  const std::vector<std::int32_t> ids = test::some_ids(90, 37);
  for (const ModelParams& params : {test::odd_params(config_of(4, 2), 3), pruned_params()}) {
    for (const Mask& mask : some_masks()) {
      for (const char* backend : {"flash", "naive", "reference"}) {
        for (const std::int64_t stretch : {16, 512}) {
          SCOPED_TRACE(mask_text(mask) + ", " + backend + ", " + std::to_string(stretch));
          CpuAttention attention(backend);
          const ForwardTrace whole = attention.pass(params, ids, mask);
          const LongPassOptions options{.mask = mask, .rows_per_stretch = stretch};
          const ForwardTrace by_rows = long_forward(params, ids, *attention.backend, attention.pool, options);
          const ForwardTrace by_layers = long_forward(params, ids, *attention.layer, attention.pool, options);
          for (const ForwardTrace* trace : {&by_rows, &by_layers}) {
            ASSERT_EQ(trace->layers.size(), whole.layers.size());
            for (std::size_t l = 0; l < whole.layers.size(); ++l) {
              const AttentionLayerResult &actual = trace->layers[l].attention, &expected = whole.layers[l].attention;
              expect_close(actual.q, expected.q, "q");
              if (!whole.layers[l].heads.empty()) {
                expect_close(actual.k, expected.k, "k");
                expect_close(actual.v, expected.v, "v");
              }
              expect_close(actual.logsumexp, expected.logsumexp, "logsumexp");
              EXPECT_TRUE(actual.head_out.empty());
              EXPECT_TRUE(actual.out.empty());
            }
            expect_close(trace->output, whole.output, "output");
            EXPECT_TRUE(trace->logits.empty());
          }
          EXPECT_THAT(next_token_losses(params, by_rows, attention.pool, options),
                      testing::Pointwise(testing::DoubleNear(kTolerance), next_token_losses(whole.logits, ids)));
          for (const std::int64_t row : {0, 51, 89}) {
            EXPECT_LT(largest_error(logits_of(params, by_rows, row, attention.pool).span(), whole.logits.row(row)), kTolerance);
          }
        }
      }
    }
  }
}

TEST(LongPass, OneTokenIsEnough) {
  const ModelParams params = test::odd_params(config_of(4, 2), 3);
  const std::vector<std::int32_t> ids{5};
  CpuAttention attention;
  const ForwardTrace whole = attention.pass(params, ids);
  expect_close(first_layer_pass(params, ids, attention.pool, {}).layers[0].attention.q, whole.layers[0].attention.q, "q");
  const ForwardTrace trace = long_forward(params, ids, *attention.backend, attention.pool, {});
  expect_close(trace.output, whole.output, "output");
  EXPECT_TRUE(next_token_losses(params, trace, attention.pool, {}).empty());
}

TEST(LongPass, TellsHowFarItIs) {
  const ModelParams params = test::odd_params(config_of(4, 2), 3);
  const std::vector<std::int32_t> ids = test::some_ids(90, 37);
  CpuAttention attention;
  std::vector<double> shares;
  LongPassOptions options{.mask = {}, .progress = [&](double share) { shares.push_back(share); }, .rows_per_stretch = 16};
  const auto expect_growing = [&](std::size_t at_least) {
    EXPECT_GE(shares.size(), at_least);
    EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
    EXPECT_GE(shares.front(), 0);
    EXPECT_EQ(shares.back(), 1);
    shares.clear();
  };
  first_layer_pass(params, ids, attention.pool, options);
  expect_growing(3);
  long_forward(params, ids, *attention.backend, attention.pool, options);
  expect_growing(18);
  long_forward(params, ids, *attention.layer, attention.pool, options);
  expect_growing(18);
}

TEST(LongPass, StopsInTheMiddle) {
  const ModelParams params = test::odd_params(config_of(4, 2), 3);
  const std::vector<std::int32_t> ids = test::some_ids(90, 37);
  CpuAttention attention;
  const auto stopping_at = [](double share, std::stop_source& source) {
    return LongPassOptions{.mask = {},
                           .stop = source.get_token(),
                           .progress =
                               [&source, share](double now) {
                                 EXPECT_LT(now, share + 0.3) << "it ran on";
                                 if (now >= share) source.request_stop();
                               },
                           .rows_per_stretch = 8};
  };
  for (const double share : {0.0, 0.4}) {
    std::stop_source source;
    EXPECT_THROW(first_layer_pass(params, ids, attention.pool, stopping_at(share, source)), Cancelled);
  }
  for (const double share : {0.0, 0.4}) {
    std::stop_source source;
    EXPECT_THROW(long_forward(params, ids, *attention.backend, attention.pool, stopping_at(share, source)), Cancelled);
  }
  std::stop_source source;
  const ForwardTrace whole = long_forward(params, ids, *attention.backend, attention.pool, {});
  EXPECT_THROW(next_token_losses(params, whole, attention.pool, stopping_at(0.2, source)), Cancelled);
}

TEST(LongPass, RefusesWhatItCannotRun) {
  const ModelParams params = test::odd_params(config_of(4, 2), 3);
  CpuAttention attention;
  EXPECT_THROW(first_layer_pass(params, {}, attention.pool, {}), ShapeError);
  EXPECT_THROW(first_layer_pass(params, std::vector<std::int32_t>{1, 37}, attention.pool, {}), Error);
  EXPECT_THROW(long_forward(params, std::vector<std::int32_t>{-1}, *attention.backend, attention.pool, {}), Error);
  const ForwardTrace first = first_layer_pass(params, std::vector<std::int32_t>{1, 2}, attention.pool, {});
  EXPECT_THROW(logits_of(params, first, 0, attention.pool), ShapeError) << "it has no output";
  EXPECT_THROW(next_token_losses(params, first, attention.pool, {}), ShapeError);
  const ForwardTrace whole = long_forward(params, std::vector<std::int32_t>{1, 2}, *attention.backend, attention.pool, {});
  EXPECT_THROW(logits_of(params, whole, 2, attention.pool), ShapeError);
  EXPECT_THROW(logits_of(params, whole, -1, attention.pool), ShapeError);
}

TEST(LongPass, BytesAreThoseOfWhatItKeeps) {
  for (const ModelParams& params : {test::odd_params(config_of(4, 2), 3), pruned_params()}) {
    const std::vector<std::int32_t> ids = test::some_ids(50, 37);
    CpuAttention attention;
    const ForwardTrace trace = long_forward(params, ids, *attention.backend, attention.pool, {});
    std::int64_t floats = trace.output.size();
    for (const LayerTrace& layer : trace.layers) {
      for (const Tensor* tensor : {&layer.attention.q, &layer.attention.k, &layer.attention.v, &layer.attention.logsumexp})
        floats += tensor->size();
    }
    EXPECT_EQ(long_forward_bytes(params, 50), 4 * floats);
  }
}

}  // namespace
}  // namespace headroom
