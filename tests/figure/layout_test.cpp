// Every figure at many sizes and shapes: nothing sticks out, no words lie on words or on tiles.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/figure/number_text.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

using testing::IsEmpty;

using MakeFigure = Figure (*)(const FigureInput&);
struct NamedFigure {
  const char* name;
  MakeFigure make;
};
Figure timing_with_history(const FigureInput& input) {
  static const TimingHistory history{.cpu_ms = {2.0, 2.5, 2.1, 9.0, 2.2}, .gpu_ms = {1.0, 1.1, 0.9}};
  return timing_figure(input, history);
}
constexpr NamedFigure kStageFigures[] = {{"heads", heads_figure}, {"head", head_figure}, {"token", token_figure}};
constexpr NamedFigure kPanelFigures[] = {{"kv", kv_figure}, {"timing", timing_with_history}, {"prediction", prediction_figure}};
constexpr NamedFigure kInspectorFigures[] = {{"card", head_card_figure}, {"cell", cell_figure}};
constexpr Size kStageSizes[] = {{400, 300},  {480, 640},  {640, 360},  {862, 556},
                                {1000, 420}, {1280, 720}, {1600, 900}, {2560, 1440}};

struct Case {
  const char* name;
  PassSpec pass;
  void (*prepare)(Session&);
};
void nothing(Session&) {}
void choose_cell(Session& session) {
  session.view.head = HeadRef{1, 2};
  session.view.query = 5;
  session.view.key = 1;
}
const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"plain", {}, nothing},
      {"chosen cell",
       {.n_layers = 4, .n_heads = 8, .n_kv_heads = 8, .d_head = 16, .n_tokens = 10, .pruned = {{0, 3}, {2, 2}}, .mask = {}},
       choose_cell},
      {"chosen row",
       {.n_heads = 8, .n_kv_heads = 2},
       [](Session& s) {
         s.view.head = HeadRef{0, 1};
         s.view.query = 3;
       }},
      {"arcs",
       {.n_tokens = 30},
       [](Session& s) {
         choose_cell(s);
         s.view.drawing = HeadDrawing::kArcs;
       }},
      {"arcs without focus",
       {.n_tokens = 12},
       [](Session& s) {
         s.view.head = HeadRef{0, 0};
         s.view.drawing = HeadDrawing::kArcs;
       }},
      {"scores, log",
       {},
       [](Session& s) {
         choose_cell(s);
         s.view.quantity = Quantity::kScores;
         s.view.scale = ColorScale::kLog;
       }},
      {"per row, left out",
       {},
       [](Session& s) {
         choose_cell(s);
         s.view.scale = ColorScale::kPerRow;
         s.view.first_token = FirstToken::kLeftOut;
       }},
      {"ranked",
       {.n_layers = 3, .pruned = {{1, 1}}},
       [](Session& s) {
         choose_cell(s);
         s.view.sort = HeadSort::kSelf;
       }},
      {"ranked by entropy", {.n_layers = 6, .n_heads = 12, .n_kv_heads = 4}, [](Session& s) { s.view.sort = HeadSort::kEntropy; }},
      {"one token",
       {.n_tokens = 1},
       [](Session& s) {
         s.view.head = HeadRef{0, 0};
         s.view.query = 0;
         s.view.key = 0;
       }},
      {"one head",
       {.n_layers = 1, .n_heads = 1, .n_kv_heads = 1},
       [](Session& s) {
         s.view.head = HeadRef{0, 0};
       }},
      {"a layer removed",
       {.n_heads = 2, .n_kv_heads = 2, .pruned = {{1, 0}, {1, 1}}},
       [](Session& s) {
         s.view.head = HeadRef{1, 1};
       }},
      {"long", {.n_heads = 2, .n_kv_heads = 1, .n_tokens = 150}, choose_cell},
      {"many heads", {.n_layers = 2, .n_heads = 64, .n_kv_heads = 8, .d_head = 2}, choose_cell},
      {"many layers", {.n_layers = 96, .n_heads = 2, .n_kv_heads = 2, .d_head = 2, .n_tokens = 3}, nothing},
      {"wide head",
       {.n_heads = 1, .n_kv_heads = 1, .d_head = 256},
       [](Session& s) {
         s.view.head = HeadRef{0, 0};
         s.view.query = 2;
         s.view.key = 1;
       }},
  };
  return all;
}

class Layout : public testing::TestWithParam<std::size_t> {};

TEST_P(Layout, KeepsEverythingInsideAndApart) {
  const Case& one = cases()[GetParam()];
  Scene scene = make_scene(one.pass);
  one.prepare(scene.session);
  const EvenMeasurer measurer;
  for (const NamedFigure& figure : kStageFigures) {
    for (const Size size : kStageSizes) {
      SCOPED_TRACE(std::string(one.name) + ": " + figure.name);
      EXPECT_THAT(layout_faults(figure.make(input_of(scene, size)), measurer), IsEmpty());
    }
  }
  for (const NamedFigure& figure : kPanelFigures) {
    for (const Size size : {Size{300, 120}, Size{360, 130}, Size{480, 160}, Size{640, 190}, Size{400, 300}, Size{1600, 900}}) {
      SCOPED_TRACE(std::string(one.name) + ": " + figure.name);
      EXPECT_THAT(layout_faults(figure.make(input_of(scene, size)), measurer), IsEmpty());
    }
  }
  for (const NamedFigure& figure : kInspectorFigures) {
    for (const Size size : {Size{240, 320}, Size{312, 420}, Size{312, 620}, Size{480, 300}}) {
      SCOPED_TRACE(std::string(one.name) + ": " + figure.name);
      EXPECT_THAT(layout_faults(figure.make(input_of(scene, size)), measurer), IsEmpty());
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Scenes, Layout, testing::Range<std::size_t>(0, cases().size()));

TEST(Layout, LongTokensAreShortenedAndStillApart) {
  Scene scene = make_scene({.n_tokens = 9});
  for (Token& token : scene.snapshot->tokens)
    token.text += std::string(60, 'w') + "é\n\u202e";
  choose_cell(scene.session);
  const EvenMeasurer measurer;
  for (const Size size : {Size{400, 300}, Size{480, 900}, Size{1280, 720}}) {
    for (const NamedFigure& figure : kStageFigures)
      EXPECT_THAT(layout_faults(figure.make(input_of(scene, size)), measurer), IsEmpty()) << figure.name;
  }
}

TEST(Layout, TextHasTwoSizes) {
  Scene scene = make_scene({});
  choose_cell(scene.session);
  for (const NamedFigure& figure : kStageFigures) {
    for (const TextRun& run : items_of<TextRun>(figure.make(input_of(scene, {1280, 720}))))
      EXPECT_TRUE(run.size == kTextSize || run.size == kSmallTextSize) << run.text;
  }
}

TEST(Layout, TinySizesDoNotFail) {
  Scene scene = make_scene({.n_tokens = 5});
  choose_cell(scene.session);
  for (const Size size : {Size{1, 1}, Size{24, 16}, Size{60, 200}, Size{200, 40}}) {
    for (const NamedFigure& figure : kStageFigures)
      EXPECT_EQ(figure.make(input_of(scene, size)).size, size);
    for (const NamedFigure& figure : kPanelFigures)
      EXPECT_EQ(figure.make(input_of(scene, size)).size, size);
    for (const NamedFigure& figure : kInspectorFigures)
      EXPECT_LE(figure.make(input_of(scene, size)).size.h, size.h);
  }
}

}  // namespace
}  // namespace headroom
