// Generation on every kind of cache against whole passes through the reference backend.

#include <gmock/gmock.h>

#include <random>
#include <thread>

#include "core/attention/project_heads.h"
#include "core/decoding/writer.h"
#include "core/model/translation_pass.h"
#include "core/tensor/error.h"
#include "tests/decoding/models.h"

namespace headroom {
namespace {

using test::evicting;
using test::paged;

constexpr double kTolerance = 2e-5;

/// The largest difference of any logit when the text is read token by token with the cache.
double error_of(const test::DecodingModel& model, const KvCacheOptions& options, const Tensor& logits) {
  ThreadPool pool(2);
  Writer writer(model.params, Mask{}, {pool, options});
  const std::vector<std::int32_t> ids = model.ids();
  double largest = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto own = writer.read(std::span(ids).subspan(i, 1));
    largest = std::max(largest, test::largest_error(own, logits.row(static_cast<std::int64_t>(i))));
  }
  return largest;
}

/// Logits of whole passes in double attention under a mask.
Tensor whole_logits(const test::DecodingModel& model, const Mask& mask = {}) {
  test::CpuAttention attention("reference");
  return attention.pass(model.params, model.ids(), mask).logits;
}

TEST(Caches, ThatLoseNothingEqualRecomputation) {
  for (const test::DecodingModel& model : test::decoding_models()) {
    const Tensor logits = whole_logits(model);
    for (const KvCacheOptions& options :
         {KvCacheOptions{}, paged(1), paged(3), paged(16), paged(4096), evicting(Eviction::kWindow, 100),
          evicting(Eviction::kStreaming, 20, 3), evicting(Eviction::kHeavyHitters, 3, 20)})
      EXPECT_LT(error_of(model, options, logits), kTolerance) << model.name << ": " << cache_text(options);
  }
}

/// Under another mask than its own windows a model has that mask in every layer; "capped" has windows of its own.
TEST(Caches, WithAWindowEqualTheLocalWindowMask) {
  for (const test::DecodingModel& model : test::decoding_models()) {
    if (model.name == "capped") continue;
    for (const std::int64_t window : {1, 2, 5, 7}) {
      const Tensor logits = whole_logits(model, {.pattern = {.kind = PatternKind::kLocalWindow, .window = window}});
      KvCacheOptions options = evicting(Eviction::kWindow, window);
      EXPECT_LT(error_of(model, options, logits), kTolerance) << model.name << ", window " << window;
      options.layout = CacheLayout::kPaged;
      options.page_rows = 3;
      EXPECT_LT(error_of(model, options, logits), kTolerance) << model.name << ", window " << window << " in pages";
    }
  }
}

TEST(Caches, WithFirstTokensEqualTheGlobalLocalMask) {
  for (const test::DecodingModel& model : test::decoding_models()) {
    if (model.name == "capped") continue;
    for (const auto& [first, window] : std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {2, 3}, {3, 4}}) {
      const Mask mask{.pattern = {.kind = PatternKind::kGlobalLocal, .window = window, .n_global = first}};
      const Tensor logits = whole_logits(model, mask);
      KvCacheOptions options = evicting(Eviction::kStreaming, window, first);
      EXPECT_LT(error_of(model, options, logits), kTolerance) << model.name << ", " << first << " + " << window;
      options.layout = CacheLayout::kPaged;
      options.page_rows = 2;
      EXPECT_LT(error_of(model, options, logits), kTolerance) << model.name << ", " << first << " + " << window << " in pages";
    }
  }
}

/// A layer whose keys and values are rounded, each row of each head by itself, before double attention reads them.
class RoundingLayer final : public AttentionLayer {
 public:
  RoundingLayer(ThreadPool& pool, KvType type) : pool_(pool), type_(type) {}
  std::string_view name() const override { return "rounding"; }
  Support supports(const AttentionConfig&) const override { return {}; }
  AttentionLayerResult run(const AttentionConfig& config, const AttentionLayerParams& params, const std::optional<Rotary>& rotary,
                           ConstMatrixView x, std::stop_token) override {
    const ProjectedHeads heads(pool_, config, params);
    AttentionLayerResult result;
    heads.project(x, result);
    heads.place(rotary, 0, result);
    round(result.k, config.d_head);
    round(result.v, config.d_head);
    result.head_out = Tensor({x.rows, config.n_heads * config.d_head});
    result.logsumexp = Tensor({config.n_heads, x.rows});
    backend_->run(config, {heads_of(result.q, config.d_head), heads_of(result.k, config.d_head), heads_of(result.v, config.d_head)},
                  {heads_of(result.head_out, config.d_head), result.logsumexp.span()});
    heads.join(result);
    return result;
  }

 private:
  void round(Tensor& rows, std::int64_t d_head) const {
    for (std::int64_t at = 0; at < rows.size(); at += d_head) {
      const std::span<float> row(rows.data() + at, static_cast<std::size_t>(d_head));
      double largest = 0;
      for (const float value : row)
        largest = std::max(largest, std::abs(static_cast<double>(value)));
      for (float& value : row) {
        if (type_ == KvType::kInt8 || type_ == KvType::kInt4) {
          const double scale = largest / (type_ == KvType::kInt8 ? 127 : 7);
          value = static_cast<float>(scale * std::nearbyint(static_cast<double>(value) / scale));
        } else {  // 11 or 8 significant bits, none of these values near the formats' ends
          const double unit =
              std::exp2(std::floor(std::log2(std::abs(static_cast<double>(value)))) - (type_ == KvType::kFloat16 ? 10 : 7));
          value = static_cast<float>(unit * std::nearbyint(static_cast<double>(value) / unit));
        }
      }
    }
  }
  ThreadPool& pool_;
  KvType type_;
  std::unique_ptr<AttentionBackend> backend_ = make_reference_backend();
};

TEST(Caches, OfFewerBitsEqualAttentionOverRoundedRows) {
  for (const test::DecodingModel& model : test::decoding_models()) {
    const Tensor exact = whole_logits(model);
    double before = 0;
    for (const KvType type : {KvType::kFloat16, KvType::kBFloat16, KvType::kInt8, KvType::kInt4}) {
      ThreadPool pool(2);
      RoundingLayer layer(pool, type);
      const Tensor rounded = forward(model.params, model.ids(), layer, pool, {.keep = ForwardOptions::Keep::kLogitsOnly}).logits;
      // A value that lies between two integers in float32 and double alike may be rounded either way.
      const double tolerance = type == KvType::kInt4 || type == KvType::kInt8 ? 2e-4 : 1e-4;
      KvCacheOptions options{.type = type};
      EXPECT_LT(error_of(model, options, rounded), tolerance) << model.name << ": " << cache_text(options);
      EXPECT_LT(error_of(model, paged(3, type), rounded), tolerance) << model.name << ": " << cache_text(paged(3, type));
      const double error = test::largest_error(rounded.span(), exact.span());
      EXPECT_LT(error, type == KvType::kFloat16 ? 0.02 : 10) << model.name;
      EXPECT_TRUE(type != KvType::kInt4 || error > before) << model.name << ": four bits cost more than eight";
      before = error;
    }
  }
}

TEST(Caches, AnswerAlikeHoweverTheTextIsCut) {
  std::mt19937 random(5);
  KvCacheOptions small = evicting(Eviction::kHeavyHitters, 3, 2);
  small.layout = CacheLayout::kPaged;
  small.page_rows = 2;
  for (const test::DecodingModel& model : test::decoding_models()) {
    const std::vector<std::int32_t> ids = model.ids();
    for (const KvCacheOptions& options : {KvCacheOptions{}, paged(4, KvType::kInt8), evicting(Eviction::kWindow, 3),
                                          evicting(Eviction::kStreaming, 3, 2), evicting(Eviction::kHeavyHitters, 2, 3), small}) {
      ThreadPool pool(2);
      Writer one(model.params, Mask{}, {pool, options});
      const auto all = one.read(ids);
      for (int round = 0; round < 3; ++round) {
        Writer parts(model.params, Mask{}, {pool, options});
        std::vector<float> last;
        for (std::size_t at = 0; at < ids.size();) {
          const std::size_t n = std::min(ids.size() - at, std::size_t{1} + random() % 5);
          const auto logits = parts.read(std::span(ids).subspan(at, n));
          last.assign(logits.begin(), logits.end());
          at += n;
        }
        EXPECT_LT(test::largest_error(last, all), kTolerance) << model.name << ": " << cache_text(options);
        EXPECT_EQ(parts.cache()->n_held(), one.cache()->n_held());
      }
    }
  }
}

TEST(Caches, OfADecoderEqualRecomputationOfBothTexts) {
  const std::vector<std::int32_t> source = {3, 4, 11, 6, 2}, ids = {1, 7, 3, 12, 0, 5, 5, 2};
  for (const char* family : {"bart", "t5"}) {
    const ModelParams params = test::stirred_params(test::family_config(family), 4);
    test::CpuAttention attention("reference");
    const TranslationTrace whole = translate_pass(params, source, ids, *attention.backend, attention.pool);
    for (const KvCacheOptions& options : {KvCacheOptions{}, paged(1), paged(3)}) {
      Writer writer(params, CrossSource{whole.encoder.output}, {attention.pool, options});
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto logits = writer.read(std::span(ids).subspan(i, 1));
        EXPECT_LT(test::largest_error(logits, whole.decoder.logits.row(static_cast<std::int64_t>(i))), kTolerance)
            << family << ": " << cache_text(options) << ", token " << i;
      }
    }
  }
}

TEST(Caches, AreRefusedWhereKeysChange) {
  ThreadPool pool(1);
  ModelConfig config = test::family_config("qwen2");
  const ModelParams params = test::stirred_params(config, 4);
  EXPECT_THROW(Writer(params, {.pattern = {.kind = PatternKind::kStrided}}, {pool, paged(2)}), Error);
  EXPECT_THROW(Writer(params, {.direction = Direction::kBidirectional}, {pool, paged(2)}), Error);
  EXPECT_THROW(Writer(params, Mask{}, {pool, paged(0)}), Error) << "a page of no tokens";
  config.rope_scaling = {.kind = RopeScaling::Kind::kDynamic, .factor = 2};
  EXPECT_THROW(Writer(test::stirred_params(config, 4), Mask{}, {pool, paged(2)}), Error);
  EXPECT_EQ(Writer(params, {.direction = Direction::kBidirectional}, pool).cache(), nullptr);
}

/// Wherever a pass was stopped, the next one goes on as if it had not begun.
TEST(Caches, SurviveAStoppedPass) {
  test::DecodingModel model{"grouped", test::stirred_params(test::family_config("qwen2"), 4)};
  const std::vector<std::int32_t> ids = test::some_ids(300, 13), first(ids.begin(), ids.begin() + 100);
  ThreadPool pool(2);
  Writer whole(model.params, Mask{}, pool);
  const auto read = whole.read(ids);
  const std::vector<float> wanted(read.begin(), read.end());
  int n_stopped = 0;
  for (int round = 0; round < 40; ++round) {
    Writer writer(model.params, Mask{}, {pool, paged(16)});
    writer.read(first);
    std::stop_source stop;
    std::jthread stopper([&, round] {
      std::this_thread::sleep_for(std::chrono::microseconds(10 * round));
      stop.request_stop();
    });
    try {
      writer.read(std::span(ids).subspan(100, 150), stop.get_token());
    } catch (const Cancelled&) {
      ++n_stopped;
      EXPECT_EQ(writer.n_read(), 100);
      writer.read(std::span(ids).subspan(100, 150));
    }
    EXPECT_LT(test::largest_error(writer.read(std::span(ids).subspan(250)), wanted), kTolerance);
  }
  EXPECT_GT(n_stopped, 0);
}

}  // namespace
}  // namespace headroom
