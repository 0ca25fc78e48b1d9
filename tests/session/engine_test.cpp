#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "computer_fixture.h"
#include "random_session.h"

namespace headroom {
namespace {

using testing::compute_of;
using ::testing::HasSubstr;
using testing::session_after;

EngineOptions small_options() {
  EngineOptions options = testing::options();
  options.assets = testing::small_assets();
  return options;
}

TEST(Engine, AnswersThePictureThenTheLoss) {
  std::atomic<int> wakes{0};
  Engine engine(small_options(), [&] { ++wakes; });
  const std::uint64_t id = engine.submit(Compute{});
  engine.wait();
  const std::vector<Answer> answers = engine.take_answers();
  ASSERT_EQ(answers.size(), 2u);
  for (const Answer& answer : answers) {
    EXPECT_EQ(answer.id, id);
    EXPECT_EQ(answer.failure, "");
    ASSERT_TRUE(answer.snapshot);
    EXPECT_EQ(answer.snapshot->id, id);
  }
  EXPECT_FALSE(answers[0].snapshot->held_out);
  EXPECT_TRUE(answers[1].snapshot->held_out);
  EXPECT_EQ(answers[0].snapshot->trace, answers[1].snapshot->trace);
  EXPECT_GT(answers[0].snapshot->engine_ms, 0);
  EXPECT_GE(wakes.load(), 2);
  EXPECT_TRUE(engine.take_answers().empty());
  EXPECT_FALSE(engine.progress().is_busy);
}

TEST(Engine, WithoutLossThereIsOneAnswer) {
  EngineOptions options = small_options();
  options.measures_held_out_loss = false;
  Engine engine(options, nullptr);
  engine.submit(Compute{});
  engine.wait();
  EXPECT_EQ(engine.take_answers().size(), 1u);
}

TEST(Engine, TheNewestWins) {
  Engine engine(small_options(), nullptr);
  std::uint64_t id = 0;
  for (int i = 0; i < 50; ++i)
    id = engine.submit(compute_of("the cat " + std::to_string(i)));
  engine.wait();
  const std::vector<Answer> answers = engine.take_answers();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].id, id);
  EXPECT_EQ(answers[0].snapshot->compute.text, "the cat 49");
}

TEST(Engine, AnOlderAnswerIsDroppedWhenANewerRequestCame) {
  Engine engine(small_options(), nullptr);
  engine.submit(compute_of("old"));
  engine.wait();
  const std::uint64_t id = engine.submit(compute_of("new"));
  for (const Answer& answer : engine.take_answers())
    EXPECT_EQ(answer.id, id);
  engine.wait();
}

TEST(Engine, AFailureIsASentenceAndTheEngineLivesOn) {
  Engine engine(small_options(), nullptr);
  Compute missing;
  missing.model = "no-such-model";
  const std::uint64_t id = engine.submit(missing);
  engine.wait();
  std::vector<Answer> answers = engine.take_answers();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].id, id);
  EXPECT_FALSE(answers[0].snapshot);
  EXPECT_THAT(answers[0].failure, HasSubstr("no-such-model"));
  engine.submit(Compute{});
  engine.wait();
  answers = engine.take_answers();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_TRUE(answers[0].snapshot);
}

TEST(Engine, AnyExceptionBecomesASentence) {
  for (const int kind : {0, 1, 2}) {
    EngineOptions options = small_options();
    // From the provider, where a driver may throw anything.
    options.gpu.open = [kind]() -> std::unique_ptr<AttentionLayer> {
      if (kind == 0) throw std::bad_alloc();
      if (kind == 1) throw std::logic_error("driver broke");
      throw 42;
    };
    Engine engine(options, nullptr);
    engine.submit(session_after({BackendSet{BackendChoice::kGl}}).compute);
    engine.wait();
    const std::vector<Answer> answers = engine.take_answers();
    ASSERT_FALSE(answers.empty());
    if (kind == 2) {
      EXPECT_THAT(answers[0].failure, HasSubstr("unknown reason"));
    } else {
      EXPECT_TRUE(answers[0].snapshot) << "the CPU computes where the GPU cannot";
    }
    engine.submit(Compute{});
    engine.wait();
    EXPECT_TRUE(engine.take_answers().front().snapshot);
  }
}

TEST(Engine, CancelStopsTheLossAndKeepsThePicture) {
  std::atomic<bool> has_picture{false};
  Engine* engine_at = nullptr;
  std::vector<Answer> answers;
  Engine engine(small_options(), [&] {
    // On the worker's thread, between the picture and the loss.
    if (!engine_at || has_picture.load()) return;
    for (Answer& answer : engine_at->take_answers()) {
      answers.push_back(std::move(answer));
      has_picture = true;
      engine_at->cancel();
    }
  });
  engine_at = &engine;
  engine.submit(Compute{});
  engine.wait();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].snapshot);
  EXPECT_TRUE(engine.take_answers().empty()) << "the loss was stopped, and that is no failure";
}

TEST(Engine, TellsItsProgress) {
  std::atomic<int> loss_reports{0};
  Engine* engine_at = nullptr;
  Engine engine(small_options(), [&] {
    if (!engine_at) return;
    const EngineProgress progress = engine_at->progress();
    if (progress.stage == "held-out loss") {
      EXPECT_TRUE(progress.is_busy);
      EXPECT_TRUE(progress.share >= 0 && progress.share <= 1);
      ++loss_reports;
    }
  });
  engine_at = &engine;
  engine.submit(Compute{});
  EXPECT_TRUE(engine.progress().is_busy);
  engine.wait();
  EXPECT_GE(loss_reports.load(), 1);
  EXPECT_FALSE(engine.progress().is_busy);
  EXPECT_EQ(engine.progress().stage, "");
}

TEST(Engine, MeasuresTheOtherDevice) {
  testing::FakeGpu gpu;
  EngineOptions options = small_options();
  options.gpu = gpu.provider();
  {
    Engine engine(options, nullptr);
    engine.measure_other_device();  // nothing to measure yet
    engine.wait();
    EXPECT_TRUE(engine.take_answers().empty());
    const std::uint64_t id = engine.submit(Compute{});
    engine.wait();
    engine.take_answers();
    engine.measure_other_device();
    engine.wait();
    std::vector<Answer> answers = engine.take_answers();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].id, id);
    EXPECT_TRUE(answers[0].snapshot->gpu);
    EXPECT_TRUE(answers[0].snapshot->held_out) << "what was known stays";
  }
  options.gpu = {};
  Engine engine(options, nullptr);
  engine.submit(Compute{});
  engine.wait();
  engine.take_answers();
  engine.measure_other_device();
  engine.wait();
  const std::vector<Answer> answers = engine.take_answers();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_THAT(answers[0].failure, HasSubstr("no GPU backend"));
}

TEST(Engine, ClosesWhileWorking) {
  for (int i = 0; i < 12; ++i) {
    Engine engine(small_options(), nullptr);
    engine.submit(compute_of("the cat " + std::to_string(i)));
    std::this_thread::sleep_for(std::chrono::milliseconds(i * 3));
  }
  Engine idle(small_options(), nullptr);
}

/// Hundreds of requests and cancellations from two threads; the last one is answered. Run under the thread sanitizer too.
TEST(Engine, Stress) {
  std::atomic<int> wakes{0};
  Engine engine(small_options(), [&] { ++wakes; });
  testing::Random random(17);
  Session session;
  std::atomic<bool> is_done{false};
  std::thread reader([&] {
    std::uint64_t newest = 0;
    while (!is_done.load()) {
      for (const Answer& answer : engine.take_answers()) {
        EXPECT_GE(answer.id, newest) << "answers come in order";
        newest = answer.id;
        const Snapshot* s = answer.snapshot.get();
        EXPECT_TRUE(!s || s->trace->logits.dim(0) == static_cast<std::int64_t>(s->seq()));
      }
      engine.progress();
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
  const ModelShape gqa = read_model_shape(testing::assets() / "models" / "grammar-gqa");
  for (int i = 0; i < 400; ++i) {
    switch (random.in(0, 8)) {
      case 0:
        session = reduce(session, KvHeadsSet{random.in(1, 8)}).session;
        break;
      case 1:
        session = reduce(session, HeadsCountSet{random.in(1, 16)}).session;
        break;
      case 2:
        session = reduce(session, HeadPruneToggled{{random.in(0, 3), random.in(0, 7)}}).session;
        break;
      case 3:
        session = reduce(session, DModelSet{8 * random.in(2, 16)}).session;
        break;
      case 4:
        session = reduce(session, ModelOpened{ModelSource::kBundled, "grammar-gqa", gqa}).session;
        break;
      case 5:
        session = reduce(session, ModelOpened{ModelSource::kBundled, "grammar-base", Compute{}.trained}).session;
        break;
      default:
        session = reduce(session, TextEdited{testing::random_text(random)}).session;
        break;
    }
    engine.submit(session.compute);
    if (random.one_in(5)) engine.cancel();
    if (random.one_in(10)) engine.measure_other_device();
    if (random.one_in(3)) std::this_thread::sleep_for(std::chrono::microseconds(random.in(0, 4000)));
  }
  engine.cancel();
  engine.wait();
  is_done = true;
  reader.join();
  const std::uint64_t last = engine.submit(Compute{});
  engine.wait();
  const std::vector<Answer> answers = engine.take_answers();
  ASSERT_FALSE(answers.empty());
  EXPECT_EQ(answers.back().id, last);
  EXPECT_TRUE(answers.back().snapshot->held_out);
  EXPECT_GT(wakes.load(), 0);
}

}  // namespace
}  // namespace headroom
