// What one more token costs by its card equals, to the last byte and operation, what the engine counts as it writes one.
#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include "core/cost/pass_cost.h"
#include "core/decoding/writer.h"
#include "core/formats/card_reader.h"
#include "core/formats/model_folder.h"
#include "core/model/translation_pass.h"
#include "core/tensor/work_count.h"

namespace headroom {
namespace {

const std::filesystem::path kModels = std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets" / "models";

std::vector<std::int32_t> ids_of(std::int64_t n) {
  std::vector<std::int32_t> ids(static_cast<std::size_t>(n));
  std::iota(ids.begin(), ids.end(), 1);
  return ids;
}

WorkCount as_count(const PassCost& cost) {
  return {.linear_flops = cost.linear_flops,
          .weight_bytes = cost.weight_read_bytes,
          .row_bytes = cost.row_bytes,
          .attention_flops = cost.attention_flops,
          .kv_bytes = cost.kv_read_bytes,
          .query_bytes = cost.query_bytes};
}

PassPlan step_plan(std::int64_t context, KvType kv) {
  return {.kind = PassKind::kDecode, .context = context, .weights = KvType::kFloat32, .kv = kv, .activations = KvType::kFloat32};
}

class StepCostOf : public testing::TestWithParam<std::tuple<const char*, KvType, CacheLayout>> {};

TEST_P(StepCostOf, EqualsTheEnginesCounters) {
  const auto& [name, type, layout] = GetParam();
  const ModelCard card = read_card_file(kModels / name / "config.json");
  const ModelParams params = load_model_folder(kModels / name).params;
  ThreadPool pool(2);
  Writer writer(params, {}, {pool, {.layout = layout, .type = type, .page_rows = 5}});
  const std::vector<std::int32_t> ids = ids_of(24);
  writer.read(std::span(ids).first(20));
  for (std::size_t n = 20; n < ids.size(); ++n) {
    const std::int64_t used = writer.cache()->bytes_used();
    const WorkScope scope;
    writer.read(std::span(ids).subspan(n, 1));
    const PassCost cost = pass_cost(card, step_plan(static_cast<std::int64_t>(n) + 1, type));
    EXPECT_EQ(scope.count(), as_count(cost)) << n;
    EXPECT_EQ(static_cast<double>(writer.cache()->bytes_used()), cost.kv_bytes) << n;
    EXPECT_EQ(static_cast<double>(writer.cache()->bytes_used() - used), cost.kv_written_bytes) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Bundled, StepCostOf,
                         testing::Combine(testing::Values("grammar-base", "grammar-gqa", "grammar-mqa", "grammar-learned",
                                                          "induction"),
                                          testing::Values(KvType::kFloat32, KvType::kBFloat16, KvType::kInt8, KvType::kInt4),
                                          testing::Values(CacheLayout::kContiguous, CacheLayout::kPaged)));

TEST(StepCostOfWindow, EqualsTheEnginesCounters) {
  ModelCard card = read_card_file(kModels / "grammar-gqa" / "config.json");
  card.decoder.windows.assign(static_cast<std::size_t>(*card.decoder.n_layers), 7);
  const ModelParams params = load_model_folder(kModels / "grammar-gqa").params;
  ThreadPool pool(1);
  Writer writer(params, {}, {pool, {.eviction = Eviction::kWindow, .window = 7}});
  const std::vector<std::int32_t> ids = ids_of(21);
  writer.read(std::span(ids).first(20));
  const WorkScope scope;
  writer.read(std::span(ids).subspan(20));
  const PassCost cost = pass_cost(card, step_plan(21, KvType::kFloat32));
  EXPECT_EQ(scope.count(), as_count(cost));
  EXPECT_EQ(static_cast<double>(writer.cache()->bytes_used()), cost.kv_bytes);
}

TEST(StepCostOfTranslation, EqualsTheEnginesCounters) {
  const ModelCard card = read_card_file(kModels / "grammar-translation" / "config.json");
  const ModelParams params = load_model_folder(kModels / "grammar-translation").params;
  ThreadPool pool(2);
  const auto reference = make_reference_backend();
  const std::vector<std::int32_t> ids = ids_of(17);
  const TranslationTrace trace = translate_pass(params, ids, std::span(ids).first(1), *reference, pool);
  Writer writer(params, CrossSource{trace.encoder.output}, {pool});
  writer.read(std::span(ids).first(16));
  const WorkScope scope;
  writer.read(std::span(ids).subspan(16));
  EXPECT_EQ(scope.count(), as_count(pass_cost(card, step_plan(17, KvType::kFloat32))));  // 17 tokens on either side
}

}  // namespace
}  // namespace headroom
