// The picture of loss over bytes: every point and every number is the report's, at every size.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/figure/card_panels.h"
#include "core/figure/decode_figures.h"
#include "core/figure/number_text.h"
#include "core/figure/quality_panels.h"
#include "tests/figure/decode_fixture.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

FigureInput input_for(const Session& session, Size size, ThemeName name = ThemeName::kDark) {
  static const EvenMeasurer measurer;
  return {.session = session,
          .snapshot = nullptr,
          .size = size,
          .theme = theme(name),
          .measurer = measurer,
          .hovered_query = {},
          .hovered_key = {}};
}

QualityReport with_trouble() {
  QualityReport report = made_up_quality();
  report.points[3].problem = "Pooling K/V heads needs a copy of the parameters for each number of them: more memory than is used.";
  report.points[3].loss = report.points[3].bytes = 0;
  report.points[6].loss = std::nan("");
  report.is_finished = false;
  report.most_rows = 1200;
  return report;
}
QualityReport with_one() {
  QualityReport report = made_up_quality();
  report.points.resize(1);
  return report;
}
QualityReport with_equal() {
  QualityReport report = made_up_quality();
  for (QualityPoint& point : report.points) {
    point.loss = report.full.loss;
    point.bytes = report.full.bytes;
    point.loss_error = point.changed = point.kl = 0;
  }
  return report;
}

TEST(QualityLayout, KeepsEverythingInsideAndApart) {
  const EvenMeasurer measurer;
  const Session session;
  for (const QualityReport& report : {made_up_quality(), with_trouble(), with_one(), with_equal()}) {
    const DecodeState state = quality_state(session, report);
    for (const Size size : {Size{400, 300}, Size{480, 640}, Size{640, 360}, Size{862, 556}, Size{1030, 620}, Size{1280, 720},
                            Size{1600, 900}, Size{2300, 1340}})
      EXPECT_THAT(layout_faults(quality_figure(input_for(session, size), state), measurer), IsEmpty());
  }
}

TEST(QualityLayout, TinySizesDoNotFail) {
  const Session session;
  const DecodeState state = quality_state(session, made_up_quality());
  for (const Size size : {Size{1, 1}, Size{24, 16}, Size{60, 200}, Size{200, 40}, Size{240, 140}, Size{300, 170}})
    EXPECT_EQ(quality_figure(input_for(session, size), state).size, size);
}

TEST(QualityFigure, SaysWhatIsAwaitedAndWhyItFailed) {
  const Session session;
  DecodeState state;
  const auto text = [&] { return text_of(quality_figure(input_for(session, {1280, 720}), state)); };
  EXPECT_THAT(text(), HasSubstr("Nothing measured yet"));
  state.failures[static_cast<std::size_t>(DecodePart::kQuality)] = "There is no text to predict.";
  EXPECT_THAT(text(), AllOf(HasSubstr("Not measured"), HasSubstr("There is no text to predict.")));
  QualityReport unread = made_up_quality();
  unread.n_rows = unread.n_tokens = 0;
  state.quality = quality_state(session, unread).quality;
  EXPECT_THAT(text(), HasSubstr("Not measured")) << "nothing was read yet";
  state.quality = quality_state(session, made_up_quality()).quality;
  EXPECT_THAT(text(), AllOf(HasSubstr("Not measured again: There is no text to predict."), HasSubstr("WHAT IS KEPT")));
}

TEST(QualityFigure, EveryPointStandsWhereItsNumbersSay) {
  const Session session;
  const QualityReport report = made_up_quality();
  const Figure figure = quality_figure(input_for(session, {1600, 900}), quality_state(session, report));
  const HitRegion* full = find_hit(figure, "quality/full");
  ASSERT_NE(full, nullptr);
  const double full_y = full->shape.y + full->shape.h / 2;
  // Two points give each axis; all others must lie on it.
  const auto middle = [&](const QualityPoint& point) {
    const HitRegion* hit =
        find_hit(figure, "quality/point " + quality_choice_text(point.choice) + " " + quality_curve_name(point.choice.curve));
    EXPECT_NE(hit, nullptr) << quality_choice_text(point.choice);
    return hit == nullptr ? Point{} : Point{hit->shape.x + hit->shape.w / 2, hit->shape.y + hit->shape.h / 2};
  };
  const QualityPoint &small = report.points[5], &large = report.points[0];  // a window of 4; everything in float32
  ASSERT_EQ(quality_choice_text(small.choice), "last 4 tokens");
  const double x_per_octave = (middle(large).x - middle(small).x) / std::log2(large.bytes / small.bytes);
  const double y_per_nat = (middle(small).y - full_y) / (small.loss - report.full.loss);
  EXPECT_GT(x_per_octave, 20);
  EXPECT_LT(y_per_nat, -20);
  for (const QualityPoint& point : report.points) {
    const Point at = middle(point);
    EXPECT_NEAR(at.x, middle(small).x + x_per_octave * std::log2(point.bytes / small.bytes), 1e-6);
    EXPECT_NEAR(at.y, full_y + y_per_nat * (point.loss - report.full.loss), 1e-6);
  }
  EXPECT_NEAR(bytes_a_token(report, report.full), 4096, 1e-9) << "rows of 64 tokens, the first of each held and not predicted";
}

TEST(QualityFigure, TheTableHasEveryNumber) {
  const Session session;
  const QualityReport report = made_up_quality();
  const Figure figure = quality_figure(input_for(session, {1600, 900}), quality_state(session, report));
  std::vector<std::string> texts;
  for (const QualityPoint& point : report.points) {
    const HitRegion* row =
        find_hit(figure, "quality/row " + quality_choice_text(point.choice) + " " + quality_curve_name(point.choice.curve));
    ASSERT_NE(row, nullptr) << quality_choice_text(point.choice);
    std::string line;
    for (const TextRun& run : items_of<TextRun>(figure))
      if (row->shape.contains({run.at.x - (run.anchor == Anchor::kRight ? 1 : -1), run.at.y})) line += run.text + "|";
    EXPECT_THAT(
        line,
        AllOf(HasSubstr(quality_choice_text(point.choice) + "|"),
              HasSubstr((point.bytes < 64000 ? compact(point.bytes / 64, 4) : count_text(std::llround(point.bytes / 64))) + "|"),
              HasSubstr(percent_text(point.share_of_full) + "|"), HasSubstr(fixed(point.loss, 4) + "|"),
              HasSubstr(signed_fixed(point.loss - report.full.loss, 4)), HasSubstr(percent_text(point.changed) + "|"),
              HasSubstr(compact(point.kl, 2) + "|")));
    if (point.loss_error > 0) {
      EXPECT_THAT(line, HasSubstr("± " + fixed(point.loss_error, 4)));
    }
  }
}

TEST(QualityFigure, SaysWhatIsNotMeasured) {
  const Session session;
  const QualityReport report = with_trouble();
  const Figure figure = quality_figure(input_for(session, {1600, 900}), quality_state(session, report));
  const std::string text = text_of(figure);
  EXPECT_THAT(text, AllOf(HasSubstr("200 of 1,200 rows so far"), HasSubstr("not measured: ")));
  EXPECT_EQ(find_hit(figure, "quality/point int8 bits"), nullptr);
  const HitRegion* row = find_hit(figure, "quality/row int8 bits");
  ASSERT_NE(row, nullptr);
  EXPECT_THAT(row->tooltip, HasSubstr("Not measured: Pooling"));
  EXPECT_FALSE(row->click);
}

TEST(QualityFigure, AClickTakesTheCache) {
  Session session;
  session.decode.cache.layout = CacheLayout::kPaged;
  session.decode.cache.page_rows = 8;
  const Figure figure = quality_figure(input_for(session, {1600, 900}), quality_state(session, made_up_quality()));
  const HitRegion* point = find_hit(figure, "quality/point first 4 and last 12 tokens first tokens + window");
  ASSERT_NE(point, nullptr);
  ASSERT_TRUE(point->click);
  const auto& set = std::get<DecodePlanSet>(*point->click);
  KvCacheOptions wanted;
  wanted.eviction = Eviction::kStreaming;
  wanted.n_first = 4;
  wanted.window = 12;
  wanted.layout = CacheLayout::kPaged;
  wanted.page_rows = 8;
  EXPECT_EQ(set.plan.cache, wanted);
  EXPECT_EQ(set.plan.tokens, session.decode.tokens);
  const HitRegion* heads = find_hit(figure, "quality/row 2 K/V heads K/V heads");
  ASSERT_NE(heads, nullptr);
  EXPECT_EQ(std::get<KvHeadsSet>(*heads->click).n_kv_heads, 2);
}

TEST(QualityFigure, SaysWhatElseTheSessionAsksFor) {
  Session session;
  const DecodeState state = quality_state(session, made_up_quality());
  const auto text = [&] { return text_of(quality_figure(input_for(session, {1600, 900}), state)); };
  EXPECT_THAT(text(), AllOf(HasSubstr("Measured: grammar-base predicts the held-out text"), HasSubstr("12,600 tokens predicted"),
                            HasSubstr("teacher forcing")));
  session.compute.text = "another sentence";
  EXPECT_THAT(text(), HasSubstr("teacher forcing")) << "the held-out text was read, not the sentence";
  session.decode.cache.eviction = Eviction::kWindow;
  session.decode.cache.window = 16;
  EXPECT_THAT(text(), HasSubstr("teacher forcing")) << "is one of the curves";
  session.decode.cache.window = 17;
  EXPECT_THAT(text(), HasSubstr("none of these"));
  session.compute.n_kv_heads = 2;
  EXPECT_THAT(text(), HasSubstr("stay until they are measured again"));
}

TEST(QualityFigure, CurvesDifferInColourAndShape) {
  constexpr QualityCurve kAll[]{QualityCurve::kBits,         QualityCurve::kWindow,  QualityCurve::kStreaming,
                                QualityCurve::kHeavyHitters, QualityCurve::kKvHeads, QualityCurve::kOther};
  const Theme& colors = theme(ThemeName::kLight);
  for (const QualityCurve a : kAll) {
    for (const QualityCurve b : kAll) {
      if (a == b) continue;
      EXPECT_NE(quality_sign(colors, a).marker, quality_sign(colors, b).marker);
      EXPECT_FALSE(quality_sign(colors, a).color == quality_sign(colors, b).color);
    }
  }
}

}  // namespace
}  // namespace headroom
