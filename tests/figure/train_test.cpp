// What the Train stage's figures say and what clicks on them do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/figure/train_axis.h"
#include "core/figure/train_panels.h"
#include "core/figure/train_story.h"
#include "tests/figure/figure_fixture.h"
#include "tests/figure/train_fixture.h"

namespace headroom {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

FigureInput input_for(const Session& session, Size size = {974, 760}) {
  static const EvenMeasurer measurer;
  return {.session = session,
          .snapshot = nullptr,
          .size = size,
          .theme = theme(ThemeName::kDark),
          .measurer = measurer,
          .hovered_query = {},
          .hovered_key = {}};
}

template <typename T>
const T* click_of(const Figure& figure, const std::string& name) {
  const HitRegion* hit = find_hit(figure, name);
  return hit == nullptr || !hit->click ? nullptr : std::get_if<T>(&*hit->click);
}

TEST(TrainAxis, SaysTokensShortly) {
  EXPECT_EQ(tokens_text(768), "768");
  EXPECT_EQ(tokens_text(180'000), "180 k");
  EXPECT_EQ(tokens_text(12'288), "12.3 k");
  EXPECT_EQ(tokens_text(1'320'000), "1.32 M");
  EXPECT_EQ(tokens_text(3'000'000), "3 M");
  EXPECT_EQ(tokens_text(999'900), "1 M");
}

TEST(TrainAxis, TicksAreRoundAndInside) {
  EXPECT_THAT(round_ticks({0, 1}, 4), ElementsAre(0, 0.5, 1));
  EXPECT_THAT(round_ticks({1.4, 6.6}, 6), ElementsAre(2, 3, 4, 5, 6));
  EXPECT_TRUE(round_ticks({1, 1}, 4).empty());
  EXPECT_EQ(tick_text(0.5, {0, 0.5, 1}), "0.5");
  EXPECT_EQ(tick_text(2, {2, 3}), "2");
}

TEST(TrainAxis, LabelsKeepTheirDistanceAndOrder) {
  EXPECT_THAT(spread_labels({50, 10, 90}, 15, 0, 100), ElementsAre(50, 10, 90));
  EXPECT_THAT(spread_labels({50, 50, 50}, 10, 0, 100), ElementsAre(40, 50, 60));
  EXPECT_THAT(spread_labels({98, 99}, 10, 0, 100), ElementsAre(90, 100));
}

TEST(TrainStory, TellsOfTheNearerNounAndThenOfTheJump) {
  const auto run = made_up_run();
  const auto said = [&](std::int64_t tokens) {
    std::string text;
    for (const std::string& sentence : train_story(reports_until(run->reports, tokens)))
      text += sentence + "\n";
    return text;
  };
  EXPECT_THAT(said(110'000), HasSubstr("worse than a coin (0.50): the model agrees with the nearer noun"));
  EXPECT_THAT(said(110'000), HasSubstr("No head has a role yet"));
  EXPECT_THAT(said(1'320'000), HasSubstr("the model agreed with the nearer noun. From "));
  EXPECT_THAT(said(1'320'000), HasSubstr("mastered: now right in 0.99 of 96 cases"));
  EXPECT_THAT(said(1'320'000), Not(HasSubstr("No head")));
  EXPECT_THAT(said(0), Not(HasSubstr("nearer noun"))) << "an untrained model follows no rule";
  EXPECT_THAT(said(0), HasSubstr("above the floor of 1.54"));
  EXPECT_TRUE(train_story({}).empty());
}

TEST(TrainStory, AFewUnluckyCasesAreNoRule) {
  EXPECT_FALSE(is_below_chance({Behaviour::kAgreement, 0.41, 0.5, 96}));
  EXPECT_TRUE(is_below_chance({Behaviour::kAgreement, 0.39, 0.5, 96}));
  EXPECT_FALSE(is_below_chance({Behaviour::kAgreement, 0.3, 0.5, 10}));
}

TEST(TrainCurves, LeaveOutFixedDistancesAndWhatIsHidden) {
  const auto run = made_up_run();
  const auto ids = [&](const std::vector<std::string>& hidden) {
    std::vector<std::string> all;
    for (const TrainCurve& curve : train_curves(run->reports, hidden, theme(ThemeName::kDark)))
      all.push_back(curve.id);
    return all;
  };
  EXPECT_THAT(ids({}),
              ElementsAre("subject", "pronoun", "predicate", "name", "agreement_across_distractor", "coreference", "copying"));
  EXPECT_THAT(ids({"predicate"}), Not(testing::Contains("predicate")));
  for (const ThemeName name : {ThemeName::kDark, ThemeName::kLight}) {
    std::vector<Marker> markers;
    for (const TrainCurve& curve : train_curves(run->reports, {}, theme(name))) {
      EXPECT_THAT(markers, Not(testing::Contains(curve.sign.marker))) << "told apart without colour";
      markers.push_back(curve.sign.marker);
      EXPECT_GE(contrast(curve.sign.color, theme(name).panel), 3.0) << curve.id;
    }
  }
}

TEST(TrainFigure, LossRolesAndTimeLineShareTheirAxis) {
  const Session session;
  const TrainInput train = made_up_training();
  const auto middle = [&](Figure (*make)(const FigureInput&, const TrainInput&), Size size, const std::string& name) {
    const Figure figure = make(input_for(session, size), train);
    const HitRegion* hit = find_hit(figure, name);
    EXPECT_NE(hit, nullptr) << name;
    return hit == nullptr ? 0 : hit->shape.x;
  };
  const std::string at = std::to_string(train.report->reports[12]->tokens);
  const double loss = middle(train_loss_figure, {800, 240}, "loss at " + at);
  EXPECT_DOUBLE_EQ(loss, middle(train_roles_figure, {800, 320}, "roles at " + at));
  EXPECT_NEAR(loss, middle(train_timeline_figure, {800, 74}, "time " + at), 0.01);
  EXPECT_EQ(train_time_at(*train.report, 800, loss + 1), train.report->reports[12]->tokens);
  EXPECT_EQ(train_time_at(*train.report, 800, 790), std::nullopt) << "right of what is done: live";
  EXPECT_EQ(train_time_at(*train.report, 800, 0), 0);
}

TEST(TrainFigure, ClicksSeekCompareAndChoose) {
  Session session;
  session.train_view.head = HeadRef{1, 1};
  const TrainInput train = made_up_training();
  const Figure figure = train_figure(input_for(session), train);
  const std::int64_t tokens = train.report->kept[9];  // not the newest: that one is live
  ASSERT_NE(click_of<TrainTimeSet>(figure, "time " + std::to_string(tokens)), nullptr);
  EXPECT_EQ(click_of<TrainTimeSet>(figure, "time " + std::to_string(tokens))->tokens, tokens);
  const HitRegion* moment = find_hit(figure, "loss at " + std::to_string(tokens));
  ASSERT_NE(moment, nullptr);
  EXPECT_EQ(std::get<TrainComparedSet>(*moment->ctrl_click).tokens, tokens);
  EXPECT_THAT(moment->tooltip, HasSubstr("nats a token, measured"));
  ASSERT_NE(click_of<TrainHeadSelected>(figure, "head L0 H2"), nullptr);
  EXPECT_EQ(click_of<TrainHeadSelected>(figure, "head L0 H2")->head, (HeadRef{0, 2}));
  ASSERT_NE(click_of<TrainRoleToggled>(figure, "curve subject"), nullptr);
  EXPECT_EQ(click_of<TrainTimeSet>(figure, "time live")->tokens, std::nullopt);
}

TEST(TrainFigure, NamesAHeadOnlyAboveThresholdAndBaseline) {
  const Session session;
  const std::string text = text_of(train_heads_figure(input_for(session), made_up_training()));
  EXPECT_THAT(text, HasSubstr("subject 0.9"));
  EXPECT_THAT(text, Not(HasSubstr("determiner"))) << "stands at a fixed distance";
  EXPECT_THAT(text, HasSubstr("AT 1.32 M TOKENS"));
}

TEST(TrainFigure, DifferencesDivergeAndSayWhichMinusWhich) {
  Session session;
  session.train_view.head = HeadRef{1, 1};
  session.train_view.at = 180'000;
  session.train_view.compared = 60'000;
  TrainInput train = made_up_training();
  train.frame = made_up_frame({}, 180'000);
  train.compared = made_up_frame({}, 60'000);
  const Figure figure = train_heads_figure(input_for(session), train);
  EXPECT_THAT(text_of(figure), HasSubstr("180 k MINUS 60 k TOKENS"));
  const auto tiles = items_of<AttentionTile>(figure);
  ASSERT_EQ(tiles.size(), 8u);
  for (const AttentionTile& tile : tiles) {
    EXPECT_EQ(tile.coloring, Coloring::kDiverging);
    const auto cells = figure.own_cells_of(tile);
    const HeadRef head{tile.request.layer, tile.request.head};
    for (std::int64_t q = 0; q < 9; ++q) {
      for (std::int64_t k = 0; k < 9; ++k) {
        const auto at = static_cast<std::size_t>(q * 9 + k);
        if (k > q) {
          EXPECT_TRUE(std::isnan(cells->values[at])) << "masked is no zero";
        } else {
          const auto of = [&](const TrainFrame& frame) { return frame.stacks[0].head(head.layer, head.head)[at]; };
          EXPECT_NEAR(cells->values[at], of(*train.frame) - of(*train.compared), 1e-6);
        }
      }
    }
  }
}

TEST(TrainFigure, HoveringAWordTurnsTheArrows) {
  Session session;
  session.train_view.head = HeadRef{1, 1};
  TrainInput train = made_up_training();
  FigureInput input = input_for(session);
  input.hovered_query = 5;
  train.frame = made_up_frame({}, 3'000'000);
  const Figure late = train_head_figure(input, train);
  EXPECT_THAT(text_of(late), HasSubstr("98 %"));
  const HitRegion* cell = find_hit(late, "cell 5 2");
  ASSERT_NE(cell, nullptr);
  EXPECT_THAT(cell->tooltip, HasSubstr("dog  →  cats"));
  const HitRegion* word = find_hit(late, "word 3");
  ASSERT_NE(word, nullptr);
  const Hover hover = hit_test(late, {word->shape.x + 4, word->shape.y + 4});
  EXPECT_EQ(hover.query, 3);
  EXPECT_EQ(late.snapshot, nullptr) << "another stage's snapshot would lie about these cells";
}

TEST(TrainCards, SayWhatRemovingTheHeadCostsAndThatAPictureIsNoCause) {
  Session session;
  session.train_view.head = HeadRef{1, 1};
  const std::string text = text_of(train_ablation_figure(input_for(session, {286, 400}), made_up_training()));
  EXPECT_THAT(text, HasSubstr("2.310 → 2.428"));
  EXPECT_THAT(text, HasSubstr("0.99 → 0.59"));
  EXPECT_THAT(text, HasSubstr("not a cause"));
  session.train_view.head = HeadRef{0, 0};
  EXPECT_THAT(text_of(train_ablation_figure(input_for(session, {286, 400}), made_up_training())), HasSubstr("is being\nmeasured"));
}

TEST(TrainCsv, HoldsEveryMeasurement) {
  const auto run = made_up_run();
  const std::string csv = train_csv(*run);
  EXPECT_EQ(static_cast<std::size_t>(std::count(csv.begin(), csv.end(), '\n')), run->reports.size() + 1);
  std::vector<std::ptrdiff_t> commas;
  for (std::size_t at = 0; at < csv.size();) {
    const std::size_t end = csv.find('\n', at);
    commas.push_back(
        std::count(csv.begin() + static_cast<std::ptrdiff_t>(at), csv.begin() + static_cast<std::ptrdiff_t>(end), ','));
    at = end + 1;
  }
  EXPECT_THAT(commas, Each(commas.front()));
  EXPECT_THAT(csv, HasSubstr("tokens,held_out_loss,floor,training_loss,subject,subject_layer"));
  EXPECT_THAT(csv, HasSubstr("agreement_across_distractor,agreement_across_distractor_chance"));
  EXPECT_EQ(train_csv(RunReport{}), "tokens,held_out_loss,floor,training_loss\n");
}

}  // namespace
}  // namespace headroom
