// What is computed of a card equals, to the last byte and operation, what the engine counts as it runs the model.
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "core/cost/pass_cost.h"
#include "core/formats/card_reader.h"
#include "core/formats/model_folder.h"
#include "core/model/forward.h"
#include "core/model/translation_pass.h"
#include "core/tensor/work_count.h"

namespace headroom {
namespace {

const std::filesystem::path kModels = std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets" / "models";

struct Bundled {
  explicit Bundled(const std::string& name)
      : card(read_card_file(kModels / name / "config.json")), params(load_model_folder(kModels / name).params) {}

  ModelCard card;
  ModelParams params;
};

/// As the engine runs: everything in float32, logits of every token.
PassPlan engine_plan(std::int64_t context) {
  return {.context = context,
          .weights = KvType::kFloat32,
          .kv = KvType::kFloat32,
          .activations = KvType::kFloat32,
          .logits = LogitRows::kEvery};
}

std::vector<std::int32_t> ids_of(std::int64_t n) {
  std::vector<std::int32_t> ids(static_cast<std::size_t>(n));
  std::iota(ids.begin(), ids.end(), 1);
  return ids;
}

WorkCount run(const Bundled& model, AttentionBackend& backend, std::int64_t n) {
  ThreadPool pool(2);
  const auto layer = make_cpu_attention_layer(pool, backend);
  const ForwardOptions options{.mask = {.direction = default_direction(model.params.config.kind)}};
  const WorkScope scope;
  forward(model.params, ids_of(n), *layer, pool, options);
  return scope.count();
}

class PassEngine : public testing::TestWithParam<const char*> {};

TEST_P(PassEngine, PrefillEqualsTheReferencesCounters) {
  const Bundled model(GetParam());
  const auto reference = make_reference_backend();
  for (const std::int64_t n : {1, 2, 21}) {
    const PassCost cost = pass_cost(model.card, engine_plan(n));
    EXPECT_EQ(run(model, *reference, n), (WorkCount{.linear_flops = cost.linear_flops,
                                                    .weight_bytes = cost.weight_read_bytes,
                                                    .row_bytes = cost.row_bytes,
                                                    .attention_flops = cost.attention_flops,
                                                    .kv_bytes = cost.kv_read_bytes,
                                                    .query_bytes = cost.query_bytes}))
        << n;
  }
}

TEST_P(PassEngine, MaterialisedScoresEqualTheNaiveCounters) {
  const Bundled model(GetParam());
  ThreadPool pool(2);
  const auto naive = make_naive_backend(pool);
  const PassCost cost = pass_cost(model.card, engine_plan(19));
  EXPECT_EQ(run(model, *naive, 19), (WorkCount{.linear_flops = cost.linear_flops,
                                               .weight_bytes = cost.weight_read_bytes,
                                               .row_bytes = cost.row_bytes,
                                               .attention_flops = cost.naive.attention_flops,
                                               .kv_bytes = cost.naive.kv_read_bytes,
                                               .query_bytes = cost.query_bytes,
                                               .score_bytes = cost.naive.score_traffic_bytes}));
}

TEST_P(PassEngine, WeightBytesAreThoseOfTheModelInMemory) {
  const Bundled model(GetParam());
  const PassCost cost = pass_cost(model.card, engine_plan(1));
  // A table of token types that holds nothing but zeros is in the file and not kept in memory.
  const std::int64_t dropped =
      model.params.token_types.empty() ? model.card.block->token_types * model.params.config.shape.d_model : 0;
  EXPECT_EQ(cost.weight_bytes - 4.0 * static_cast<double>(dropped),
            4.0 * static_cast<double>(count_parameters(model.params).total()));
}

INSTANTIATE_TEST_SUITE_P(Bundled, PassEngine,
                         testing::Values("grammar-base", "grammar-gqa", "grammar-mqa", "grammar-learned", "grammar-masked",
                                         "induction"),
                         [](const auto& model) {
                           std::string name = model.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(PassEngineTranslation, FirstTokenEqualsTheReferencesCounters) {
  const Bundled model("grammar-translation");
  const auto reference = make_reference_backend();
  ThreadPool pool(2);
  const WorkScope scope;
  translate_pass(model.params, ids_of(17), ids_of(1), *reference, pool);
  const PassCost cost = pass_cost(model.card, engine_plan(17));
  EXPECT_EQ(scope.count(), (WorkCount{.linear_flops = cost.linear_flops,
                                      .weight_bytes = cost.weight_read_bytes,
                                      .row_bytes = cost.row_bytes,
                                      .attention_flops = cost.attention_flops,
                                      .kv_bytes = cost.kv_read_bytes,
                                      .query_bytes = cost.query_bytes}));
}

TEST(PassEngineTypes, SixteenBitWeightsAreReadAsTheyAreStored) {
  Bundled model("grammar-gqa");
  for (LayerParams& layer : model.params.layers)
    for (Tensor* matrix : {&layer.w_q, &layer.w_k, &layer.w_v, &layer.w_o, &layer.w_gate, &layer.w_up, &layer.w_down})
      *matrix = Tensor({matrix->dim(0), matrix->dim(1)}, FloatType::kBFloat16);
  model.params.lm_head = Tensor({model.params.lm_head.dim(0), model.params.lm_head.dim(1)}, FloatType::kBFloat16);
  const auto reference = make_reference_backend();
  PassPlan plan = engine_plan(9);
  plan.weights = KvType::kBFloat16;
  EXPECT_EQ(run(model, *reference, 9).weight_bytes, pass_cost(model.card, plan).weight_read_bytes);
}

}  // namespace
}  // namespace headroom
