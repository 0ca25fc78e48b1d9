// The three stacks of an encoder-decoder in a Session, on the bundled grammar-translation.

#include <gmock/gmock.h>

#include "computer_fixture.h"
#include "core/analysis/tile.h"
#include "core/formats/safetensors.h"
#include "core/session/on_demand.h"
#include "core/session/session_json.h"
#include "core/session/translation.h"

namespace headroom {
namespace {

using ::testing::ElementsAreArray;
using testing::failure_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::mentions;
using ::testing::SizeIs;

constexpr const char* kSource = "the cat that sat on the mat was fluffy .";

Session translating(std::initializer_list<Action> actions = {}) {
  Session session = testing::session_after({ModelOpened{ModelSource::kBundled, "grammar-translation",
                                                        read_model_shape(testing::assets() / "models/grammar-translation")},
                                            TextEdited{kSource}});
  for (const Action& action : actions)
    session = reduce(session, action).session;
  return session;
}

/// What transformers writes and computes of kSource (tests/golden/make_bundled_golden.py), without the end that it writes last.
std::vector<std::int32_t> golden_target() {
  const SafetensorsFile file(std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests/golden/bundled/grammar-translation.safetensors");
  std::vector<std::int32_t> ids;
  for (const std::int64_t id : file.read_integers(*file.find("0.input_ids")))
    ids.push_back(static_cast<std::int32_t>(id));
  return ids;
}

TEST(Translating, TheDecoderWritesByItselfWhatTransformersWrites) {
  Computer computer(testing::options());
  const auto snapshot = computer.compute(translating({StackSet{AttentionStack::kSelf}}).compute, 1);
  std::vector<std::int32_t> target = golden_target();
  target.push_back(2);  // <eos>
  EXPECT_THAT(snapshot->trace->ids, ElementsAreArray(target));
  EXPECT_EQ(snapshot->n_written, target.size() - 1);
  ASSERT_THAT(snapshot->target, SizeIs(target.size()));
  EXPECT_EQ(snapshot->tokens.size(), target.size());
  EXPECT_THAT(snapshot->losses, SizeIs(target.size() - 1));
  for (const double loss : snapshot->losses)
    EXPECT_LT(loss, 0.7) << "each word is the most probable";
  EXPECT_EQ(predictions_after(*snapshot, 0, 1).front().id, target[1]);
}

TEST(Translating, AnotherStackComputesNoPass) {
  Computer computer(testing::options());
  const auto encoder = computer.compute(translating().compute, 1);
  const int passes = computer.counters().passes, written = computer.counters().written;
  const auto decoder = computer.compute(translating({StackSet{AttentionStack::kSelf}}).compute, 2);
  const auto cross = computer.compute(translating({StackSet{AttentionStack::kCross}}).compute, 3);
  EXPECT_EQ(computer.counters().passes, passes);
  EXPECT_EQ(computer.counters().written, written);
  EXPECT_EQ(computer.counters().tokenisations, 1);
  EXPECT_EQ(computer.compute(translating().compute, 4)->trace, encoder->trace);
  EXPECT_THAT(encoder->key_tokens, IsEmpty());
  EXPECT_THAT(decoder->key_tokens, IsEmpty());
  EXPECT_EQ(encoder->target.size(), cross->target.size());
}

TEST(Translating, CrossAttentionHasQueriesAndKeysOfItsOwn) {
  Computer computer(testing::options());
  const auto encoder = computer.compute(translating().compute, 1);
  const auto cross = computer.compute(translating({StackSet{AttentionStack::kCross}}).compute, 2);
  EXPECT_EQ(cross->keys().size(), encoder->tokens.size());
  EXPECT_EQ(cross->keys().front().text, encoder->tokens.front().text);
  EXPECT_NE(cross->keys()[3].text, cross->tokens[3].text);
  const SafetensorsFile file(std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests/golden/bundled/grammar-translation.safetensors");
  const Tensor golden = file.read_float(*file.find("0.cross_probs"));  // [layers, heads, n, m], without the row of <eos>
  const std::int64_t heads = golden.dim(1), rows = golden.dim(2), cols = golden.dim(3);
  ASSERT_EQ(cols, std::ssize(cross->keys()));
  ASSERT_EQ(rows, std::ssize(cross->tokens) - 1);
  for (std::int64_t layer = 0; layer < golden.dim(0); ++layer)
    for (std::int64_t head = 0; head < heads; ++head)
      for (std::int64_t query = 0; query < rows; ++query) {
        const std::vector<float> row = evaluate_row(*cross->trace, layer, head, query);
        ASSERT_THAT(row, SizeIs(static_cast<std::size_t>(cols)));
        for (std::int64_t key = 0; key < cols; ++key)
          ASSERT_NEAR(row[static_cast<std::size_t>(key)], golden.data()[((layer * heads + head) * rows + query) * cols + key],
                      1e-4);
      }
  const TileRequest& thumbnail = cross->thumbnails[0][0].request;
  EXPECT_EQ(thumbnail.row_end, rows + 1);
  EXPECT_EQ(thumbnail.col_end, cols);
  EXPECT_EQ(predictions_after(*cross, 0, 1).front().id, golden_target()[1]) << "its rows are the decoder's";
}

TEST(Translating, ATypedTargetIsReadAndWrittenOn) {
  Computer computer(testing::options());
  const auto own = computer.compute(translating({StackSet{AttentionStack::kSelf}}).compute, 1);
  const std::string typed = own->tokens[1].text + " " + own->tokens[2].text;
  const Session session = translating({StackSet{AttentionStack::kSelf}, SecondTextEdited{typed}});
  const auto snapshot = computer.compute(session.compute, 2);
  EXPECT_EQ(snapshot->n_written, 0u);
  EXPECT_THAT(snapshot->trace->ids, ElementsAreArray(std::vector(own->trace->ids.begin(), own->trace->ids.begin() + 3)));
  const auto written = computer.write({session.compute, {.tokens = 30}});
  EXPECT_THAT(written->ids, ElementsAreArray(std::vector(own->trace->ids.begin() + 3, own->trace->ids.end())))
      << "from its own beginning it goes on as by itself";
  const Session longer = reduce(session, ContinuationSet{written->ids}).session;
  const auto whole = computer.compute(longer.compute, 3);
  EXPECT_EQ(whole->trace->ids, own->trace->ids);
  EXPECT_EQ(whole->n_written, written->ids.size());
  EXPECT_THAT(failure_of([&] { computer.write({longer.compute, {}}); }), HasSubstr("has ended its text"));
}

TEST(Translating, PrunedHeadsAreTheEncodersAndChangeWhatTheDecoderReads) {
  Computer computer(testing::options());
  const Session pruned = translating({HeadPruneToggled{{0, 1}}, HeadPruneToggled{{2, 3}}});
  ASSERT_THAT(pruned.compute.pruned, SizeIs(2));
  const auto encoder = computer.compute(pruned.compute, 1);
  EXPECT_TRUE(encoder->heads[0][1].is_pruned);
  EXPECT_TRUE(encoder->heads[2][3].is_pruned);
  const Session crossed = reduce(pruned, StackSet{AttentionStack::kCross}).session;
  EXPECT_THAT(crossed.compute.pruned, SizeIs(2)) << "a change of tab forgets nothing";
  const auto cross = computer.compute(crossed.compute, 2);
  EXPECT_FALSE(cross->heads[0][1].is_pruned);
  const auto before = computer.compute(translating({StackSet{AttentionStack::kCross}}).compute, 3);
  EXPECT_NE(evaluate_row(*cross->trace, 0, 1, 0), evaluate_row(*before->trace, 0, 1, 0));
  const Reduced refused = reduce(crossed, HeadPruneToggled{{0, 0}});
  EXPECT_THAT(refused.notice, HasSubstr("the encoder's heads alone can be removed"));
  EXPECT_EQ(refused.session, crossed);
}

TEST(Translating, ShapesAndMasksOfTheEncoderRun) {
  Computer computer(testing::options());
  const auto sliced = computer.compute(translating({HeadsCountSet{4}, KvHeadsSet{2}, StackSet{AttentionStack::kCross}}).compute, 1);
  EXPECT_EQ(sliced->heads[0].size(), 4u);
  EXPECT_EQ(sliced->n_kv_heads_left, (std::vector<std::int64_t>{2, 2, 2}));
  const auto window = computer.compute(translating({PatternSet{{.kind = PatternKind::kLocalWindow, .window = 2}}}).compute, 2);
  EXPECT_TRUE(std::isnan(evaluate_row(*window->trace, 0, 0, 5)[0])) << "the encoder's mask";
  const auto lab = computer.compute(translating({ParameterSourceSet{ParameterSource::kLab}, DModelSet{32}}).compute, 3);
  EXPECT_TRUE(lab->is_untrained);
}

TEST(Translating, StacksAreSavedAndOnlyWhereThereAre) {
  const Session session = translating({StackSet{AttentionStack::kCross}, SecondTextEdited{"a b"}, ContinuationSet{{5, 6}}});
  const ParsedSession read = session_from_json(session_to_json(session));
  EXPECT_THAT(read.notices, IsEmpty());
  EXPECT_EQ(read.session, session);
  const Reduced refused = reduce(Session{}, StackSet{AttentionStack::kCross});
  EXPECT_THAT(refused.notice, HasSubstr("one stack"));
  EXPECT_EQ(refused.session, Session{});
  Session odd;
  odd.compute.stack = AttentionStack::kCross;
  EXPECT_EQ(reduce(odd, QuantitySet{Quantity::kProbs}).session, Session{}) << "brought back";
}

TEST(Translating, TheChosenRowStaysOnTheSameTextOnly) {
  Session session = translating({StackSet{AttentionStack::kSelf}, HeadSelected{{1, 2}}, CellSelected{3, 2}});
  session = reduce(session, StackSet{AttentionStack::kCross}).session;
  EXPECT_EQ(session.view.query, 3);
  EXPECT_FALSE(session.view.key.has_value());
  EXPECT_TRUE(session.view.head.has_value());
  session = reduce(session, StackSet{AttentionStack::kEncoder}).session;
  EXPECT_FALSE(session.view.query.has_value());
}

TEST(Translating, TheOtherDeviceAndTheGpuAreToldOf) {
  Computer computer(testing::options());
  const auto snapshot = computer.compute(translating({BackendSet{BackendChoice::kGl}}).compute, 1);
  EXPECT_TRUE(mentions(snapshot->notices, "an encoder-decoder runs there only"));
  EXPECT_THAT(failure_of([&] { computer.add_other_device_timing(snapshot); }), HasSubstr("runs on the CPU only"));
}

}  // namespace
}  // namespace headroom
