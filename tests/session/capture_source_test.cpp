#include "core/session/capture_source.h"

#include <gmock/gmock.h>

#include <cmath>

#include "core/formats/safetensors.h"
#include "core/session/on_demand.h"
#include "core/session/session_json.h"
#include "core/session/write_capture.h"
#include "tests/formats/testing.h"
#include "tests/session/computer_fixture.h"

namespace headroom {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_files::TemporaryFolder;

const std::filesystem::path kCaptures = std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests" / "golden" / "captures";

Session opened(const std::filesystem::path& path) { return testing::session_after({capture_opened(path)}); }

std::shared_ptr<const Snapshot> snapshot_of(const Session& session) {
  return Computer(testing::options()).compute(session.compute, 1);
}

TEST(CaptureSource, ACaptureIsASnapshotWithoutAModel) {
  const Session session = opened(kCaptures / "queries.safetensors");
  EXPECT_EQ(session.compute.model_source, ModelSource::kCapture);
  EXPECT_EQ(session.compute.n_heads, 4);
  EXPECT_EQ(session.compute.n_kv_heads, 2);
  const auto snapshot = snapshot_of(session);
  EXPECT_EQ(snapshot->tokens.size(), 8U);
  EXPECT_EQ(snapshot->thumbnails.size(), 2U);
  EXPECT_EQ(snapshot->thumbnails[0].size(), 4U);
  EXPECT_EQ(snapshot->heads[1][3].n_rows, 8);
  EXPECT_THAT(snapshot->losses, IsEmpty());
  EXPECT_THAT(predictions_after(*snapshot, 7, 5), IsEmpty());
  EXPECT_THAT(why_no_predictions(*snapshot), HasSubstr("holds attention"));
  ASSERT_NE(snapshot->capture, nullptr);
  EXPECT_TRUE(snapshot->capture->knows_d_head);
  EXPECT_THAT(snapshot->capture->summary, HasSubstr("64 of 64 rows looked at"));
  EXPECT_EQ(snapshot->n_kv_heads_left, (std::vector<std::int64_t>{2, 2}));
}

TEST(CaptureSource, EveryGoldenCaptureHasItsPictures) {
  static const SafetensorsFile expected(kCaptures / "expected.safetensors");
  for (const char* name :
       {"batched.safetensors", "cross.safetensors", "cached.safetensors", "half.safetensors", "transformer_lens.safetensors",
        "queries.safetensors", "broken.safetensors", "stack.npz", "layers.npz", "fortran.npy", "batch.npy"}) {
    Session session = opened(kCaptures / name);
    const bool has_stacks = session.compute.trained.kind == ModelKind::kEncoderDecoder;
    for (const AttentionStack stack : {AttentionStack::kSelf, AttentionStack::kEncoder, AttentionStack::kCross}) {
      if (has_stacks) session = reduce(session, StackSet{stack}).session;
      const auto snapshot = snapshot_of(session);
      const char* of = !has_stacks                       ? "self"
                       : stack == AttentionStack::kSelf  ? "self"
                       : stack == AttentionStack::kCross ? "cross"
                                                         : "encoder";
      for (std::size_t l = 0; l < snapshot->thumbnails.size(); ++l) {
        const TensorEntry* entry = expected.find(std::string(name) + "/" + of + "/0/" + std::to_string(l));
        if (entry == nullptr) {
          EXPECT_TRUE(snapshot->thumbnails[l][0].is_pruned) << name;
          continue;
        }
        const Tensor probs = expected.read_float(*entry);
        for (std::int64_t h = 0; h < probs.dim(0); ++h) {
          const Tile& tile = snapshot->thumbnails[l][static_cast<std::size_t>(h)];
          ASSERT_EQ(std::ssize(tile.values), probs.dim(1) * probs.dim(2)) << name;
          for (std::size_t i = 0; i < tile.values.size(); ++i) {
            const float wanted = probs.data()[static_cast<std::size_t>(h) * tile.values.size() + i];
            if (std::isnan(tile.values[i])) {
              const bool is_broken = !tile.not_numbers.empty() && tile.not_numbers[i] != 0;
              EXPECT_EQ(is_broken, std::isnan(wanted)) << name << " " << l << " " << h << " " << i;
              EXPECT_TRUE(is_broken || wanted == 0) << "a masked cell holds something: " << name;
            } else {
              EXPECT_NEAR(tile.values[i], wanted, 1e-6) << name << " " << l << " " << h << " " << i;
            }
          }
        }
      }
      if (!has_stacks) break;
    }
  }
}

TEST(CaptureSource, CrossAttentionHasKeysOfItsOwn) {
  const Session session = reduce(opened(kCaptures / "cross.safetensors"), StackSet{AttentionStack::kCross}).session;
  const auto snapshot = snapshot_of(session);
  EXPECT_EQ(snapshot->tokens.size(), 5U);
  EXPECT_EQ(snapshot->keys().size(), 9U);
  EXPECT_EQ(snapshot->thumbnails[0][0].request.cols, 9);
}

TEST(CaptureSource, TextsOfABatchAreChosen) {
  Session session = opened(kCaptures / "batched.safetensors");
  session = reduce(session, QuerySelected{3}).session;
  session = reduce(session, BatchEntrySet{1}).session;
  EXPECT_FALSE(session.view.query.has_value());
  EXPECT_EQ(snapshot_of(session)->tokens[1].text, "a");
  session = reduce(session, BatchEntrySet{7}).session;
  EXPECT_THAT(testing::failure_of([&] { snapshot_of(session); }), HasSubstr("2 texts"));
}

TEST(CaptureSource, WhatWasCapturedCannotBeChanged) {
  const Session session = opened(kCaptures / "queries.safetensors");
  for (const Action& action : std::initializer_list<Action>{
           TextEdited{"other"}, SecondTextEdited{"b"}, ContinuationSet{{1}}, HeadsCountSet{2}, KvHeadsSet{1}, DModelSet{64},
           ParameterSourceSet{ParameterSource::kLab}, LabSeedSet{4}, ShapeReset{}, DirectionSet{Direction::kBidirectional},
           PatternSet{{.kind = PatternKind::kStrided}}, HeadPruneToggled{{0, 1}}, PruningCleared{},
           BackendSet{BackendChoice::kNaive}, DepthSet{Depth::kAllLayers}}) {
    const Reduced reduced = reduce(session, action);
    EXPECT_EQ(reduced.session, session);
    EXPECT_THAT(reduced.notice, HasSubstr("capture"));
  }
  // Looking is free, and so is opening a model again.
  EXPECT_NE(reduce(session, HeadOpened{{1, 2}}).session, session);
  const Session model = reduce(session, ModelOpened{ModelSource::kBundled, "grammar-base", TrainedShape{}}).session;
  EXPECT_EQ(model.compute.model_source, ModelSource::kBundled);
  EXPECT_EQ(reduce(model, HeadsCountSet{4}).session.compute.n_heads, 4);
}

TEST(CaptureSource, ASessionKeepsWhichCaptureAndWhichText) {
  Session session = reduce(opened(kCaptures / "batched.safetensors"), BatchEntrySet{1}).session;
  const ParsedSession back = session_from_json(session_to_json(session));
  EXPECT_EQ(back.session, session);
  EXPECT_THAT(back.notices, IsEmpty());
}

// N9: a saved session refers to a file that is gone.
TEST(CaptureSource, N9AMissingFileIsToldAndAnOpenOneStays) {
  const TemporaryFolder folder;
  const auto path = folder.file("x.safetensors", testing_files::bytes_of(kCaptures / "queries.safetensors"));
  const Session session = opened(path);
  Computer computer(testing::options());
  computer.compute(session.compute, 1);
  std::filesystem::remove(path);
  const auto still = computer.compute(session.compute, 2);
  EXPECT_THAT(still->notices, Contains(HasSubstr("no longer there")));
  EXPECT_THAT(testing::failure_of([&] { snapshot_of(session); }), HasSubstr("x.safetensors"));
}

TEST(CaptureSource, AFileOfOtherShapeAsksToBeOpenedAgain) {
  const TemporaryFolder folder;
  const auto path = folder.file("x.safetensors", testing_files::bytes_of(kCaptures / "queries.safetensors"));
  const Session session = opened(path);
  folder.file("x.safetensors", testing_files::bytes_of(kCaptures / "half.safetensors"));
  EXPECT_THAT(testing::failure_of([&] { snapshot_of(session); }), HasSubstr("open the capture again"));
}

TEST(CaptureSource, WishesForAModelAreAnswered) {
  const Session session = opened(kCaptures / "queries.safetensors");
  Computer computer(testing::options());
  const auto snapshot = computer.compute(session.compute, 1);
  EXPECT_EQ(computer.add_held_out_loss(snapshot), snapshot);
  EXPECT_EQ(computer.refine(snapshot), snapshot);
  EXPECT_THAT(testing::failure_of([&] { computer.lens(snapshot, 0); }), HasSubstr("capture"));
  EXPECT_THAT(testing::failure_of([&] { computer.write({session.compute, {}}); }), HasSubstr("capture"));
  EXPECT_THAT(testing::failure_of([&] { computer.add_other_device_timing(snapshot); }), HasSubstr("capture"));
}

TEST(CaptureSource, OnlyFilesThatHoldAttentionAreCaptures) {
  const TemporaryFolder folder;
  EXPECT_TRUE(is_capture_path(kCaptures / "queries.safetensors"));
  EXPECT_TRUE(is_capture_path(kCaptures / "stack.npz"));
  EXPECT_TRUE(is_capture_path(folder.file("x.pt", "whatever")));
  EXPECT_FALSE(is_capture_path(testing::assets() / "models" / "grammar-base" / "model.safetensors"));
  EXPECT_FALSE(is_capture_path(testing::assets() / "models" / "grammar-base"));
  EXPECT_FALSE(is_capture_path(folder.file("x.txt", "whatever")));
  EXPECT_FALSE(is_capture_path(folder.file("x.safetensors", "damaged")));
}

/// Largest difference between two snapshots' probabilities over all heads that both have.
double largest_difference(const Snapshot& a, const Snapshot& b) {
  double largest = 0;
  for (std::size_t l = 0; l < a.thumbnails.size(); ++l) {
    for (std::size_t h = 0; h < a.thumbnails[l].size(); ++h) {
      const Tile& x = a.thumbnails[l][h];
      const Tile& y = b.thumbnails.at(l).at(h);
      EXPECT_EQ(x.is_pruned, y.is_pruned) << l << " " << h;
      EXPECT_EQ(x.values.size(), y.values.size()) << l << " " << h;
      for (std::size_t i = 0; i < std::min(x.values.size(), y.values.size()); ++i) {
        EXPECT_EQ(std::isnan(x.values[i]), std::isnan(y.values[i])) << l << " " << h << " " << i;
        if (!std::isnan(x.values[i])) largest = std::max(largest, std::abs(static_cast<double>(x.values[i]) - y.values[i]));
      }
    }
  }
  return largest;
}

/// What is written of a session and opened again.
std::shared_ptr<const Snapshot> written_and_opened(const Snapshot& snapshot, const TemporaryFolder& folder,
                                                   const CaptureWriting& how) {
  write_capture(snapshot, folder / "x.safetensors", how);
  return snapshot_of(opened(folder / "x.safetensors"));
}

TEST(WriteCapture, OpensToTheSamePictures) {
  const TemporaryFolder folder;
  const std::string text = "The cat that sat on the mat was fluffy";
  const std::vector<Session> sessions{
      testing::session_after({TextEdited{text}}),
      testing::session_after({TextEdited{text}, KvHeadsSet{2}}),
      testing::session_after({TextEdited{text}, KvHeadsSet{2}, HeadPruneToggled{{0, 3}}, HeadPruneToggled{{2, 1}}}),
      testing::session_after({TextEdited{text}, PatternSet{{.kind = PatternKind::kLocalWindow, .window = 3}}}),
      testing::session_after({TextEdited{text}, PatternSet{{.kind = PatternKind::kStrided, .stride = 2}}}),
      testing::session_after({TextEdited{text}, DirectionSet{Direction::kBidirectional}}),
  };
  for (const Session& session : sessions) {
    const auto snapshot = snapshot_of(session);
    for (const auto probs : {CaptureWriting::Probs::kLeftOut, CaptureWriting::Probs::kWritten}) {
      const auto again = written_and_opened(*snapshot, folder, {.probs = probs});
      EXPECT_LT(largest_difference(*snapshot, *again), 1e-6);
      EXPECT_THAT(again->notices, IsEmpty());
      ASSERT_EQ(again->tokens.size(), snapshot->tokens.size());
      for (std::size_t i = 0; i < snapshot->tokens.size(); ++i) {
        EXPECT_EQ(again->tokens[i].text, snapshot->tokens[i].text);
        EXPECT_EQ(again->tokens[i].id, snapshot->tokens[i].id);
      }
      EXPECT_EQ(again->trace->layers[0].mask, snapshot->trace->layers[0].mask);
      EXPECT_EQ(again->capture->text, session.compute.text.str());
      EXPECT_EQ(again->capture->model, "grammar-base");
    }
  }
}

TEST(WriteCapture, SixteenBitsAreCloseAndHalfTheSize) {
  const TemporaryFolder folder;
  const auto snapshot = snapshot_of(testing::session_after({TextEdited{"the dog is loud"}}));
  const auto full = written_and_opened(*snapshot, folder, {});
  const auto half = written_and_opened(*snapshot, folder, {.numbers = CaptureWriting::Numbers::kFloat16});
  EXPECT_LT(largest_difference(*snapshot, *half), 0.05);  // scores reach 60 nats, of which half precision keeps 11 bits
  EXPECT_THAT(half->notices, IsEmpty());
  EXPECT_LT(half->capture->bytes, full->capture->bytes * 6 / 10);
}

TEST(WriteCapture, SomeLayersAreNumberedAsInTheModel) {
  const TemporaryFolder folder;
  const auto snapshot = snapshot_of(testing::session_after({TextEdited{"the dog is loud"}}));
  const auto again = written_and_opened(*snapshot, folder, {.layers = {1, 2}});
  ASSERT_EQ(again->thumbnails.size(), 4U);
  EXPECT_TRUE(again->thumbnails[0][0].is_pruned);
  const std::vector<float>& found = again->thumbnails[2][5].values;
  const std::vector<float>& wanted = snapshot->thumbnails[2][5].values;
  ASSERT_EQ(found.size(), wanted.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    EXPECT_TRUE(found[i] == wanted[i] || (std::isnan(found[i]) && std::isnan(wanted[i]))) << i;
  EXPECT_THAT(again->notices, Contains("Layers 0, 3 are not in the capture."));
  EXPECT_THAT(testing::failure_of([&] { write_capture(*snapshot, folder / "y", {.layers = {4}}); }), HasSubstr("no layer 4"));
}

TEST(WriteCapture, ACaptureIsWrittenAgain) {
  const TemporaryFolder folder;
  for (const char* name :
       {"cached.safetensors", "half.safetensors", "transformer_lens.safetensors", "stack.npz", "queries.safetensors"}) {
    const auto snapshot = snapshot_of(opened(kCaptures / name));
    EXPECT_LT(largest_difference(*snapshot, *written_and_opened(*snapshot, folder, {})), 1e-6) << name;
  }
}

TEST(WriteCapture, ALongTextHasWhatWasComputedOfIt) {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 60; ++i)
    text += "the dog is loud ";
  EngineOptions options = testing::options();
  options.long_tokens = 100;
  Computer computer(options);
  const auto snapshot = computer.compute(testing::session_after({TextEdited{text}}).compute, 1);
  ASSERT_TRUE(snapshot->is_long);
  write_capture(*snapshot, folder / "x.safetensors", {});
  const auto again = snapshot_of(opened(folder / "x.safetensors"));
  EXPECT_EQ(again->tokens.size(), snapshot->tokens.size());
  const TileRequest request{.head = 3, .row_begin = 200, .row_end = 201, .col_end = 201, .rows = 1, .cols = 201};
  const Tile x = evaluate_tile(*snapshot->trace, request), y = evaluate_tile(*again->trace, request);
  for (std::size_t i = 0; i < x.values.size(); ++i)
    EXPECT_NEAR(x.values[i], y.values[i], 1e-6);
}

}  // namespace
}  // namespace headroom
