// The logit lens, the written tokens and the list of next words as pictures.

#include "core/figure/lens_figure.h"

#include <gmock/gmock.h>

#include "core/figure/number_text.h"
#include "core/figure/prediction_rows.h"
#include "core/figure/written_figure.h"
#include "core/session/on_demand.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

LensState lens_of(const Scene& scene, std::int64_t position, std::size_t n_layers) {
  auto made = std::make_shared<TokenLens>();
  made->trace = scene.snapshot->trace;
  made->lens.position = position;
  made->lens.answer = 11;
  for (std::size_t layer = 0; layer <= n_layers; ++layer) {
    LensLayer& at = made->lens.layers.emplace_back();
    at.answer_rank = static_cast<std::int64_t>(n_layers - layer) * 3 + 1;
    at.answer_probability = 0.5 / static_cast<double>(at.answer_rank);
    for (std::int32_t word = 0; word < 10; ++word)
      at.top.push_back({layer == n_layers && word == 0 ? 11 : word + 12, 0.4 / (word + 1)});
  }
  return {made, ""};
}

const std::vector<Size> kSizes = {{860, 150}, {620, 180}, {1600, 900}, {420, 300}, {344, 150}};

TEST(LensFigure, ShowsLayersWordsAndRanks) {
  Scene scene = make_scene({});
  scene.session.view.query = 4;
  const Figure figure = lens_figure(input_of(scene, {860, 170}), lens_of(scene, 4, 2));
  const std::string text = text_of(figure);
  EXPECT_THAT(text, HasSubstr("input\n"));
  EXPECT_THAT(text, HasSubstr("after L0\n"));
  EXPECT_THAT(text, HasSubstr("after L1\n"));
  EXPECT_THAT(text, HasSubstr("▸ id 11"));
  EXPECT_THAT(text, HasSubstr("after “t4”"));
  EXPECT_THAT(text, HasSubstr("nostalgebraist 2020"));
  ASSERT_NE(find_hit(figure, "lens rank 0"), nullptr);
  EXPECT_THAT(find_hit(figure, "lens rank 0")->tooltip, HasSubstr("rank 7 of 32"));
  EXPECT_THAT(find_hit(figure, "lens 2 0")->tooltip, HasSubstr("what the whole model says"));
}

TEST(LensFigure, OfManyLayersShowsEverySoMany) {
  Scene scene = make_scene({});
  scene.session.view.query = 4;
  const Figure figure = lens_figure(input_of(scene, {620, 170}), lens_of(scene, 4, 31));
  EXPECT_THAT(text_of(figure), HasSubstr("after L30\n")) << "the last always";
  EXPECT_THAT(text_of(figure), Not(HasSubstr("after L29\n")));
  EXPECT_THAT(text_of(figure), HasSubstr("layer is shown"));
}

TEST(LensFigure, IsSoundAtEverySize) {
  Scene scene = make_scene({});
  scene.session.view.query = 4;
  const EvenMeasurer measurer;
  for (const Size& size : kSizes)
    for (const std::size_t layers : {std::size_t{2}, std::size_t{12}, std::size_t{80}})
      EXPECT_THAT(layout_faults(lens_figure(input_of(scene, size), lens_of(scene, 4, layers)), measurer), IsEmpty());
}

TEST(LensFigure, SaysWhyThereIsNone) {
  Scene scene = make_scene({});
  scene.session.view.query = 4;
  EXPECT_THAT(text_of(lens_figure(input_of(scene, {860, 170}), {})), HasSubstr("Looking through the layers"));
  EXPECT_THAT(text_of(lens_figure(input_of(scene, {860, 170}), lens_of(scene, 3, 2))), HasSubstr("Looking through"))
      << "another token's";
  EXPECT_THAT(text_of(lens_figure(input_of(scene, {860, 170}), {nullptr, "It broke."})), HasSubstr("It broke."));
  scene.snapshot->config.predicts = false;
  EXPECT_THAT(text_of(lens_figure(input_of(scene, {860, 170}), {})), HasSubstr("predicts nothing"));
}

TEST(WrittenFigure, SaysWhyNothingCanBeWritten) {
  Scene scene = make_scene({});
  Snapshot& snapshot = *scene.snapshot;
  EXPECT_EQ(why_not_writing(snapshot), "");
  snapshot.compute.model_source = ModelSource::kCapture;
  EXPECT_THAT(text_of(written_figure(input_of(scene, {600, 160}))), HasSubstr("A capture holds attention"));
  snapshot.compute.model_source = ModelSource::kBundled;
  snapshot.config.predicts = false;
  snapshot.no_prediction = "No output.";
  EXPECT_EQ(why_not_writing(snapshot), "No output.");
  snapshot.compute.trained.kind = ModelKind::kEncoderDecoder;
  EXPECT_EQ(why_not_writing(snapshot), "") << "its decoder writes, whichever stack is looked at";
  snapshot.compute.trained.kind = ModelKind::kMasked;
  EXPECT_THAT(why_not_writing(snapshot), HasSubstr("hidden words"));
}

TEST(WrittenFigure, ShowsEachTokenWithItsProbabilityAndChoosesTheRowThatWroteIt) {
  Scene scene = make_scene({});
  EXPECT_THAT(text_of(written_figure(input_of(scene, {600, 160}))), HasSubstr("Nothing written yet"));
  scene.snapshot->n_written = 3;
  scene.snapshot->compute.continuation = {1, 2, 3};
  const Figure figure = written_figure(input_of(scene, {600, 160}));
  for (std::int64_t i = 4; i < 7; ++i) {
    const HitRegion* chip = find_hit(figure, "written " + std::to_string(i));
    ASSERT_NE(chip, nullptr);
    const auto odds = odds_of(*scene.snapshot, i - 1, scene.snapshot->tokens[static_cast<std::size_t>(i)].id);
    EXPECT_THAT(chip->tooltip, HasSubstr("probability " + probability_text(odds->probability)));
    const auto* row = std::get_if<QuerySelected>(&*chip->click);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->query, i - 1);
  }
  EXPECT_EQ(find_hit(figure, "written 3"), nullptr);
  EXPECT_NE(find_hit(written_figure(input_of(scene, {1000, 600})), "step 6"), nullptr) << "a page has the alternatives too";
  const EvenMeasurer measurer;
  for (const Size& size : kSizes)
    EXPECT_THAT(layout_faults(written_figure(input_of(scene, size)), measurer), IsEmpty());
}

TEST(WrittenFigure, TurnsThePagesOfALongText) {
  Scene scene = make_scene({.n_tokens = 100});
  scene.snapshot->n_written = 90;
  scene.snapshot->compute.continuation.assign(90, 1);
  scene.session.view.query = std::nullopt;
  const EvenMeasurer measurer;
  std::int64_t next = 10;  // the first written token
  int pages = 0;
  for (; pages < 90; ++pages) {
    const Figure figure = written_figure(input_of(scene, {600, 160}));
    EXPECT_THAT(layout_faults(figure, measurer), IsEmpty());
    EXPECT_EQ(find_hit(figure, "written before") != nullptr, pages > 0);
    EXPECT_THAT(text_of(figure), HasSubstr(std::to_string(next - 9) + "–")) << "from where it shows";
    EXPECT_EQ(find_hit(figure, "written " + std::to_string(next - 1)), nullptr);
    while (find_hit(figure, "written " + std::to_string(next)) != nullptr)
      ++next;
    const HitRegion* turn = find_hit(figure, "written next");
    if (turn == nullptr) break;
    scene.session.view.query = std::get<QuerySelected>(*turn->click).query;
    EXPECT_EQ(scene.session.view.query, next - 1) << "the row that wrote the first of the next page";
  }
  EXPECT_GT(pages, 1);
  EXPECT_EQ(next, 100) << "each token is on one page";
}

TEST(Predictions, MarkWhatReallyFollowed) {
  Scene scene = make_scene({});
  scene.session.view.query = 2;
  const std::int32_t really = scene.snapshot->tokens[3].id;
  const auto odds = odds_of(*scene.snapshot, 2, really);
  ASSERT_TRUE(odds.has_value());
  const Figure small = prediction_figure(input_of(scene, {280, 110}));
  EXPECT_THAT(text_of(small), HasSubstr("▸ id " + std::to_string(really))) << "though it is only number " << odds->rank;
  const Figure tall = prediction_figure(input_of(scene, {280, 400}));
  EXPECT_THAT(text_of(tall), HasSubstr("▸ id " + std::to_string(really)));
  std::size_t rows = 0;
  while (find_hit(tall, "prediction " + std::to_string(rows)) != nullptr)
    ++rows;
  EXPECT_EQ(rows, odds->rank <= 10 ? 10u : 11u);
  scene.session.view.query = 6;
  EXPECT_THAT(text_of(prediction_figure(input_of(scene, {280, 400}))), Not(HasSubstr("▸"))) << "nothing follows the last token";
}

TEST(TokenAxis, OfAPairSaysWhichSentence) {
  Scene scene = make_scene({});
  scene.session.view.head = HeadRef{0, 1};
  EXPECT_THAT(text_of(head_figure(input_of(scene, {900, 700}))), Not(HasSubstr("A: ")));
  for (std::size_t i = 4; i < 7; ++i)
    scene.snapshot->tokens[i].type = scene.snapshot->tokens[i].part = 1;
  const std::string text = text_of(head_figure(input_of(scene, {900, 700})));
  EXPECT_THAT(text, HasSubstr("A: t3"));
  EXPECT_THAT(text, HasSubstr("B: t4"));
}

}  // namespace
}  // namespace headroom
