// Measuring on the engine's worker: what is asked for, and how it is answered, stopped and replaced.
#include "core/session/speed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>

#include "computer_fixture.h"

namespace headroom {
namespace {

using testing::compute_of;
using ::testing::HasSubstr;
using testing::session_after;

SpeedRequest small_request(std::vector<SpeedPart> parts, std::int64_t n_heads = 2) {
  SpeedRequest request;
  request.shape.config.n_heads = request.shape.config.n_kv_heads = n_heads;
  request.shape.config.d_head = 8;
  request.shape.config.seq_q = request.shape.config.seq_k = 16;
  request.shape.d_model = 16;
  request.parts = std::move(parts);
  request.budget = {.seconds = 0.001, .rounds = 1};
  return request;
}

EngineOptions quick_options() {
  EngineOptions options = testing::options();
  options.assets = testing::small_assets();
  options.measures_held_out_loss = false;
  return options;
}

TEST(SpeedRequest, SectionsCoverEveryPartOnce) {
  std::multiset<SpeedPart> parts;
  for (const SpeedSection section :
       {SpeedSection::kLadder, SpeedSection::kRoofline, SpeedSection::kGrowth, SpeedSection::kDevices}) {
    for (const SpeedPart part : speed_parts(section))
      parts.insert(part);
  }
  const std::vector<SpeedPart> all = speed_parts(SpeedSection::kAll);
  EXPECT_EQ(parts, std::multiset<SpeedPart>(all.begin(), all.end()));
  EXPECT_EQ(std::set<SpeedPart>(all.begin(), all.end()).size(), 5u);
  for (const SpeedPart part : all)
    EXPECT_STRNE(speed_part_name(part), "");
}

TEST(SpeedRequest, IsOfTheSessionsShape) {
  Session session = session_after({KvHeadsSet{2}, DirectionSet{Direction::kBidirectional}, SpeedSecondsSet{0.05}});
  SpeedRequest request = speed_request_of(session, 10, SpeedSection::kLadder);
  const AttentionConfig& config = request.shape.config;
  EXPECT_EQ(config.n_heads, 8);
  EXPECT_EQ(config.n_kv_heads, 2);
  EXPECT_EQ(config.d_head, 16);
  EXPECT_EQ(config.seq_q, 10);
  EXPECT_EQ(config.seq_k, 10);
  EXPECT_EQ(config.mask.direction, Direction::kBidirectional);
  EXPECT_EQ(request.shape.d_model, 128);
  EXPECT_EQ(request.budget.seconds, 0.05);
  session.view.speed_tokens = 512;
  EXPECT_EQ(speed_shape_of(session, 10).config.seq_k, 512);
  EXPECT_EQ(speed_shape_of(Session{}, 0).config.seq_k, 1) << "an empty sentence";
  EXPECT_EQ(speed_shape_of(Session{}, 100000).config.seq_k, 4096) << "more only when it is asked for";
  EXPECT_FALSE(speed_shape_of(session, 10) == speed_shape_of(Session{}, 10));
}

TEST(SpeedRequest, EstimatesGrowWithWhatIsAsked) {
  SpeedRequest request = speed_request_of(Session{}, 10, SpeedSection::kLadder);
  const double ladder = estimated_seconds(request);
  EXPECT_GT(ladder, 0);
  EXPECT_GT(estimated_seconds(speed_request_of(Session{}, 10, SpeedSection::kAll)), ladder);
  request.budget.seconds *= 10;
  EXPECT_GT(estimated_seconds(request), ladder);
}

TEST(EngineSpeed, AnswersPartByPartAndKeepsWhatWasMeasured) {
  std::atomic<bool> has_seen_part{false};
  Engine* engine_at = nullptr;
  Engine engine(quick_options(), [&] {
    if (engine_at && engine_at->progress().part == SpeedPart::kDevices) has_seen_part = true;
  });
  engine_at = &engine;
  engine.measure_speed(small_request({SpeedPart::kLadder, SpeedPart::kDevices}));
  EXPECT_TRUE(engine.progress().is_busy);
  engine.wait();
  std::vector<Answer> answers = engine.take_answers();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].part, SpeedPart::kLadder);
  EXPECT_EQ(answers[0].failure, "");
  ASSERT_TRUE(answers[0].speed);
  EXPECT_TRUE(answers[0].speed->ladder);
  EXPECT_FALSE(answers[0].speed->devices);
  EXPECT_EQ(answers[1].part, SpeedPart::kDevices);
  ASSERT_TRUE(answers[1].speed && answers[1].speed->devices);
  EXPECT_TRUE(answers[1].speed->ladder) << "the first part stays";
  EXPECT_THAT(answers[1].speed->devices->reason, HasSubstr("GPU"));
  EXPECT_TRUE(has_seen_part.load());
  EXPECT_FALSE(engine.progress().part);
  EXPECT_FALSE(answers[0].snapshot || answers[1].snapshot);
  // The same shape again: only the asked part is measured anew.
  engine.measure_speed(small_request({SpeedPart::kLadder}));
  engine.wait();
  answers = engine.take_answers();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].speed->devices);
  // Another shape: what belonged to the old one is gone.
  engine.measure_speed(small_request({SpeedPart::kLadder}, 4));
  engine.wait();
  answers = engine.take_answers();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_FALSE(answers[0].speed->devices);
  EXPECT_EQ(answers[0].speed->shape.config.n_heads, 4);
}

TEST(EngineSpeed, AFailureIsASentenceOfItsPartAndTheNextIsMeasured) {
  Engine engine(quick_options(), nullptr);
  SpeedRequest broken = small_request({SpeedPart::kLadder, SpeedPart::kDevices});
  broken.shape.config.d_head = 300;  // more than any kernel can have
  engine.measure_speed(broken);
  engine.wait();
  std::vector<Answer> answers = engine.take_answers();
  ASSERT_EQ(answers.size(), 2u);
  for (const Answer& answer : answers) {
    EXPECT_TRUE(answer.part);
    EXPECT_FALSE(answer.speed);
    EXPECT_NE(answer.failure, "");
  }
  engine.measure_speed(small_request({SpeedPart::kLadder}));
  engine.wait();
  answers = engine.take_answers();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].speed);
}

TEST(EngineSpeed, AGpuThatFailsIsAReason) {
  for (const int kind : {0, 1}) {
    EngineOptions options = quick_options();
    options.gpu.open_kernels = [kind]() -> GpuKernels {
      if (kind == 0) throw Error("There is no OpenGL 4.3 here.");
      throw std::logic_error("driver broke");
    };
    Engine engine(options, nullptr);
    engine.measure_speed(small_request({SpeedPart::kDevices}));
    engine.wait();
    const std::vector<Answer> answers = engine.take_answers();
    ASSERT_EQ(answers.size(), 1u);
    if (kind == 0) {
      ASSERT_TRUE(answers[0].speed);
      EXPECT_EQ(answers[0].speed->devices->reason, "There is no OpenGL 4.3 here.");
      EXPECT_TRUE(answers[0].speed->devices->cpu);
    } else {
      EXPECT_THAT(answers[0].failure, HasSubstr("driver broke"));
    }
  }
}

TEST(EngineSpeed, OpensTheGpuOnce) {
  int opened = 0;
  EngineOptions options = quick_options();
  ThreadPool pool(1);
  options.gpu.open_kernels = [&] {
    ++opened;
    GpuKernels kernels;
    kernels.name = "made-up GPU";
    kernels.fused = make_flash_backend(pool);
    kernels.naive = make_naive_backend(pool);
    return kernels;
  };
  Engine engine(options, nullptr);
  engine.measure_speed(small_request({SpeedPart::kDevices}));
  engine.wait();
  engine.measure_speed(small_request({SpeedPart::kDevices}));
  engine.wait();
  const std::vector<Answer> answers = engine.take_answers();
  ASSERT_EQ(answers.size(), 2u);
  ASSERT_TRUE(answers[1].speed);
  EXPECT_EQ(answers[1].speed->devices->gpu_name, "made-up GPU");
  EXPECT_TRUE(answers[1].speed->devices->gpu);
  EXPECT_EQ(opened, 1);
}

TEST(EngineSpeed, TheNewestWishWins) {
  Engine engine(quick_options(), nullptr);
  SpeedRequest slow = small_request({SpeedPart::kLadder, SpeedPart::kDevices, SpeedPart::kCases});
  slow.budget.seconds = 30;
  for (int i = 0; i < 20; ++i)
    engine.measure_speed(slow);
  engine.measure_speed(small_request({SpeedPart::kLadder}, 4));
  engine.wait();
  const std::vector<Answer> answers = engine.take_answers();
  ASSERT_FALSE(answers.empty());
  EXPECT_EQ(answers.back().speed->shape.config.n_heads, 4);
  for (const Answer& answer : answers)
    EXPECT_EQ(answer.failure, "");
}

TEST(EngineSpeed, CancelStopsItWithoutAFailure) {
  Engine* engine_at = nullptr;
  Engine engine(quick_options(), [&] {
    if (engine_at && engine_at->progress().part == SpeedPart::kDevices) engine_at->cancel();
  });
  engine_at = &engine;
  SpeedRequest request = small_request({SpeedPart::kLadder, SpeedPart::kDevices, SpeedPart::kCases});
  engine.measure_speed(request);
  engine.wait();
  const std::vector<Answer> answers = engine.take_answers();
  ASSERT_EQ(answers.size(), 1u) << "what was finished is told, the rest is not a failure";
  EXPECT_TRUE(answers[0].speed && answers[0].speed->ladder);
  EXPECT_FALSE(engine.progress().is_busy);
}

TEST(EngineSpeed, APictureDoesNotWaitForAMeasurement) {
  Engine engine(quick_options(), nullptr);
  SpeedRequest slow = small_request({SpeedPart::kLadder});
  slow.budget.seconds = 60;
  slow.budget.rounds = 1000000;
  engine.measure_speed(slow);
  const std::uint64_t id = engine.submit(compute_of("the cat"));
  engine.wait();
  const std::vector<Answer> answers = engine.take_answers();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].id, id);
  EXPECT_TRUE(answers[0].snapshot);
  EXPECT_FALSE(answers[0].part);
}

TEST(EngineSpeed, WhatWasMeasuredSurvivesANewRequest) {
  Engine engine(quick_options(), nullptr);
  engine.measure_speed(small_request({SpeedPart::kLadder}));
  engine.wait();
  engine.submit(compute_of("the cat"));
  engine.wait();
  const std::vector<Answer> answers = engine.take_answers();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_TRUE(answers[0].speed);
  EXPECT_TRUE(answers[1].snapshot);
}

TEST(EngineSpeed, ClosesWhileMeasuring) {
  for (int i = 0; i < 6; ++i) {
    Engine engine(quick_options(), nullptr);
    SpeedRequest slow = small_request({SpeedPart::kLadder, SpeedPart::kDevices});
    slow.budget.seconds = 30;
    slow.budget.rounds = 1000000;
    engine.measure_speed(slow);
    std::this_thread::sleep_for(std::chrono::milliseconds(i * 3));
  }
}

}  // namespace
}  // namespace headroom
