#include "core/model/surgery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/tensor/error.h"
#include "tests/model/double_forward.h"
#include "tests/model/models.h"

namespace headroom {
namespace {

using test::CpuAttention;
using test::largest_error;
using testing::ElementsAre;

constexpr double kTolerance = 1e-4;

ModelConfig config_of(std::int64_t n_heads, std::int64_t n_kv_heads) {
  ModelConfig config;
  config.shape = {.n_layers = 3,
                  .d_model = 32,
                  .n_heads = n_heads,
                  .n_kv_heads = n_kv_heads,
                  .d_head = 8,
                  .d_ff = 40,
                  .vocab_size = 41,
                  .max_positions = 64};
  config.has_o_bias = true;
  return config;
}

ModelParams params_of(std::int64_t n_heads, std::int64_t n_kv_heads) { return test::odd_params(config_of(n_heads, n_kv_heads), 9); }

const std::vector<std::int32_t>& ids() {
  static const std::vector<std::int32_t> kIds = test::some_ids(12, 41);
  return kIds;
}

Tensor logits_of(const ModelParams& params) {
  CpuAttention attention;
  return attention.pass(params, ids()).logits;
}

std::vector<const Tensor*> tensors_of(const ModelParams& params) {
  std::vector<const Tensor*> all{&params.embedding, &params.final_norm, &params.lm_head};
  for (const LayerParams& l : params.layers) {
    for (const Tensor* t : {&l.attention_norm, &l.w_q, &l.b_q, &l.w_k, &l.b_k, &l.w_v, &l.b_v, &l.w_o, &l.b_o, &l.mlp_norm,
                            &l.w_gate, &l.w_up, &l.w_down}) {
      all.push_back(t);
    }
  }
  return all;
}

void expect_same_bits(const ModelParams& a, const ModelParams& b) {
  EXPECT_EQ(a.config, b.config);
  const auto left = tensors_of(a), right = tensors_of(b);
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    EXPECT_EQ(left[i]->shape(), right[i]->shape()) << i;
    EXPECT_THAT(left[i]->span(), testing::ElementsAreArray(right[i]->span())) << i;
  }
  for (std::size_t l = 0; l < a.layers.size(); ++l) {
    EXPECT_EQ(a.layers[l].heads, b.layers[l].heads);
    EXPECT_EQ(a.layers[l].kv_heads, b.layers[l].kv_heads);
    EXPECT_EQ(a.layers[l].kv_head_of, b.layers[l].kv_head_of);
  }
}

/// The full model with the columns of W_O that read these heads set to zero: what pruning must equal.
ModelParams silence(ModelParams params, const std::vector<HeadRef>& heads) {
  const std::int64_t d_head = params.config.shape.d_head;
  for (const HeadRef& ref : heads) {
    Tensor& w_o = params.layers[static_cast<std::size_t>(ref.layer)].w_o;
    for (std::int64_t r = 0; r < w_o.dim(0); ++r) {
      for (std::int64_t c = ref.head * d_head; c < (ref.head + 1) * d_head; ++c)
        w_o.data()[r * w_o.dim(1) + c] = 0;
    }
  }
  return params;
}

// ---- slicing ----

TEST(SliceHeads, MovesOnlyTheBoundaries) {
  const ModelParams params = params_of(4, 2);
  const ModelParams sliced = slice_heads(params, 8);
  EXPECT_EQ(sliced.config.shape.n_heads, 8);
  EXPECT_EQ(sliced.config.shape.n_kv_heads, 4);
  EXPECT_EQ(sliced.config.shape.d_head, 4);
  EXPECT_THAT(sliced.layers[0].kv_head_of, ElementsAre(0, 0, 1, 1, 2, 2, 3, 3));
  const auto before = tensors_of(params), after = tensors_of(sliced);
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_THAT(after[i]->span(), testing::ElementsAreArray(before[i]->span()));
  EXPECT_EQ(count_parameters(sliced).total(), count_parameters(params).total());
}

TEST(SliceHeads, AndBackIsBitIdentical) {
  const ModelParams params = params_of(8, 4);
  for (const std::int64_t h : valid_heads(params.config.shape))
    expect_same_bits(slice_heads(slice_heads(params, h), 8), params);
}

TEST(SliceHeads, AgreesWithTheOracleAtEveryValidH) {
  const ModelParams params = params_of(8, 4);
  const Tensor before = logits_of(params);
  for (const std::int64_t h : valid_heads(params.config.shape)) {
    const ModelParams sliced = slice_heads(params, h);
    const test::DoublePass oracle = test::double_forward(sliced, ids(), [](auto i, auto j) { return j <= i; });
    const Tensor logits = logits_of(sliced);
    for (std::int64_t i = 0; i < logits.size(); ++i) {
      EXPECT_NEAR(logits.data()[i], oracle.logits[static_cast<std::size_t>(i / 41)][static_cast<std::size_t>(i % 41)], 2e-5) << h;
    }
    if (h != 8) {
      EXPECT_GT(largest_error(logits.span(), before.span()), 1e-2) << "another h must change the answer";
    }
  }
}

TEST(SliceHeads, RefusesWhatCannotBeCut) {
  const ModelParams params = params_of(4, 2);
  EXPECT_THROW(slice_heads(params, 5), ShapeError);
  EXPECT_THROW(slice_heads(params, 1), ShapeError);  // d_k = 32 is wider than K and V
  EXPECT_THROW(slice_heads(params, 0), ShapeError);
  EXPECT_THROW(slice_heads(prune_heads(params, std::vector<HeadRef>{{0, 1}}), 8), ShapeError);
}

// ---- pooling ----

TEST(PoolKvHeads, ToTheSameNumberChangesNothing) { expect_same_bits(pool_kv_heads(params_of(8, 8), 8), params_of(8, 8)); }

TEST(PoolKvHeads, TakesTheMeanOfEachGroup) {
  const ModelParams params = params_of(8, 4);
  const ModelParams pooled = pool_kv_heads(params, 2);
  EXPECT_EQ(pooled.config.shape.n_kv_heads, 2);
  for (std::size_t l = 0; l < params.layers.size(); ++l) {
    const LayerParams &from = params.layers[l], &to = pooled.layers[l];
    EXPECT_THAT(to.kv_heads, ElementsAre(0, 1));
    EXPECT_THAT(to.kv_head_of, ElementsAre(0, 0, 0, 0, 1, 1, 1, 1));
    EXPECT_THAT(to.w_k.shape(), ElementsAre(16, 32));
    EXPECT_THAT(to.b_v.shape(), ElementsAre(16));
    for (std::int64_t row = 0; row < 16; ++row) {
      const std::int64_t a = (row / 8) * 16 + row % 8, b = a + 8;
      for (std::int64_t c = 0; c < 32; ++c) {
        EXPECT_FLOAT_EQ(to.w_k.data()[row * 32 + c], (from.w_k.data()[a * 32 + c] + from.w_k.data()[b * 32 + c]) / 2);
        EXPECT_FLOAT_EQ(to.w_v.data()[row * 32 + c], (from.w_v.data()[a * 32 + c] + from.w_v.data()[b * 32 + c]) / 2);
      }
      EXPECT_FLOAT_EQ(to.b_k.data()[row], (from.b_k.data()[a] + from.b_k.data()[b]) / 2);
      EXPECT_FLOAT_EQ(to.b_v.data()[row], (from.b_v.data()[a] + from.b_v.data()[b]) / 2);
    }
    EXPECT_THAT(to.w_q.span(), testing::ElementsAreArray(from.w_q.span()));
    EXPECT_THAT(to.w_o.span(), testing::ElementsAreArray(from.w_o.span()));
  }
  // Two of four K/V heads gone, K and V, weights and biases, in three layers.
  EXPECT_EQ(count_parameters(params).attention - count_parameters(pooled).attention, 3 * 2 * 2 * 8 * (32 + 1));
}

TEST(PoolKvHeads, OfEqualHeadsChangesNoLogit) {
  ModelParams params = params_of(8, 4);
  for (LayerParams& layer : params.layers) {
    for (Tensor* t : {&layer.w_k, &layer.w_v, &layer.b_k, &layer.b_v}) {
      const std::int64_t block = t->size() / 4;
      std::copy_n(t->data(), block, t->data() + block);
      std::copy_n(t->data() + 2 * block, block, t->data() + 3 * block);
    }
  }
  EXPECT_LT(largest_error(logits_of(pool_kv_heads(params, 2)).span(), logits_of(params).span()), 1e-5);
}

TEST(PoolKvHeads, WorksAfterSlicing) {
  const ModelParams pooled = pool_kv_heads(slice_heads(params_of(8, 4), 16), 1);
  EXPECT_EQ(pooled.config.shape.n_heads, 16);
  EXPECT_THAT(pooled.layers[2].w_v.shape(), ElementsAre(4, 32));
  const test::DoublePass oracle = test::double_forward(pooled, ids(), [](auto i, auto j) { return j <= i; });
  const Tensor logits = logits_of(pooled);
  for (std::int64_t i = 0; i < logits.size(); ++i) {
    EXPECT_NEAR(logits.data()[i], oracle.logits[static_cast<std::size_t>(i / 41)][static_cast<std::size_t>(i % 41)], 2e-5);
  }
}

TEST(PoolKvHeads, RefusesOtherNumbers) {
  EXPECT_THROW(pool_kv_heads(params_of(8, 4), 3), ShapeError);
  EXPECT_THROW(pool_kv_heads(params_of(8, 4), 8), ShapeError);
  EXPECT_THROW(pool_kv_heads(params_of(8, 4), 0), ShapeError);
}

// ---- pruning ----

struct PruneCase {
  const char* name;
  std::int64_t n_kv_heads;
  std::vector<HeadRef> heads;
};

void PrintTo(const PruneCase& c, std::ostream* out) { *out << c.name; }

class PruneHeads : public testing::TestWithParam<PruneCase> {};

TEST_P(PruneHeads, EqualsSilencingTheirColumnsOfWO) {
  const PruneCase& c = GetParam();
  const ModelParams params = params_of(8, c.n_kv_heads);
  const ModelParams silenced = silence(params, c.heads);
  const ModelParams pruned = prune_heads(params, c.heads);
  for (const char* backend : {"reference", "naive", "flash"}) {
    CpuAttention attention(backend);
    EXPECT_LT(largest_error(attention.pass(pruned, ids()).logits.span(), logits_of(silenced).span()), kTolerance) << backend;
  }
  const test::DoublePass oracle = test::double_forward(silenced, ids(), [](auto i, auto j) { return j <= i; });
  const Tensor logits = logits_of(pruned);
  for (std::int64_t i = 0; i < logits.size(); ++i) {
    EXPECT_NEAR(logits.data()[i], oracle.logits[static_cast<std::size_t>(i / 41)][static_cast<std::size_t>(i % 41)], 2e-5);
  }
  EXPECT_GT(largest_error(logits_of(params).span(), logits.span()), 1e-2) << "a removed head must be missed";
}

INSTANTIATE_TEST_SUITE_P(
    Surgery, PruneHeads,
    testing::Values(PruneCase{"one", 8, {{1, 3}}}, PruneCase{"several", 8, {{0, 0}, {0, 7}, {1, 4}, {2, 1}, {2, 2}, {2, 3}}},
                    PruneCase{"uneven_groups", 4, {{0, 0}, {1, 2}, {1, 3}, {1, 7}}},
                    PruneCase{"whole_groups", 2, {{0, 0}, {0, 1}, {0, 2}, {0, 3}, {2, 5}}},
                    PruneCase{"one_shared_kv", 1, {{1, 0}, {1, 1}, {1, 2}, {1, 3}, {1, 4}, {1, 5}, {1, 6}}},
                    PruneCase{"whole_layer", 4, {{1, 0}, {1, 1}, {1, 2}, {1, 3}, {1, 4}, {1, 5}, {1, 6}, {1, 7}}}),
    [](const auto& test_info) { return std::string(test_info.param.name); });

TEST(PruneHeads, FreeTheirKvHeadOnlyWhenTheWholeGroupWent) {
  const ModelParams params = params_of(8, 4);
  const std::int64_t before = count_parameters(params).attention;
  const std::int64_t query_side = 8 * (32 + 1) + 32 * 8;  // rows of W_Q with their biases, columns of W_O
  const std::int64_t key_side = 2 * 8 * (32 + 1);

  const ModelParams half = prune_heads(params, std::vector<HeadRef>{{1, 2}});
  EXPECT_EQ(before - count_parameters(half).attention, query_side);
  EXPECT_THAT(half.layers[1].heads, ElementsAre(0, 1, 3, 4, 5, 6, 7));
  EXPECT_THAT(half.layers[1].kv_heads, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(half.layers[1].kv_head_of, ElementsAre(0, 0, 1, 2, 2, 3, 3));
  EXPECT_THAT(half.layers[1].w_k.shape(), ElementsAre(32, 32));

  const ModelParams whole = prune_heads(params, std::vector<HeadRef>{{1, 2}, {1, 3}});
  EXPECT_EQ(before - count_parameters(whole).attention, 2 * query_side + key_side);
  EXPECT_THAT(whole.layers[1].kv_heads, ElementsAre(0, 2, 3));
  EXPECT_THAT(whole.layers[1].kv_head_of, ElementsAre(0, 0, 1, 1, 2, 2));
  EXPECT_THAT(whole.layers[1].w_v.shape(), ElementsAre(24, 32));
  EXPECT_THAT(whole.layers[1].w_o.shape(), ElementsAre(32, 48));
}

TEST(PruneHeads, InStepsIsTheSameAsAtOnce) {
  const ModelParams params = params_of(8, 4);
  const ModelParams steps =
      prune_heads(prune_heads(params, std::vector<HeadRef>{{1, 2}, {2, 0}}), std::vector<HeadRef>{{1, 3}, {1, 2}});
  expect_same_bits(steps, prune_heads(params, std::vector<HeadRef>{{1, 2}, {1, 3}, {2, 0}}));
}

TEST(PruneHeads, OfAWholeLayerLeavesItsBias) {
  const ModelParams params = params_of(8, 4);
  std::vector<HeadRef> all;
  for (std::int64_t h = 0; h < 8; ++h)
    all.push_back({1, h});
  const ModelParams pruned = prune_heads(params, all);
  EXPECT_EQ(count_parameters(params).attention - count_parameters(pruned).attention,
            params.layers[1].w_q.size() * 2 + params.layers[1].b_q.size() +
                2 * (params.layers[1].w_k.size() + params.layers[1].b_k.size()));
  CpuAttention attention;
  const ForwardTrace trace = attention.pass(pruned, ids());
  EXPECT_THAT(trace.layers[1].attention.out.row(4), testing::ElementsAreArray(params.layers[1].b_o.span()));
  EXPECT_EQ(trace.layers[1].index_of(0), -1);
}

TEST(PruneHeads, RefuseHeadsThatDoNotExist) {
  const ModelParams params = params_of(8, 4);
  for (const HeadRef ref : {HeadRef{0, 8}, HeadRef{3, 0}, HeadRef{-1, 0}, HeadRef{0, -1}}) {
    EXPECT_THROW(prune_heads(params, std::vector<HeadRef>{ref}), ShapeError);
  }
}

}  // namespace
}  // namespace headroom
