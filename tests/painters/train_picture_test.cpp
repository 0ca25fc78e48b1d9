// The Train stage's figures against golden pictures; with other fonts the comparison is skipped with its reason.
#include <gtest/gtest.h>

#include "app/painters/cairo_painter.h"
#include "app/painters/fonts.h"
#include "tests/app/picture.h"
#include "tests/figure/figure_fixture.h"
#include "tests/figure/train_fixture.h"

namespace headroom {
namespace {

std::string why_incomparable() {
  const FontFiles& fonts = font_files();
  if (fonts.sans.string().find("Inter") == std::string::npos) return "the font Inter is not installed";
  if (fonts.mono.string().find("JetBrains") == std::string::npos) return "the font JetBrains Mono is not installed";
  return "";
}

struct TrainPicture {
  const char* name;
  Figure (*make)(const FigureInput&, const TrainInput&);
  TrainInput train;
  TrainView view;
  ThemeName theme = ThemeName::kDark;
  Size size{974, 760};
  double scale = 1;
};

std::vector<TrainPicture> pictures() {
  const MadeUpRun usual;
  TrainView head;
  head.head = HeadRef{1, 1};
  TrainView earlier = head;
  earlier.at = 180'000;
  TrainView compared = earlier;
  compared.compared = 60'000;
  TrainView large = compared;
  large.heads = TrainHeads::kOne;
  TrainView cross = head;
  cross.stack = AttentionStack::kCross;
  TrainInput then = made_up_training();
  then.frame = made_up_frame(usual, 180'000);
  TrainInput both = then;
  both.compared = made_up_frame(usual, 60'000);
  return {{"train-empty-dark", train_figure, {}, {}},
          {"train-live-light", train_figure, made_up_training(), head, ThemeName::kLight},
          {"train-earlier-dark", train_figure, then, earlier, ThemeName::kDark, {780, 620}, 2},
          {"train-compared-dark", train_figure, both, compared},
          {"train-head-light", train_head_figure, both, large, ThemeName::kLight, {780, 600}},
          {"train-cross-dark",
           train_heads_figure,
           made_up_training({.kind = ModelKind::kEncoderDecoder}),
           cross,
           ThemeName::kDark,
           {780, 360}},
          {"train-scores-dark", train_scores_figure, made_up_training(), head, ThemeName::kDark, {286, 260}},
          {"train-happened-light", train_happened_figure, then, earlier, ThemeName::kLight, {286, 260}}};
}

Image drawn(const Figure& figure, const Theme& theme, double scale) {
  return image_of(render_figure(figure, theme, FigureFormat::kPng, scale));
}

TEST(TrainPictures, LookAsTheyShould) {
  if (const std::string why = why_incomparable(); !why.empty()) GTEST_SKIP() << why;
  const auto measurer = make_cairo_measurer();
  for (const TrainPicture& one : pictures()) {
    Session session;
    session.train_view = one.view;
    const FigureInput input{.session = session,
                            .snapshot = nullptr,
                            .size = one.size,
                            .theme = theme(one.theme),
                            .measurer = *measurer,
                            .hovered_query = {},
                            .hovered_key = {}};
    const Figure figure = one.make(input, one.train);
    EXPECT_EQ(check_against_golden(drawn(figure, theme(one.theme), one.scale), one.name), "");
    EXPECT_TRUE(layout_faults(figure, *measurer).empty()) << one.name << ": " << layout_faults(figure, *measurer).front();
  }
}

TEST(TrainPictures, AnExperimentLooksAsItShould) {
  if (const std::string why = why_incomparable(); !why.empty()) GTEST_SKIP() << why;
  const auto measurer = make_cairo_measurer();
  const Session session;
  for (const ThemeName name : {ThemeName::kDark, ThemeName::kLight}) {
    const FigureInput input{.session = session,
                            .snapshot = nullptr,
                            .size = {780, 560},
                            .theme = theme(name),
                            .measurer = *measurer,
                            .hovered_query = {},
                            .hovered_key = {}};
    const Figure figure = train_experiment_figure(input, made_up_experiment());
    EXPECT_EQ(check_against_golden(drawn(figure, theme(name), 1),
                                   std::string("train-experiment-") + (name == ThemeName::kDark ? "dark" : "light")),
              "");
    EXPECT_TRUE(layout_faults(figure, *measurer).empty());
  }
}

}  // namespace
}  // namespace headroom
