// The Decode stage's requests and qualities in the program: simulated and measured on demand, cancelled, exported; their pictures against
// golden ones.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "app/painters/fonts.h"
#include "app/window/export.h"
#include "app/window/program.h"
#include "core/session/reduce.h"
#include "tests/app/picture.h"
#include "tests/app/program_harness.h"
#include "tests/app/run_program.h"
#include "tests/figure/decode_fixture.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// Its Decode stage open.
struct Harness : test::ProgramHarness {
  explicit Harness(DecodeSection section) : ProgramHarness(std::chrono::seconds(60), opening(section)) {}

  static Session opening(DecodeSection section) {
    Session session;
    session.view.stage = StageView::kDecode;
    session.view.decode_section = section;
    return session;
  }
};

TEST(DecodeRequests, AreSimulatedWhenAsked) {
  Harness harness(DecodeSection::kBatch);
  EXPECT_EQ(harness.model().decode.batch, nullptr) << "nothing is simulated unasked";
  BatchPlan plan;
  plan.n_requests = 12;
  harness.act(BatchPlanSet{plan});
  harness.command(RunBatch{});
  ASSERT_TRUE(harness.until([&] { return harness.model().decode.batch != nullptr; }));
  const auto batch = harness.model().decode.batch;
  EXPECT_EQ(batch->run->plan, plan);
  EXPECT_EQ(batch->run->paged.n_finished, 12);
  // Of each layer 8 heads of 16 numbers, K and V, 4 bytes each.
  EXPECT_EQ(batch->token_bytes, harness.model().history.current().compute.trained.n_layers * 8 * 16 * 2 * 4);
  harness.act(DecodePlanSet{{.cache = {.type = KvType::kFloat16}}});
  harness.command(RunBatch{});
  ASSERT_TRUE(harness.until([&] { return harness.model().decode.batch != batch; }));
  EXPECT_EQ(harness.model().decode.batch->token_bytes * 2, batch->token_bytes);
}

TEST(DecodeRequests, QualityGrowsAndStopsWhenCancelled) {
  Harness harness(DecodeSection::kQuality);
  EXPECT_EQ(harness.model().decode.quality, nullptr) << "nothing is measured unasked";
  harness.command(MeasureQuality{});
  ASSERT_TRUE(harness.until([&] { return harness.model().decode.quality != nullptr; }));
  EXPECT_GT(harness.model().decode.quality->report->n_rows, 0);
  EXPECT_EQ(harness.model().decode.quality->text, "the held-out text");
  harness.command(CancelDecode{});
  ASSERT_TRUE(harness.until([&] { return !harness.model().progress.decode_part; }));
  EXPECT_NE(harness.model().decode.quality, nullptr) << "what was found stays";
  EXPECT_EQ(harness.model().decode.failure(DecodePart::kQuality), "");
}

TEST(DecodeRequests, CommandExportsPicturesAndNumbers) {
  const TemporaryFolder folder;
  const auto exported = [&](const std::string& file) {
    return run_program(
        {"export", "--view", "batch", "--set", "batch.n_requests=8", "--size", "800x600", "--out", (folder / file).string()});
  };
  const Finished csv = exported("b.csv");
  EXPECT_EQ(csv.status, 0) << csv.err;
  EXPECT_THAT(file_bytes(folder / "b.csv"), HasSubstr("\n"));
  for (const char* file : {"one.png", "two.png"}) {
    const Finished picture = exported(file);
    EXPECT_EQ(picture.status, 0) << picture.err;
  }
  EXPECT_EQ(file_bytes(folder / "one.png"), file_bytes(folder / "two.png")) << "the same bytes each time";
  EXPECT_EQ(read_png(folder / "one.png").width, 800);
}

struct Case {
  const char* name;
  const char* view;
  ThemeName theme;
  DecodeState (*state)(const Session&);
};
DecodeState measured(const Session& session) { return quality_state(session, made_up_quality()); }
DecodeState nothing(const Session&) { return {}; }

class DecodeRequestPictures : public testing::TestWithParam<Case> {};

TEST_P(DecodeRequestPictures, LookAsTheyShould) {
  if (font_files().sans.string().find("Inter") == std::string::npos) GTEST_SKIP() << "the font Inter is not installed";
  if (font_files().mono.string().find("JetBrains") == std::string::npos) GTEST_SKIP() << "the font JetBrains Mono is not installed";
  const Case& c = GetParam();
  Session session;
  BatchPlan plan;
  plan.n_requests = 120;
  plan.shared_prefix = 16;
  session = reduce(session, BatchPlanSet{plan}).session;
  session = reduce(session, BatchStepSet{57}).session;
  AppModel model = export_model(session, nullptr);
  model.decode = c.state(session);
  ExportRequest request;
  request.view = c.view;
  request.size = {1030, 620};
  request.theme = c.theme;
  const TemporaryFolder folder;
  write_bytes(folder / "x.png", export_view(model, request));
  EXPECT_EQ(check_against_golden(read_png(folder / "x.png"), c.name), "");
}

constexpr Case kCases[]{{"batch-dark", "batch", ThemeName::kDark, batch_state},
                        {"batch-light", "batch", ThemeName::kLight, batch_state},
                        {"batch-empty-light", "batch", ThemeName::kLight, nothing},
                        {"quality-dark", "quality", ThemeName::kDark, measured},
                        {"quality-light", "quality", ThemeName::kLight, measured}};
INSTANTIATE_TEST_SUITE_P(All, DecodeRequestPictures, testing::ValuesIn(kCases), [](const auto& test_info) {
  std::string name = test_info.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace headroom
