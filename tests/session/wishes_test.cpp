// What is asked for beside the picture: the lens, and that the model writes on.

#include <gmock/gmock.h>

#include "computer_fixture.h"
#include "core/session/on_demand.h"
#include "core/session/session_json.h"

namespace headroom {
namespace {

using testing::compute_of;
using ::testing::ElementsAreArray;
using testing::failure_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Session opened(const std::string& model, std::initializer_list<Action> actions = {}) {
  Session session =
      testing::session_after({ModelOpened{ModelSource::kBundled, model, read_model_shape(testing::assets() / "models" / model)}});
  for (const Action& action : actions)
    session = reduce(session, action).session;
  return session;
}

TEST(Lens, EndsWithTheModelsOwnPrediction) {
  Computer computer(testing::options());
  const auto snapshot = computer.compute(Compute{}, 1);
  const auto lens = computer.lens(snapshot, 5);
  EXPECT_EQ(lens->trace, snapshot->trace);
  ASSERT_THAT(lens->lens.layers, SizeIs(5)) << "before the first layer and after each of four";
  const auto own = predictions_after(*snapshot, 5, 3);
  for (std::size_t i = 0; i < own.size(); ++i) {
    EXPECT_EQ(lens->lens.layers.back().top[i].id, own[i].id);
    EXPECT_NEAR(lens->lens.layers.back().top[i].probability, own[i].probability, 1e-6);
  }
  EXPECT_EQ(computer.counters().passes, 1);
}

TEST(Lens, OfAMaskedModelHidesTheToken) {
  Computer computer(testing::options());
  const auto snapshot = computer.compute(opened("grammar-masked").compute, 1);
  const auto lens = computer.lens(snapshot, 3);
  const auto own = predictions_after(*snapshot, 3, 3);
  for (std::size_t i = 0; i < own.size(); ++i) {
    EXPECT_EQ(lens->lens.layers.back().top[i].id, own[i].id);
    EXPECT_NEAR(lens->lens.layers.back().top[i].probability, own[i].probability, 1e-5);
  }
}

TEST(Lens, OfATranslationIsTheDecodersInBothOfItsTabs) {
  Computer computer(testing::options());
  const auto decoder = computer.compute(opened("grammar-translation", {StackSet{AttentionStack::kSelf}}).compute, 1);
  const auto of_decoder = computer.lens(decoder, 2);
  const auto cross = computer.compute(opened("grammar-translation", {StackSet{AttentionStack::kCross}}).compute, 2);
  const auto of_cross = computer.lens(cross, 2);
  EXPECT_EQ(of_cross->lens.answer, predictions_after(*cross, 2, 1).front().id);
  for (std::size_t layer = 0; layer < 4; ++layer)
    EXPECT_EQ(of_decoder->lens.layers[layer].answer_rank, of_cross->lens.layers[layer].answer_rank);
  EXPECT_EQ(computer.lens(decoder, 2)->lens.answer, of_decoder->lens.answer) << "both are of the pass that is kept";
  computer.compute(opened("grammar-translation", {TextEdited{"a dog runs ."}}).compute, 4);
  EXPECT_THROW(computer.lens(decoder, 2), Cancelled) << "another pass is kept now";
  const auto encoder = computer.compute(opened("grammar-translation").compute, 3);
  EXPECT_THAT(failure_of([&] { computer.lens(encoder, 2); }), HasSubstr("predicts nothing"));
}

TEST(Writing, IsReproducibleAndOfItsSeed) {
  Computer computer(testing::options()), other(testing::options());
  const Compute compute = compute_of("the cat");
  const WritePlan drawn{.tokens = 24, .temperature = 1.2, .top_k = 40, .top_p = 0.95, .seed = 9};
  const auto written = computer.write({compute, drawn});
  EXPECT_THAT(written->ids, SizeIs(24));
  EXPECT_EQ(other.write({compute, drawn})->ids, written->ids);
  WritePlan reseeded = drawn;
  reseeded.seed = 10;
  EXPECT_NE(computer.write({compute, reseeded})->ids, written->ids);
  EXPECT_EQ(computer.counters().written, 48);
}

TEST(Writing, GoesOnFromWhatWasWritten) {
  Computer computer(testing::options());
  Session session = testing::session_after({TextEdited{"the cat"}});
  const WritePlan all{.tokens = 16, .temperature = 0.9, .seed = 3};
  const auto whole = computer.write({session.compute, all});
  WritePlan half = all;
  half.tokens = 8;
  session = reduce(session, ContinuationSet{computer.write({session.compute, half})->ids}).session;
  EXPECT_EQ(computer.write({session.compute, half})->ids, whole->ids) << "in two parts as in one";
}

TEST(Writing, ShowsItsTokensInThePicture) {
  Computer computer(testing::options());
  Session session = testing::session_after({TextEdited{"the cat"}});
  const auto before = computer.compute(session.compute, 1);
  const auto written = computer.write({session.compute, {.tokens = 5}});
  session = reduce(session, ContinuationSet{written->ids}).session;
  const auto snapshot = computer.compute(session.compute, 2);
  EXPECT_EQ(snapshot->n_written, 5u);
  ASSERT_EQ(snapshot->seq(), before->seq() + 5);
  EXPECT_THAT(std::vector(snapshot->trace->ids.end() - 5, snapshot->trace->ids.end()), ElementsAreArray(written->ids));
  for (std::int64_t i = std::ssize(before->tokens); i < std::ssize(snapshot->tokens); ++i) {
    const auto odds = odds_of(*snapshot, i - 1, snapshot->tokens[static_cast<std::size_t>(i)].id);
    ASSERT_TRUE(odds.has_value());
    EXPECT_EQ(odds->rank, 1) << "greedy: the most probable each time";
    EXPECT_EQ(followed_by(*snapshot, i - 1), i);
    EXPECT_NEAR(odds->probability, predictions_after(*snapshot, i - 1, 1).front().probability, 1e-9);
  }
  const ParsedSession read = session_from_json(session_to_json(session));
  EXPECT_EQ(read.session.compute.continuation, written->ids);
}

TEST(Writing, IsTakenAwayWithItsText) {
  Session session = testing::session_after({TextEdited{"the cat"}, ContinuationSet{{4, 5}}});
  const Reduced edited = reduce(session, TextEdited{"the dog"});
  EXPECT_THAT(edited.session.compute.continuation, IsEmpty());
  EXPECT_THAT(edited.notice, HasSubstr("taken away"));
  EXPECT_THAT(reduce(session, TextEdited{"the cat"}).session.compute.continuation, SizeIs(2));
  const Reduced other =
      reduce(session, ModelOpened{ModelSource::kBundled, "induction", read_model_shape(testing::assets() / "models/induction")});
  EXPECT_THAT(other.session.compute.continuation, IsEmpty());
}

TEST(Writing, SaysWhatItCannotDo) {
  Computer computer(testing::options());
  EXPECT_THAT(failure_of([&] { computer.write({opened("grammar-masked").compute, {}}); }), HasSubstr("does not write on"));
  Session session = testing::session_after({TextEdited{"the cat"}, ContinuationSet{{999999}}});
  EXPECT_THAT(failure_of([&] { computer.compute(session.compute, 1); }), HasSubstr("outside the vocabulary"));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(computer.write({compute_of("the cat"), {}}, stop.get_token()), Cancelled);
}

TEST(EngineWishes, AreAnsweredAfterThePicture) {
  EngineOptions options = testing::options();
  options.measures_held_out_loss = false;
  Engine engine(options, nullptr);
  engine.submit(compute_of("the cat sat"));
  engine.look_through(2);
  engine.write({compute_of("the cat sat"), {.tokens = 3}});
  engine.wait();
  const std::vector<Answer> answers = engine.take_answers();
  ASSERT_THAT(answers, SizeIs(3));
  EXPECT_TRUE(answers[0].snapshot);
  EXPECT_EQ(answers[1].about, Answer::About::kLens);
  ASSERT_TRUE(answers[1].lens);
  EXPECT_EQ(answers[1].lens->trace, answers[0].snapshot->trace);
  EXPECT_EQ(answers[2].about, Answer::About::kWriting);
  ASSERT_TRUE(answers[2].written);
  EXPECT_THAT(answers[2].written->ids, SizeIs(3));
  engine.look_through(99);
  engine.wait();
  const std::vector<Answer> failed = engine.take_answers();
  ASSERT_THAT(failed, SizeIs(1));
  EXPECT_EQ(failed[0].about, Answer::About::kLens);
  EXPECT_NE(failed[0].failure, "");
}

TEST(EngineWishes, AreStoppedByANewerPicture) {
  EngineOptions options = testing::options();
  options.measures_held_out_loss = false;
  Engine engine(options, nullptr);
  engine.submit(compute_of("the cat sat"));
  engine.wait();
  engine.take_answers();
  engine.write({compute_of("the cat sat"), {.tokens = 1024}});
  engine.submit(compute_of("the dog"));
  engine.wait();
  const std::vector<Answer> answers = engine.take_answers();
  ASSERT_THAT(answers, SizeIs(1)) << "what would have been written belongs to a text that is gone";
  EXPECT_TRUE(answers[0].snapshot);
  engine.write({compute_of("the dog"), {.tokens = 1024}});
  engine.cancel();
  engine.wait();
  EXPECT_THAT(engine.take_answers(), IsEmpty());
}

}  // namespace
}  // namespace headroom
