// What is asked for the Decode stage: generation with a cache, its time, its quality, and many requests.

#include <gmock/gmock.h>

#include <chrono>
#include <thread>

#include "computer_fixture.h"

namespace headroom {
namespace {

using testing::compute_of;
using testing::failure_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Compute opened(const std::string& model) {
  return testing::session_after({ModelOpened{ModelSource::kBundled, model, read_model_shape(testing::assets() / "models" / model)}})
      .compute;
}

DecodeRequest decoding(const Compute& compute, std::int64_t tokens, const KvCacheOptions& cache = {}) {
  return {.compute = compute, .plan = {.cache = cache, .tokens = tokens}};
}

TEST(Decoding, WritesWhatTheModelWrites) {
  Computer computer(testing::options());
  for (const char* model : {"grammar-base", "grammar-learned", "grammar-mqa", "grammar-translation"}) {
    const Compute compute = opened(model);
    const auto written = computer.write({compute, {.tokens = 12}});
    std::size_t n_told = 0;
    const auto decoded = computer.decode(decoding(compute, 12), {}, [&](const auto& grown) {
      EXPECT_EQ(grown->run->steps.size(), ++n_told);
      EXPECT_EQ(grown->tokens.size(), grown->run->prompt.size() + n_told);
    });
    std::vector<std::int32_t> ids;
    for (const auto& step : decoded->run->steps) {
      ids.push_back(step->id);
      EXPECT_LT(step->logit_difference.value(), 1e-3) << model;
    }
    EXPECT_EQ(ids, written->ids) << model;
    EXPECT_EQ(n_told + 1, ids.size()) << "the last is the answer itself";
    ASSERT_EQ(decoded->tokens.size(), decoded->run->prompt.size() + ids.size());
    EXPECT_EQ(decoded->tokens.back().id, ids.back());
    EXPECT_NE(decoded->tokens.back().text, "");
  }
}

TEST(Decoding, GoesOnFromWhatWasWritten) {
  Computer computer(testing::options());
  Session session = testing::session_after({TextEdited{"the cat"}});
  const WritePlan drawn{.tokens = 6, .temperature = 1, .seed = 4};
  session = reduce(session, ContinuationSet{computer.write({session.compute, drawn})->ids}).session;
  session.write = drawn;
  session.decode.tokens = 6;
  const auto decoded = computer.decode(decode_request(session));
  const auto written = computer.write({session.compute, drawn});
  ASSERT_THAT(written->ids, SizeIs(12));
  for (std::size_t i = 0; i < 6; ++i)
    EXPECT_EQ(decoded->run->steps[i]->id, written->ids[6 + i]);
}

TEST(Decoding, SaysWhatItCannotDo) {
  Computer computer(testing::options());
  EXPECT_THAT(failure_of([&] { computer.decode(decoding(opened("grammar-masked"), 3)); }), HasSubstr("does not generate"));
  EXPECT_THAT(failure_of([&] { computer.decode(decoding(compute_of("the cat"), 3, {.page_rows = 0})); }), HasSubstr("a page"));
  Compute both = compute_of("the cat");
  both.mask.direction = Direction::kBidirectional;
  EXPECT_THAT(failure_of([&] { computer.decode(decoding(both, 3)); }), HasSubstr("causal"));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(computer.decode(decoding(compute_of("the cat"), 3), stop.get_token()), Cancelled);
}

TEST(DecodeQuality, IsOfTheHeldOutTextWhereItCanBeRead) {
  EngineOptions options = testing::options();
  options.assets = testing::small_assets();
  Computer computer(options);
  const auto snapshot = computer.add_held_out_loss(computer.compute(compute_of("the cat"), 1));
  QualityRequest request{.compute = compute_of(""), .choices = {{.cache = {.type = KvType::kInt8}}}};
  request.cache.eviction = Eviction::kWindow;
  const auto quality = computer.quality(request);
  EXPECT_EQ(quality->text, "the held-out text");
  ASSERT_THAT(quality->report->points, SizeIs(2)) << "the session's own cache is one more";
  EXPECT_EQ(quality->report->points[1].choice.cache, request.cache);
  EXPECT_NEAR(quality->report->full.loss, snapshot->held_out->after, 1e-5);
  EXPECT_EQ(quality->report->n_tokens, snapshot->held_out->n_tokens);
  EXPECT_LT(quality->report->points[0].loss, quality->report->points[1].loss) << "sixteen tokens are not enough";

  request.compute = opened("induction");
  const auto other = computer.quality(request);
  EXPECT_EQ(other->text, "the sentence") << "its words are others";
  EXPECT_EQ(other->report->n_rows, 1);
  EXPECT_THAT(failure_of([&] {
                request.compute = opened("grammar-translation");
                computer.quality(request);
              }),
              HasSubstr("next token of one text"));
}

TEST(DecodeBatch, CountsTheModelsTokens) {
  Computer computer(testing::options());
  Compute compute = opened("grammar-gqa");
  BatchWish wish{.compute = compute, .plan = {.n_requests = 12}, .cache = {.type = KvType::kInt8, .page_rows = 8}};
  const auto batch = computer.batch(wish);
  EXPECT_EQ(batch->token_bytes, 4 * 2 * 2 * (16 + 4)) << "4 layers, K and V, 2 K/V heads, 16 bytes and a scale";
  EXPECT_EQ(batch->run->token_bytes, batch->token_bytes);
  EXPECT_EQ(batch->run->paged.page_rows, 8);
  EXPECT_EQ(batch->run->paged.n_finished, 12);
  wish.compute = opened("grammar-masked");
  EXPECT_THAT(failure_of([&] { computer.batch(wish); }), HasSubstr("no cache"));
  wish.compute = compute;
  wish.cache.page_rows = 0;
  EXPECT_THAT(failure_of([&] { computer.batch(wish); }), HasSubstr("a page"));
}

EngineOptions quiet_options() {
  EngineOptions options = testing::options();
  options.assets = testing::small_assets();
  options.measures_held_out_loss = false;
  return options;
}

TEST(EngineDecodeStage, AnswersEachPart) {
  Engine engine(quiet_options(), nullptr);
  Session session;
  session.decode.tokens = 4;
  session.batch.n_requests = 5;
  engine.submit(session.compute);
  engine.decode(decode_request(session));
  engine.run_batch(batch_wish(session));
  QualityRequest quality = quality_request(session);
  quality.choices = {{.cache = {.type = KvType::kInt4}}};
  engine.measure_quality(quality);
  engine.wait();
  DecodeState state;
  std::vector<Answer> answers = engine.take_answers();
  ASSERT_THAT(answers, SizeIs(4)) << "of what grew only the last is left";
  EXPECT_TRUE(answers.front().snapshot);
  for (const Answer& answer : answers)
    take_answer(state, answer);
  ASSERT_TRUE(state.decoded);
  EXPECT_THAT(state.decoded->run->steps, SizeIs(4));
  EXPECT_TRUE(state.decoded->run->is_finished);
  EXPECT_EQ(state.decoded->request, decode_request(session));
  ASSERT_TRUE(state.batch);
  EXPECT_THAT(state.batch->run->requests, SizeIs(5));
  ASSERT_TRUE(state.quality);
  EXPECT_TRUE(state.quality->report->is_finished);
  EXPECT_FALSE(state.growth);
  EXPECT_EQ(state.failure(DecodePart::kSteps), "");

  session.decode.cache.page_rows = 0;
  engine.decode(decode_request(session));
  engine.measure_decode_growth(decode_growth_request(session));
  engine.wait();
  answers = engine.take_answers();
  ASSERT_THAT(answers, SizeIs(2));
  for (const Answer& answer : answers) {
    EXPECT_EQ(answer.about, Answer::About::kDecodeStage);
    take_answer(state, answer);
  }
  EXPECT_THAT(state.failure(DecodePart::kSteps), HasSubstr("a page"));
  EXPECT_THAT(state.failure(DecodePart::kGrowth), HasSubstr("a page"));
  EXPECT_THAT(state.decoded->run->steps, SizeIs(4)) << "what there was stands";
}

/// Tokens that take far longer than a test.
constexpr std::int64_t kEndless = 4096;

/// Waits until generation has told of a first step.
Answer first_step(Engine& engine) {
  while (true) {
    for (const Answer& answer : engine.take_answers())
      if (answer.decoded) return answer;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(EngineDecodeStage, IsStoppedByANewerWishAPictureOrAWord) {
  Engine engine(quiet_options(), nullptr);
  const Compute compute = compute_of("the cat sat");
  const DecodeRequest endless = decoding(compute, kEndless);
  engine.submit(compute);
  engine.decode(endless);
  EXPECT_FALSE(first_step(engine).decoded->run->is_finished);
  engine.decode(decoding(compute, 2));
  engine.wait();
  std::vector<Answer> answers = engine.take_answers();
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].decoded->request.plan.tokens, 2);

  engine.decode(endless);
  first_step(engine);
  engine.submit(compute_of("the dog"));
  engine.wait();
  answers = engine.take_answers();
  ASSERT_THAT(answers, SizeIs(1)) << "its text is gone";
  EXPECT_TRUE(answers[0].snapshot);

  engine.decode(endless);
  first_step(engine);
  engine.cancel_decode_stage();
  engine.wait();
  for (const Answer& answer : engine.take_answers())
    EXPECT_EQ(answer.failure, "");
  EXPECT_FALSE(engine.progress().is_busy);
}

TEST(EngineDecodeStage, ServesWishesOfThePictureMeanwhile) {
  Engine engine(quiet_options(), nullptr);
  const Compute compute = compute_of("the cat sat");
  engine.submit(compute);
  engine.decode(decoding(compute, kEndless));
  first_step(engine);
  EXPECT_EQ(engine.progress().decode_part, DecodePart::kSteps);
  engine.look_through(2);
  std::shared_ptr<const TokenLens> lens;
  while (!lens) {
    for (const Answer& answer : engine.take_answers())
      if (answer.lens) lens = answer.lens;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(lens->lens.position, 2);
  EXPECT_TRUE(engine.progress().is_busy) << "generation goes on";
  engine.cancel();
  engine.wait();
}

}  // namespace
}  // namespace headroom
