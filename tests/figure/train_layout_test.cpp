// The Train stage's figures as values: nothing sticks out or overlaps, whatever ran, at any size.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/figure/figure_fixture.h"
#include "tests/figure/train_fixture.h"

namespace headroom {
namespace {

using testing::IsEmpty;

using MakeFigure = Figure (*)(const FigureInput&, const TrainInput&);
struct NamedFigure {
  const char* name;
  MakeFigure make;
};
constexpr NamedFigure kStageFigures[] = {{"stage", train_figure},       {"loss", train_loss_figure},
                                         {"roles", train_roles_figure}, {"time line", train_timeline_figure},
                                         {"heads", train_heads_figure}, {"head", train_head_figure}};
constexpr NamedFigure kCards[] = {{"happened", train_happened_figure},
                                  {"behaviour", train_behaviour_figure},
                                  {"scores", train_scores_figure},
                                  {"ablation", train_ablation_figure}};

FigureInput input_for(const Session& session, Size size) {
  static const EvenMeasurer measurer;
  return {.session = session,
          .snapshot = nullptr,
          .size = size,
          .theme = theme(ThemeName::kDark),
          .measurer = measurer,
          .hovered_query = {},
          .hovered_key = {}};
}

struct Case {
  const char* name;
  TrainInput train;
  TrainView view;
};

TrainView chosen(std::optional<std::int64_t> at = {}, std::optional<std::int64_t> compared = {}) {
  TrainView view;
  view.head = HeadRef{1, 1};
  view.at = at;
  view.compared = compared;
  return view;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const MadeUpRun usual;
  all.push_back({"nothing has run", {}, {}});
  all.push_back({"live", made_up_training(), {}});
  all.push_back({"live, a head chosen", made_up_training(), chosen()});
  TrainInput past = made_up_training();
  past.frame = made_up_frame(usual, 180'000);
  all.push_back({"earlier", past, chosen(180'000)});
  past.compared = made_up_frame(usual, 60'000);
  all.push_back({"compared", past, chosen(180'000, 60'000)});
  all.push_back({"finished", made_up_training({.tokens = 3'000'000}), chosen()});
  all.push_back({"one measurement", made_up_training({.tokens = 768, .n_reports = 1}), chosen()});
  all.push_back({"many heads", made_up_training({.n_layers = 4, .n_heads = 8}), chosen(500'000)});
  all.push_back({"very many heads", made_up_training({.n_layers = 6, .n_heads = 16}), chosen()});
  all.push_back({"masked", made_up_training({.kind = ModelKind::kMasked}), chosen()});
  const MadeUpRun translation{.kind = ModelKind::kEncoderDecoder};
  for (const AttentionStack stack : {AttentionStack::kSelf, AttentionStack::kEncoder, AttentionStack::kCross}) {
    TrainView view = chosen();
    view.stack = stack;
    all.push_back({"translation", made_up_training(translation), view});
    TrainInput two = made_up_training(translation);
    two.compared = made_up_frame(translation, 60'000);
    view.compared = 60'000;
    all.push_back({"translation, compared", two, view});
  }
  TrainInput words = made_up_training();
  std::string sentence = "<bos>";
  for (int i = 0; i < 20; ++i)
    sentence += " extraordinarily the zebra";
  words.frame = made_up_frame(usual, 180'000, sentence);
  auto noticed = std::make_shared<TrainFrame>(*words.frame);
  noticed->notices = {"The word “zebra” is not in the vocabulary: the model reads <unk>.", "The sentence was cut to 64 tokens."};
  words.frame = noticed;
  all.push_back({"long sentence", words, chosen()});
  TrainInput one_word = made_up_training();
  one_word.frame = made_up_frame(usual, 180'000, "<bos>");
  all.push_back({"one word", one_word, chosen()});
  TrainInput healing = made_up_training();
  auto healed = std::make_shared<RunReport>(*healing.report);
  healed->heal = HealReport{1.84, 3.34, 0, "8 K/V heads pooled to 4", "Heads that do different things were averaged."};
  healing.report = healed;
  all.push_back({"healing", healing, chosen()});
  TrainInput failed = made_up_training();
  auto broken = std::make_shared<RunReport>(*failed.report);
  broken->phase = RunPhase::kFailed;
  broken->failure = "The training diverged at 1,320,000 tokens: the loss is no number. Lower the learning rate from 0.01 to 0.003.";
  auto last = std::make_shared<HeadReport>(*broken->reports.back());
  last->held_out_loss = NAN;
  broken->reports.back() = last;
  broken->losses.back().loss = INFINITY;
  failed.report = broken;
  all.push_back({"diverged", failed, chosen()});
  TrainView hidden = chosen();
  hidden.hidden_roles = {"predicate", "subject"};
  all.push_back({"curves hidden", made_up_training(), hidden});
  TrainInput before = made_up_training();
  auto preparing = std::make_shared<RunReport>();
  preparing->phase = RunPhase::kPreparing;
  before.report = preparing;
  before.frame = nullptr;
  all.push_back({"preparing", before, chosen()});
  return all;
}

TEST(TrainLayout, KeepsEverythingInsideAndApart) {
  const EvenMeasurer measurer;
  for (const Case& one : cases()) {
    Session session;
    session.train_view = one.view;
    for (const TrainHeads heads : {TrainHeads::kAll, TrainHeads::kOne}) {
      session.train_view.heads = heads;
      for (const NamedFigure& figure : kStageFigures) {
        for (const Size size : {Size{400, 300}, Size{480, 640}, Size{640, 360}, Size{780, 600}, Size{974, 760}, Size{1000, 240},
                                Size{1280, 720}, Size{2560, 1440}}) {
          SCOPED_TRACE(std::string(one.name) + ": " + figure.name);
          EXPECT_THAT(layout_faults(figure.make(input_for(session, size), one.train), measurer), IsEmpty());
        }
      }
    }
    for (const NamedFigure& card : kCards) {
      for (const Size size : {Size{240, 60}, Size{240, 320}, Size{286, 400}, Size{480, 300}}) {
        SCOPED_TRACE(std::string(one.name) + ": " + card.name);
        const Figure figure = card.make(input_for(session, size), one.train);
        EXPECT_LE(figure.size.h, size.h);
        EXPECT_THAT(layout_faults(figure, measurer), IsEmpty());
      }
    }
  }
}

TEST(TrainLayout, TinySizesDoNotFail) {
  for (const Case& one : cases()) {
    Session session;
    session.train_view = one.view;
    for (const Size size : {Size{1, 1}, Size{24, 16}, Size{60, 200}, Size{200, 40}, Size{200, 120}}) {
      for (const NamedFigure& figure : kStageFigures)
        EXPECT_EQ(figure.make(input_for(session, size), one.train).size, size);
      for (const NamedFigure& card : kCards)
        EXPECT_LE(card.make(input_for(session, size), one.train).size.h, size.h);
    }
  }
}

TEST(TrainLayout, ExperimentsKeepEverythingInsideAndApart) {
  const EvenMeasurer measurer;
  const Session session;
  ExperimentPicture labelled = made_up_experiment();
  for (ExperimentPicture::Series& series : labelled.series) {
    for (ExperimentPicture::Spread& point : series.points)
      point.label = "GQA " + std::to_string(static_cast<int>(point.x)) + " pooled, then healed";
  }
  ExperimentPicture single = made_up_experiment();
  single.series.resize(1);
  single.series[0].points = {{4, 2.1, 2.1, 2.1, 1, ""}};
  single.rows.resize(1);
  single.progress = 0.1;
  ExperimentPicture table = made_up_experiment();
  table.series.clear();
  for (int i = 0; i < 30; ++i)
    table.rows.push_back(table.rows.front());
  for (const ExperimentPicture& picture : {made_up_experiment(), labelled, single, table, ExperimentPicture{}}) {
    for (const Size size :
         {Size{300, 200}, Size{400, 300}, Size{480, 640}, Size{780, 600}, Size{1280, 400}, Size{1280, 720}, Size{2560, 1440}})
      EXPECT_THAT(layout_faults(train_experiment_figure(input_for(session, size), picture), measurer), IsEmpty());
    for (const Size size : {Size{1, 1}, Size{24, 16}, Size{60, 200}, Size{200, 40}})
      EXPECT_EQ(train_experiment_figure(input_for(session, size), picture).size, size);
  }
}

}  // namespace
}  // namespace headroom
