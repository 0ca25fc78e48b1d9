// The program's pictures against golden ones. Figures are drawn by Cairo and the window by software OpenGL, so on another driver or with
// other fonts the comparison is skipped with its reason, never blessed.

#include <cstdlib>

#include "app/painters/fonts.h"
#include "app/window/export.h"
#include "core/figure/lens_figure.h"
#include "core/gl/context.h"
#include "core/session/engine.h"
#include "core/session/reduce.h"
#include "core/tensor/error.h"
#include "tests/app/picture.h"
#include "tests/app/run_program.h"

namespace headroom {
namespace {

/// Why pictures drawn here are not comparable with the golden ones; empty when they are.
std::string why_incomparable() {
  const FontFiles& fonts = font_files();
  if (fonts.sans.string().find("Inter") == std::string::npos) return "the font Inter is not installed";
  if (fonts.mono.string().find("JetBrains") == std::string::npos) return "the font JetBrains Mono is not installed";
  return "";
}

std::string why_window_incomparable() {
  try {
    const auto facts = gl::OffscreenContext::open(gl::OffscreenContext::Need::kDraw33)->facts();
    if (facts.renderer.find("llvmpipe") == std::string::npos) return "OpenGL is drawn by " + facts.renderer + ", not by llvmpipe";
    if (facts.version.find("Mesa 22.3") == std::string::npos)
      return "the golden pictures are Mesa 22.3's, this is " + facts.version;
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

struct PictureCase {
  std::string name, view;
  std::vector<Action> actions;
  ThemeName theme = ThemeName::kDark;
  Size size{1280, 720};
};

/// A translation as its decoder reads the source, and what each of its layers would say next.
std::vector<Action> cross_actions() {
  const std::string name = "grammar-translation";
  return {ModelOpened{ModelSource::kBundled, name, read_model_shape(HEADROOM_SOURCE_DIR "/assets/models/" + name)},
          TextEdited{"the cat near the dogs runs ."},
          StackSet{AttentionStack::kCross},
          HeadOpened{HeadRef{1, 2}},
          CellSelected{3, 2},
          BottomPanelSet{BottomPanel::kLens}};
}

std::vector<PictureCase> picture_cases() {
  const HeadRef subject{3, 1};
  MaskPattern window;
  window.kind = PatternKind::kLocalWindow;
  return {
      {"heads-dark", "heads", {}},
      {"heads-light-pruned", "heads", {HeadPruneToggled{{0, 1}}, HeadPruneToggled{{2, 5}}}, ThemeName::kLight},
      {"heads-window-mask", "heads", {PatternSet{window}}},
      {"head-cell-light", "head", {HeadOpened{subject}, CellSelected{8, 2}}, ThemeName::kLight},
      {"head-arcs-dark", "head", {HeadOpened{subject}, HeadDrawingSet{HeadDrawing::kArcs}, QuerySelected{8}}},
      {"token-dark", "token", {HeadSelected{subject}, QuerySelected{8}}},
      {"kv-gqa-light", "kv", {KvHeadsSet{4}}, ThemeName::kLight, {640, 240}},
      {"window-dark", "window", {}},
      {"window-light-cell", "window", {HeadOpened{subject}, CellSelected{8, 2}}, ThemeName::kLight},
      {"window-unknown-word", "window", {TextEdited{"the zebra that sat on the mat was fluffy"}}},
      {"window-lab", "window", {DModelSet{64}}},
      {"window-write-light",
       "window",
       {TextEdited{"the cat"}, ContinuationSet{{12, 6, 101, 119}}, BottomPanelSet{BottomPanel::kWrite}, QuerySelected{3}},
       ThemeName::kLight},
      {"window-cross-lens", "window", cross_actions()},
      {"lens-light", "lens", {QuerySelected{8}}, ThemeName::kLight, {900, 320}},
  };
}

class Pictures : public testing::TestWithParam<PictureCase> {};

TEST_P(Pictures, LookAsTheyShould) {
  const PictureCase& c = GetParam();
  if (const std::string why = why_incomparable(); !why.empty()) GTEST_SKIP() << why;
  if (c.view == "window") {
    if (const std::string why = why_window_incomparable(); !why.empty()) {
      const char* required = std::getenv("HEADROOM_REQUIRE_GL");
      if (required != nullptr && why.find("OpenGL") == std::string::npos) FAIL() << why;
      GTEST_SKIP() << why;
    }
  }
  Session session;
  for (const Action& action : c.actions)
    session = reduce(session, action).session;
  EngineOptions options;
  options.assets = HEADROOM_SOURCE_DIR "/assets";
  options.n_threads = 2;
  Computer computer(options);
  auto snapshot = computer.compute(session.compute, 1);
  if (c.view == "window") snapshot = computer.add_held_out_loss(snapshot);
  ExportRequest request;
  request.view = c.view;
  request.size = c.size;
  request.theme = c.theme;
  AppModel model = export_model(session, without_times(snapshot));
  if (c.view == "lens" || session.view.bottom == BottomPanel::kLens)
    model.lens.lens = computer.lens(snapshot, lens_token(session.view, *snapshot));
  model.backend_text = "CPU · flash";  // the machine's own instructions and threads are no part of the picture
  const std::string png = export_view(model, request);

  const TemporaryFolder folder;
  write_bytes(folder / "x.png", png);
  EXPECT_EQ(check_against_golden(read_png(folder / "x.png"), c.name), "");
}

INSTANTIATE_TEST_SUITE_P(All, Pictures, testing::ValuesIn(picture_cases()), [](const auto& test_info) {
  std::string name = test_info.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(PictureComparison, ABrokenPictureIsNoticed) {
  Image white{100, 100, std::vector<std::uint8_t>(40000, 255)};
  Image broken = white;
  for (std::size_t i = 0; i < 12 * 4; ++i)
    broken.rgba[i] = 0;  // 12 of 10,000 pixels
  const PictureDifference result = compare_pictures(broken, white, {});
  EXPECT_GT(result.share_of_pixels, PictureTolerance{}.share_of_pixels);
  EXPECT_EQ(result.largest, 255);
  EXPECT_EQ(result.difference.rgba[0], 255);
  broken = white;
  broken.rgba[0] = 253;
  EXPECT_EQ(compare_pictures(broken, white, {}).share_of_pixels, 0);
  broken.width = 50;
  EXPECT_FALSE(compare_pictures(broken, white, {}).has_same_size);
}

}  // namespace
}  // namespace headroom
