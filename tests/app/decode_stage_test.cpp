// The Decode stage in the program: generated on demand, stepped through, stopped, exported.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "app/painters/fonts.h"
#include "app/window/export.h"
#include "app/window/program.h"
#include "core/tensor/error.h"
#include "tests/app/picture.h"
#include "tests/app/program_harness.h"
#include "tests/app/run_program.h"
#include "tests/figure/decode_steps_fixture.h"

namespace headroom {
namespace {

using testing::StartsWith;

/// Its Decode stage open.
struct Harness : test::ProgramHarness {
  Harness() : ProgramHarness(std::chrono::seconds(20), opening()) {}

  static Session opening() {
    Session session;
    session.view.stage = StageView::kDecode;
    session.decode.tokens = 6;
    return session;
  }
  bool is_decoded() {
    return until([&] { return model().decode.decoded != nullptr && model().decode.decoded->run->is_finished; });
  }
};

TEST(DecodeStage, GeneratesWhenItIsAskedTo) {
  Harness harness;
  EXPECT_EQ(harness.model().decode.decoded, nullptr) << "nothing runs by itself";
  harness.command(DecodeOn{});
  ASSERT_TRUE(harness.is_decoded());
  const Decoded& decoded = *harness.model().decode.decoded;
  EXPECT_EQ(decoded.run->steps.size(), 6u);
  EXPECT_EQ(decoded.tokens.size(), decoded.run->prompt.size() + 6);
  EXPECT_EQ(decoded.request, decode_request(harness.model().history.current()));
}

TEST(DecodeStage, AWishThatFailsKeepsWhatStandsAndSaysWhy) {
  Harness harness;
  harness.command(DecodeOn{});
  ASSERT_TRUE(harness.is_decoded());
  const auto before = harness.model().decode.decoded;
  MaskPattern strided;
  strided.kind = PatternKind::kStrided;
  harness.act(PatternSet{strided});
  harness.command(DecodeOn{});
  ASSERT_TRUE(harness.until([&] { return !harness.model().decode.failure(DecodePart::kSteps).empty(); }));
  EXPECT_EQ(harness.model().decode.decoded, before);
  const auto says_it = [&](const Toast& toast) { return toast.text == harness.model().decode.failure(DecodePart::kSteps); };
  const auto& toasts = harness.model().toasts;
  EXPECT_TRUE(std::none_of(toasts.begin(), toasts.end(), says_it)) << "the picture says it";
  harness.act(PatternSet{});
  harness.command(DecodeOn{});
  EXPECT_TRUE(harness.until([&] { return harness.model().decode.decoded != before; }));
  EXPECT_EQ(harness.model().decode.failure(DecodePart::kSteps), "");
}

TEST(DecodeStage, CancelStopsItAndLeavesThePicture) {
  Harness harness;
  DecodePlan plan;
  plan.tokens = 1024;
  harness.act(DecodePlanSet{plan});
  harness.command(DecodeOn{});
  ASSERT_TRUE(harness.until([&] { return harness.model().decode.decoded != nullptr; }));
  harness.command(CancelDecode{});
  ASSERT_TRUE(harness.until([&] { return !harness.model().progress.decode_part; }));
  EXPECT_LT(harness.model().decode.decoded->run->steps.size(), 1024u);
  EXPECT_NE(harness.model().snapshot, nullptr);
}

TEST(DecodeStage, ItsNumbersAreExportedOnceTheyAreThere) {
  Harness harness;
  EXPECT_TRUE(is_csv_view("decode"));
  EXPECT_FALSE(is_csv_view("heads"));
  EXPECT_FALSE(has_numbers(harness.model(), "decode"));
  EXPECT_THROW(export_csv(harness.model(), "decode"), Error);
  EXPECT_THROW(export_csv(harness.model(), "heads"), Error);
  harness.command(DecodeOn{});
  ASSERT_TRUE(harness.is_decoded());
  EXPECT_TRUE(has_numbers(harness.model(), "decode"));
  EXPECT_THAT(export_csv(harness.model(), "decode"), StartsWith("step,position,id,token,"));
}

TEST(DecodePictures, LookAsTheyShould) {
  if (font_files().sans.string().find("Inter") == std::string::npos) GTEST_SKIP() << "the font Inter is not installed";
  if (font_files().mono.string().find("JetBrains") == std::string::npos) GTEST_SKIP() << "the font JetBrains Mono is not installed";
  Session session;
  session.view.head = HeadRef{1, 2};
  session.view.decode_step = 7;
  session.decode.cache.layout = CacheLayout::kPaged;
  session.decode.cache.page_rows = 4;
  session.decode.cache.eviction = Eviction::kStreaming;
  session.decode.cache.n_first = 2;
  session.decode.cache.window = 8;
  AppModel model = export_model(session, nullptr);
  model.decode.decoded = made_up_decoded(session, {.cache = session.decode.cache});
  model.decode.growth = made_up_decode_growth(session);
  const TemporaryFolder folder;
  for (const auto& [name, theme] : {std::pair{"decode-dark", ThemeName::kDark}, {"decode-light", ThemeName::kLight}}) {
    write_bytes(folder / "x.png", export_view(model, {.view = "decode", .size = {1000, 607}, .theme = theme}));
    EXPECT_EQ(check_against_golden(read_png(folder / "x.png"), name), "") << name;
  }
}

}  // namespace
}  // namespace headroom
