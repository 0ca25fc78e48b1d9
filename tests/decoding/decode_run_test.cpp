// What a run says of its steps against writing, whole passes and counting by hand.

#include "core/decoding/decode_run.h"

#include <gmock/gmock.h>

#include <cmath>
#include <numeric>

#include "core/decoding/distributions.h"
#include "core/decoding/writer.h"
#include "core/model/translation_pass.h"
#include "core/tensor/error.h"
#include "tests/decoding/models.h"

namespace headroom {
namespace {

using test::evicting;
using test::paged;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Mask kCausal;
const std::vector<std::int32_t> kPrompt = {1, 7, 3};

ModelParams grouped() { return test::stirred_params(test::family_config("qwen2"), 4); }

std::vector<std::int32_t> written_by(const DecodeRun& run) {
  std::vector<std::int32_t> ids;
  for (const auto& step : run.steps)
    ids.push_back(step->id);
  return ids;
}

std::string failure_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no failure";
}

TEST(DecodeRun, WritesWhatAWriterWrites) {
  ThreadPool pool(2);
  for (const test::DecodingModel& model : test::decoding_models()) {
    for (const KvCacheOptions& options : {KvCacheOptions{}, paged(2, KvType::kInt8), evicting(Eviction::kHeavyHitters, 2, 1)}) {
      const SampleOptions sample{.temperature = 1.3, .top_k = 9, .top_p = 0.97};
      Writer writer(model.params, kCausal, {pool, options});
      const auto wanted =
          write_on(writer, model.params.config, kPrompt, {.most = 12, .sample = sample, .seed = 5, .first_step = 3});
      const auto run = decode({model.params, kCausal}, kPrompt,
                              {.cache = options, .most = 12, .sample = sample, .seed = 5, .first_step = 3}, pool);
      EXPECT_EQ(written_by(*run), wanted) << model.name << ": " << cache_text(options);
      EXPECT_TRUE(run->is_finished);
      EXPECT_EQ(run->ended == "", model.name != "learned") << run->ended;
      EXPECT_EQ(run->prompt, kPrompt);
    }
  }
}

TEST(DecodeRun, HoldsEachStepAgainstTheWholeText) {
  ThreadPool pool(2);
  test::CpuAttention attention("reference");
  const ModelParams params = grouped();
  const auto run = decode({params, kCausal}, kPrompt, {.cache = paged(4), .most = 9}, pool);
  ASSERT_THAT(run->steps, SizeIs(9));
  std::vector<std::int32_t> text = kPrompt;
  for (const auto& step : run->steps) {
    const Tensor logits = attention.pass(params, text).logits;
    const auto last = logits.row(logits.dim(0) - 1);
    EXPECT_EQ(step->position, std::ssize(text));
    EXPECT_EQ(step->id, top_predictions(logits, logits.dim(0) - 1, 1).front().id);
    EXPECT_NEAR(step->probability, top_predictions(logits, logits.dim(0) - 1, 1).front().probability, 1e-5);
    EXPECT_EQ(step->full_id, step->id);
    EXPECT_EQ(step->kl, 0);
    EXPECT_LT(step->logit_difference.value(), 1e-5);
    EXPECT_NEAR(probability_of(last, step->id), step->full_probability, 1e-5);
    const bool is_first = &step == &run->steps.front();
    EXPECT_EQ(step->cached.n_rows, is_first ? 3 : 1);
    EXPECT_EQ(step->whole.value().n_rows, step->position);
    EXPECT_GT(step->cached.ms, 0);
    EXPECT_GE(step->cached.ms, step->cached.attention_ms);
    EXPECT_GT(step->whole->attention_ms, 0);
    text.push_back(step->id);
  }
  EXPECT_THAT(run->kernel, HasSubstr("cache kernel, "));
  EXPECT_TRUE(run->cached_time.has_value());
  EXPECT_EQ(run->cached_time->n_points, 8);
}

TEST(DecodeRun, CountsTheWorkOfBothWays) {
  ThreadPool pool(2);
  const ModelParams params = grouped();
  const ModelShape& shape = params.config.shape;
  const auto run = decode({params, kCausal}, kPrompt, {.most = 5}, pool);
  const double width = 4.0 * 4, kv_width = 2.0 * 4;  // of the heads side by side
  const double block = 12 * (2 * width + 2 * kv_width) + 3.0 * 12 * 10;
  for (const auto& step : run->steps) {
    const auto products = [&](double rows) { return 2 * (rows * 2 * block + 12.0 * static_cast<double>(shape.vocab_size)); };
    const auto n_read = static_cast<double>(step->cached.n_rows), n = static_cast<double>(step->position);
    EXPECT_EQ(step->cached.flops - step->cached.attention_flops, products(n_read));
    EXPECT_EQ(step->whole->flops - step->whole->attention_flops, products(n));
    if (step == run->steps.front()) continue;
    EXPECT_EQ(step->cached.attention_flops, 2 * 4 * n * width) << "two layers, q·k and p·v with every token";
    EXPECT_EQ(step->cached.attention_bytes, 2 * (2 * n * kv_width + 2 * width) * 4) << "K and V once, q and out";
    EXPECT_GE(step->whole->attention_flops, 2 * 4 * (n * (n + 1) / 2) * width) << "of all pairs at least";
    EXPECT_GT(step->whole->bytes, step->cached.bytes);
  }
}

/// softmax(scale q·k) of the last row, from a pass that kept its q and k.
std::vector<float> last_row(const LayerTrace& layer, std::int64_t head) {
  const std::int64_t n = layer.attention.k.dim(0), d = layer.d_head, kv_head = layer.kv_head_of[static_cast<std::size_t>(head)];
  std::vector<double> scores;
  for (std::int64_t j = 0; j < n; ++j) {
    double dot = 0;
    for (std::int64_t c = 0; c < d; ++c)
      dot += static_cast<double>(layer.attention.q.row(n - 1)[static_cast<std::size_t>(head * d + c)]) *
             static_cast<double>(layer.attention.k.row(j)[static_cast<std::size_t>(kv_head * d + c)]);
    scores.push_back(std::exp(dot * static_cast<double>(layer.scale)));
  }
  const double sum = std::accumulate(scores.begin(), scores.end(), 0.0);
  std::vector<float> row;
  for (const double score : scores)
    row.push_back(static_cast<float>(score / sum));
  return row;
}

TEST(DecodeRun, ShowsTheRowsOfTheNewToken) {
  ThreadPool pool(2);
  test::CpuAttention attention("reference");
  const ModelParams params = grouped();
  const auto run = decode({params, kCausal}, kPrompt, {.cache = paged(2), .most = 4, .whole_seconds = 0}, pool);
  std::vector<std::int32_t> text = kPrompt;
  for (const auto& step : run->steps) {
    EXPECT_FALSE(step->whole.has_value());
    const ForwardTrace whole = attention.pass(params, text);
    ASSERT_THAT(step->layers, SizeIs(2));
    for (std::size_t layer = 0; layer < 2; ++layer) {
      const LayerStep& part = step->layers[layer];
      ASSERT_EQ(part.n_slots, std::ssize(text));
      ASSERT_THAT(part.probs, SizeIs(4 * text.size()));
      for (std::int64_t head = 0; head < 4; ++head) {
        const auto row = std::span(part.probs).subspan(static_cast<std::size_t>(head) * text.size(), text.size());
        EXPECT_LT(test::largest_error(row, last_row(whole.layers[layer], head)), 1e-5);
      }
      for (std::int64_t slot = 0; slot < part.n_slots; ++slot)
        EXPECT_EQ(part.position_of(1, slot), slot);
      EXPECT_THAT(part.gave_up, ElementsAre(-1, -1));
    }
    text.push_back(step->id);
  }
  EXPECT_THAT(run->not_whole, HasSubstr("not asked for"));
}

TEST(DecodeRun, ShowsTheCacheOfEachStep) {
  ThreadPool pool(2);
  for (const test::DecodingModel& model : test::decoding_models()) {
    if (model.name == "learned") continue;
    for (KvCacheOptions options :
         {paged(3, KvType::kInt8), evicting(Eviction::kStreaming, 3, 2), evicting(Eviction::kHeavyHitters, 2, 2)}) {
      options.layout = CacheLayout::kPaged;
      options.page_rows = 3;
      const auto run = decode({model.params, kCausal}, kPrompt, {.cache = options, .most = 11}, pool);
      const CacheShape shape = cache_shape(model.params);
      for (const auto& step : run->steps) {
        const std::int64_t budget = token_budget(options).value_or(step->position), held = std::min(budget, step->position);
        EXPECT_EQ(step->n_held, held);
        EXPECT_EQ(step->bytes_held, held * token_bytes(shape, options.type));
        EXPECT_EQ(step->bytes_full, step->position * token_bytes(shape, KvType::kFloat32));
        std::int64_t bytes = 0, rows = 0;
        for (std::size_t layer = 0; layer < step->layers.size(); ++layer) {
          const LayerStep& part = step->layers[layer];
          bytes = std::accumulate(part.bytes.begin(), part.bytes.end(), bytes);
          EXPECT_EQ(std::ssize(part.bytes), shape.n_kv_heads[layer]);
          for (std::int64_t head = 0; head < std::ssize(part.bytes); ++head) {
            std::vector<std::int32_t> positions;
            for (std::int64_t slot = 0; slot < part.n_slots; ++slot)
              positions.push_back(part.position_of(head, slot));
            std::ranges::sort(positions);
            EXPECT_EQ(positions.back(), step->position - 1) << "the newest is always held";
            EXPECT_TRUE(std::ranges::adjacent_find(positions) == positions.end());
            EXPECT_EQ(part.gave_up[static_cast<std::size_t>(head)] >= 0, step->position > budget);
          }
          for (std::size_t head = 0; head < run->heads[layer].size(); ++head) {
            const auto row = part.probs.begin() + static_cast<std::ptrdiff_t>(head * static_cast<std::size_t>(part.n_slots));
            EXPECT_NEAR(std::accumulate(row, row + part.n_slots, 0.0), 1, 1e-5);
          }
        }
        EXPECT_EQ(bytes, step->bytes_held);
        for (const PageUse& page : step->pages)
          rows += page.rows_used;
        EXPECT_EQ(rows, held);
        EXPECT_EQ(std::ssize(step->pages), (held + 2) / 3);
        EXPECT_GE(step->bytes_reserved, step->bytes_held);
      }
    }
  }
}

TEST(DecodeRun, TellsWhereAnotherTokenWouldHaveBeenChosen) {
  ThreadPool pool(2);
  const ModelParams params = grouped();
  const auto run = decode({params, kCausal}, kPrompt, {.cache = evicting(Eviction::kWindow, 1), .most = 20}, pool);
  std::vector<std::int32_t> text = kPrompt;
  test::CpuAttention attention("reference");
  int n_different = 0;
  for (const auto& step : run->steps) {
    const Tensor full = attention.pass(params, text).logits;
    const auto last = full.row(full.dim(0) - 1);
    EXPECT_EQ(step->full_id, most_probable(last));
    EXPECT_NEAR(step->full_probability, probability_of(last, step->id), 1e-5);
    EXPECT_GT(step->kl, 0);
    EXPECT_GT(step->logit_difference.value(), 1e-3);
    n_different += step->differs() ? 1 : 0;
    text.push_back(step->id);
  }
  EXPECT_GT(n_different, 0);
}

TEST(DecodeRun, OfADecoderReadsTheEncoder) {
  const std::vector<std::int32_t> source = {3, 4, 11, 6, 2}, start = {1};
  for (const char* family : {"bart", "t5"}) {
    const ModelParams params = test::stirred_params(test::family_config(family), 4);
    test::CpuAttention attention("flash");
    const Tensor encoded = translate_pass(params, source, start, *attention.backend, attention.pool).encoder.output;
    const CrossSource from{encoded};
    const Mask encoder_mask{.direction = Direction::kBidirectional};
    const auto run = decode({params, encoder_mask, &from}, start, {.cache = paged(2), .most = 6, .first_token = 9}, attention.pool);
    Writer writer(params, from, attention.pool);
    EXPECT_EQ(written_by(*run), write_on(writer, params.config, start, {.most = 6, .first_token = 9})) << family;
    EXPECT_LT(run->steps.back()->logit_difference.value(), 2e-5);
  }
}

TEST(DecodeRun, EndsWhereTheModelOrTheRoomEnds) {
  ThreadPool pool(1);
  const ModelParams learned = test::stirred_params(test::family_config("gpt2"), 4);
  const auto all = decode({learned, kCausal}, kPrompt, {.most = 100}, pool);
  EXPECT_THAT(all->steps, SizeIs(6)) << "nine positions, three of them the text's";
  EXPECT_THAT(all->ended, HasSubstr("9 positions"));
  const std::vector<std::int32_t> ids = written_by(*all);
  const auto ended = decode({learned, kCausal}, kPrompt, {.most = 100, .ends = {ids[0]}}, pool);
  EXPECT_THAT(ended->steps, SizeIs(1));
  EXPECT_THAT(ended->ended, HasSubstr("ended its text"));
  EXPECT_EQ(decode({learned, kCausal}, kPrompt, {.most = 6}, pool)->ended, "");
}

TEST(DecodeRun, SaysWhatItCannotDo) {
  ThreadPool pool(1);
  const ModelParams learned = test::stirred_params(test::family_config("gpt2"), 4), params = grouped();
  const auto failure = [&](const ModelParams& model, const Mask& mask, const std::vector<std::int32_t>& text,
                           const DecodeJob& job) {
    return failure_of([&] { decode({model, mask}, text, job, pool); });
  };
  EXPECT_THAT(failure(params, kCausal, {}, {}), HasSubstr("at least one token"));
  EXPECT_THAT(failure(learned, kCausal, test::some_ids(9, 13), {}), HasSubstr("9 tokens, and the model has learned 9 positions"));
  EXPECT_THAT(failure(params, kCausal, kPrompt, {.cache = paged(0)}), HasSubstr("a page: 0 tokens"));
  EXPECT_THAT(failure(params, {.direction = Direction::kBidirectional}, kPrompt, {}), HasSubstr("causal"));
  EXPECT_THAT(failure(params, {.pattern = {.kind = PatternKind::kStrided}}, kPrompt, {}), HasSubstr("unbroken range"));
  EXPECT_THAT(failure(params, kCausal, {99}, {}), HasSubstr("vocabulary"));
  // 2 layers of 2 K/V heads of 4 in float32: 128 bytes a token.
  const std::string large = failure(params, kCausal, kPrompt, {.most = std::int64_t{1} << 42});
  EXPECT_THAT(large, HasSubstr("needs 562949953421696 bytes")) << large;
}

TEST(DecodeRun, StopsWhenToldAndKeepsWhatThereWas) {
  ThreadPool pool(2);
  const ModelParams params = grouped();
  std::stop_source stop;
  std::shared_ptr<const DecodeRun> newest;
  DecodeJob job{.most = 50, .stop = stop.get_token()};
  job.progress = [&](const std::shared_ptr<const DecodeRun>& run) {
    EXPECT_EQ(run->steps.size(), newest ? newest->steps.size() + 1 : 1);
    newest = run;
    if (run->steps.size() == 3) stop.request_stop();
  };
  EXPECT_THROW(decode({params, kCausal}, kPrompt, job, pool), Cancelled);
  ASSERT_THAT(newest->steps, SizeIs(3));
  EXPECT_FALSE(newest->is_finished);
}

TEST(DecodeRun, ReadsTheWholeTextNoLongerThanItMay) {
  ThreadPool pool(1);
  const auto run = decode({grouped(), kCausal}, kPrompt, {.most = 3, .whole_seconds = 1e-9}, pool);
  for (const auto& step : run->steps)
    EXPECT_FALSE(step->whole.has_value());
  EXPECT_THAT(run->not_whole, HasSubstr("From token 1 on"));
  EXPECT_FALSE(run->whole_time.has_value());
}

TEST(Distributions, AreOfSoftmax) {
  const std::vector<float> p = {0, std::log(3.0F), -INFINITY}, q = {1, 1, 1};
  EXPECT_NEAR(log_sum_exp(p), std::log(4.0), 1e-7);
  EXPECT_NEAR(probability_of(p, 1), 0.75, 1e-7);
  EXPECT_EQ(probability_of(p, 2), 0);
  EXPECT_EQ(most_probable(p), 1);
  EXPECT_EQ(most_probable(q), 0) << "of equals the first";
  EXPECT_EQ(most_probable(std::vector<float>{std::nanf(""), -2, -1}), 2);
  EXPECT_NEAR(divergence(p, q), 0.25 * std::log(0.75) + 0.75 * std::log(2.25), 1e-7);
  EXPECT_EQ(divergence(q, q), 0);
}

}  // namespace
}  // namespace headroom
