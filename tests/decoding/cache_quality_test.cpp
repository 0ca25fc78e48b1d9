// What caches cost in predictions against mean losses of whole passes under the matching masks and models.

#include "core/decoding/cache_quality.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "core/decoding/decode_run.h"
#include "core/formats/model_folder.h"
#include "core/tensor/error.h"
#include "tests/decoding/models.h"

namespace headroom {
namespace {

using test::evicting;
using test::paged;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::vector<std::vector<std::int32_t>> some_rows(std::int64_t vocab_size) {
  std::vector<std::vector<std::int32_t>> rows;
  for (std::int64_t row = 0; row < 9; ++row) {
    rows.push_back(test::some_ids(8 + row, vocab_size - row));
    std::ranges::rotate(rows.back(), rows.back().begin() + row / 2);
  }
  return rows;
}

QualityChoice choice(const KvCacheOptions& cache, std::int64_t n_kv_heads = 0) {
  return {.curve = QualityCurve::kOther, .cache = cache, .n_kv_heads = n_kv_heads};
}

double whole_loss(const ModelParams& params, const std::vector<std::vector<std::int32_t>>& rows, const Mask& mask = {}) {
  test::CpuAttention attention("reference");
  double sum = 0;
  std::size_t n = 0;
  for (const auto& row : rows) {
    const auto losses = next_token_losses(attention.pass(params, row, mask).logits, row);
    for (const double loss : losses)
      sum += loss;
    n += losses.size();
  }
  return sum / static_cast<double>(n);
}

TEST(CacheQuality, EqualsTheLossesOfWholePasses) {
  const ModelParams params = test::stirred_params(test::family_config("qwen2"), 4);
  const auto rows = some_rows(13);
  ThreadPool pool(2);
  const auto report = measure_quality(
      params,
      {.rows = rows,
       .choices = {choice(paged(3)), choice(evicting(Eviction::kWindow, 3)), choice(evicting(Eviction::kStreaming, 2, 2)),
                   choice({}, 1), choice(evicting(Eviction::kWindow, 50)), choice({.type = KvType::kInt4})}},
      pool);
  ASSERT_THAT(report->points, SizeIs(6));
  const std::vector<QualityPoint>& points = report->points;
  EXPECT_NEAR(report->full.loss, whole_loss(params, rows), 1e-5);
  EXPECT_NEAR(points[0].loss, report->full.loss, 1e-5);
  EXPECT_NEAR(points[1].loss, whole_loss(params, rows, {.pattern = {.kind = PatternKind::kLocalWindow, .window = 3}}), 1e-5);
  EXPECT_NEAR(points[2].loss,
              whole_loss(params, rows, {.pattern = {.kind = PatternKind::kGlobalLocal, .window = 2, .n_global = 2}}), 1e-5);
  EXPECT_NEAR(points[3].loss, whole_loss(pool_kv_heads(params, 1), rows), 1e-5);
  EXPECT_NEAR(points[4].loss, report->full.loss, 1e-5);
  EXPECT_LT(points[0].kl, 1e-9);
  EXPECT_EQ(points[0].changed, 0);
  EXPECT_GT(points[1].kl, 1e-3);
  EXPECT_GT(points[5].kl, points[0].kl);
  // Lengths 8 ... 16, mean 12; 2 layers of 2 K/V heads of 4.
  EXPECT_EQ(report->n_tokens, 9 * 11);
  EXPECT_EQ(report->full.bytes, 12 * 2 * 2 * 2 * 4 * 4);
  EXPECT_EQ(points[1].bytes, 3 * 128);
  EXPECT_EQ(points[2].bytes, 4 * 128);
  EXPECT_EQ(points[3].bytes, report->full.bytes / 2);
  EXPECT_EQ(points[5].bytes, 12 * 2 * 2 * 2 * (2 + 4)) << "two bytes of values and a scale a row";
  EXPECT_DOUBLE_EQ(points[3].share_of_full, 0.5);
  EXPECT_TRUE(report->is_finished);
}

/// Changed predictions and divergence, token by token.
TEST(CacheQuality, CountsChangedPredictions) {
  const ModelParams params = test::stirred_params(test::family_config("qwen2"), 4);
  const auto rows = some_rows(13);
  ThreadPool pool(2);
  const auto report = measure_quality(params, {.rows = rows, .choices = {choice(evicting(Eviction::kWindow, 2))}}, pool);
  test::CpuAttention attention("reference");
  double kl = 0, squared = 0, mean = 0;
  int n = 0, n_changed = 0;
  for (const auto& row : rows) {
    const Tensor full = attention.pass(params, row).logits,
                 cut = attention.pass(params, row, {.pattern = {.kind = PatternKind::kLocalWindow, .window = 2}}).logits;
    for (std::int64_t t = 0; t + 1 < std::ssize(row); ++t, ++n) {
      const auto p = top_predictions(full, t, 13), q = top_predictions(cut, t, 13);
      n_changed += p.front().id != q.front().id ? 1 : 0;
      for (const Prediction& each : p) {
        const auto same = std::ranges::find(q, each.id, &Prediction::id);
        kl += each.probability * std::log(each.probability / same->probability);
      }
    }
    const auto before = next_token_losses(full, row), after = next_token_losses(cut, row);
    double difference = 0;
    for (std::size_t t = 0; t < before.size(); ++t)
      difference += (after[t] - before[t]) / static_cast<double>(before.size());
    mean += difference / 9;
    squared += difference * difference;
  }
  EXPECT_DOUBLE_EQ(report->points[0].changed, static_cast<double>(n_changed) / n);
  EXPECT_GT(n_changed, 0);
  EXPECT_NEAR(report->points[0].kl, kl / n, 1e-5);
  EXPECT_NEAR(report->points[0].loss_error, std::sqrt((squared - 9 * mean * mean) / 8 / 9), 1e-5);
}

TEST(CacheQuality, DoesNotDependOnThreadsAndGrows) {
  const ModelParams params = test::stirred_params(test::family_config("qwen2"), 4);
  const auto rows = some_rows(13);
  const auto measure = [&](int threads, const std::function<void(const std::shared_ptr<const QualityReport>&)>& progress) {
    ThreadPool pool(threads);
    return measure_quality(params, {.rows = rows, .choices = quality_curves(params), .most_tokens = 40, .progress = progress},
                           pool);
  };
  std::vector<std::int64_t> n_rows;
  const auto one = measure(1, [&](const auto&report) { n_rows.push_back(report->n_rows); }), two = measure(2, {});
  EXPECT_EQ(one->n_rows, 5) << "7 + 8 + 9 + 10 tokens are fewer than 40";
  EXPECT_EQ(one->n_tokens, 45);
  EXPECT_THAT(n_rows, ::testing::ElementsAre(2, 4, 5));
  ASSERT_EQ(one->points.size(), two->points.size());
  for (std::size_t i = 0; i < one->points.size(); ++i) {
    EXPECT_EQ(one->points[i].loss, two->points[i].loss) << quality_choice_text(one->points[i].choice);
    EXPECT_EQ(one->points[i].kl, two->points[i].kl);
    EXPECT_EQ(one->points[i].problem, "");
  }
}

TEST(CacheQuality, OffersCurves) {
  const ModelParams params = test::stirred_params(test::family_config("qwen2"), 4);
  const auto choices = quality_curves(params);
  const auto n = [&](QualityCurve curve) { return std::ranges::count(choices, curve, &QualityChoice::curve); };
  EXPECT_EQ(n(QualityCurve::kBits), 5);
  EXPECT_EQ(n(QualityCurve::kWindow), 5);
  EXPECT_EQ(n(QualityCurve::kStreaming), 4);
  EXPECT_EQ(n(QualityCurve::kHeavyHitters), 5);
  EXPECT_EQ(n(QualityCurve::kKvHeads), 2);
  for (const QualityChoice& each : choices)
    EXPECT_EQ(validate(each.cache), std::nullopt) << quality_choice_text(each);
  EXPECT_EQ(quality_choice_text(choices.front()), "float32");
  EXPECT_EQ(quality_choice_text(choices.back()), "1 K/V head");
  EXPECT_EQ(quality_choice_text(choice(evicting(Eviction::kStreaming, 12, 4))), "first 4 and last 12 tokens");
  EXPECT_EQ(quality_choice_text(choice({.type = KvType::kInt8, .eviction = Eviction::kHeavyHitters, .window = 1, .n_heavy = 8})),
            "8 heavy and last 1 token, int8");
  const std::vector<HeadRef> gone = {{1, 0}};
  for (const QualityChoice& each : quality_curves(prune_heads(params, gone)))
    EXPECT_NE(each.curve, QualityCurve::kKvHeads);
}

TEST(CacheQuality, SaysWhatItCannotDo) {
  const ModelParams params = test::stirred_params(test::family_config("qwen2"), 4),
                    bert = test::stirred_params(test::family_config("bert"), 4),
                    gpt2 = test::stirred_params(test::family_config("gpt2"), 4);
  const auto rows = some_rows(13);
  ThreadPool pool(2);
  EXPECT_THROW(measure_quality(bert, {.rows = rows}, pool), Error);
  EXPECT_THROW(measure_quality(params, {.rows = rows, .mask = {.direction = Direction::kBidirectional}}, pool), Error);
  const std::vector<std::vector<std::int32_t>> short_row = {{3}};
  EXPECT_THROW(measure_quality(params, {.rows = short_row}, pool), Error);
  const auto report = measure_quality(
      params, {.rows = rows, .choices = {choice({.page_rows = 0}), choice({}, 7), choice({.type = KvType::kInt8})}}, pool);
  EXPECT_THAT(report->points[0].problem, HasSubstr("a page"));
  EXPECT_THAT(report->points[1].problem, HasSubstr("7"));
  EXPECT_EQ(report->points[2].problem, "");
  EXPECT_GT(report->points[2].loss, 0);
  EXPECT_EQ(measure_quality(gpt2, {.rows = rows}, pool)->n_rows, 2) << "nine positions: rows of eight and nine tokens";
  std::stop_source stop;
  QualityJob job{.rows = rows, .choices = {choice(paged(2))}, .stop = stop.get_token()};
  std::int64_t n_rows = 0;
  job.progress = [&](const auto& grown) {
    n_rows = grown->n_rows;
    stop.request_stop();
  };
  EXPECT_THROW(measure_quality(params, job, pool), Cancelled);
  EXPECT_EQ(n_rows, 4);
}

TEST(CacheQuality, OfATrainedModelFallsWithItsBits) {
  const LoadedModel model = load_model_folder(test::asset("models/grammar-base"));
  std::vector<std::vector<std::int32_t>> rows;
  for (const test::GoldenText& text : test::read_golden("grammar-base"))
    rows.push_back(text.ids);
  ThreadPool pool(2);
  const auto report = measure_quality(
      model.params,
      {.rows = rows,
       .choices = {choice({.type = KvType::kFloat16}), choice({.type = KvType::kInt8}), choice({.type = KvType::kInt4})}},
      pool);
  const std::vector<QualityPoint>& points = report->points;
  EXPECT_LT(points[0].kl, 1e-5);
  EXPECT_LT(points[0].kl, points[1].kl);
  EXPECT_LT(points[1].kl, points[2].kl);
  EXPECT_LT(points[1].kl, 1e-3);
  EXPECT_LT(points[2].kl, 0.2);
}

}  // namespace
}  // namespace headroom
