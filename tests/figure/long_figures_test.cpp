// What each figure says of a long text whose later layers are not computed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/figure/arithmetic_panel.h"
#include "core/figure/canvas.h"
#include "core/figure/heads_sentences.h"
#include "core/model/long_pass.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// The same text as make_scene's, computed as a long one.
Scene long_scene(const PassSpec& spec) {
  Scene scene = make_scene(spec);
  Snapshot& snapshot = *scene.snapshot;
  const auto params = std::make_shared<const ModelParams>(make_random_params(snapshot.config, 7));
  ThreadPool pool(1);
  snapshot.trace = std::make_shared<const ForwardTrace>(first_layer_pass(*params, snapshot.trace->ids, pool, {}));
  snapshot.params = params;
  snapshot.is_long = true;
  snapshot.heads.resize(1);
  snapshot.thumbnails.resize(1);
  snapshot.deeper = PassEstimate{.n_layers = spec.n_layers, .seq = std::ssize(snapshot.tokens), .flops = 1e12, .seconds = 40};
  return scene;
}

std::vector<Figure> all_figures(const FigureInput& input) {
  return {heads_figure(input), head_figure(input), row_figure(input),        head_card_figure(input), cell_figure(input),
          token_figure(input), kv_figure(input),   timing_figure(input, {}), prediction_figure(input)};
}

TEST(LongFigures, AllDrawWhatThereIs) {
  for (const std::int64_t layer : {0, 1}) {
    Scene scene = long_scene({.n_layers = 2, .n_heads = 4, .n_kv_heads = 2, .n_tokens = 40});
    scene.session.view.head = HeadRef{layer, 3};
    for (const bool has_row : {true, false}) {
      scene.session.view.query.reset();
      scene.session.view.key.reset();
      if (has_row) scene.session.view.query = 30;
      if (has_row) scene.session.view.key = 12;
      for (const Size size : {Size{1280, 720}, Size{400, 300}, Size{320, 180}}) {
        const FigureInput input = input_of(scene, size);
        for (const Figure& figure : all_figures(input)) {
          EXPECT_FALSE(figure.items.empty()) << figure.title;
          EXPECT_THAT(layout_faults(figure, input.measurer), IsEmpty()) << figure.title << " at " << size.w;
        }
      }
    }
  }
}

TEST(LongFigures, PredictionsAreNotComputedUntilTheLastLayerIs) {
  Scene scene = long_scene({.n_layers = 2, .n_tokens = 40});
  EXPECT_THAT(text_of(prediction_figure(input_of(scene, {400, 300}))), HasSubstr("need a full pass"));
  ThreadPool pool(1);
  const auto backend = make_flash_backend(pool);
  const Scene whole = make_scene({.n_layers = 2, .n_tokens = 40});
  scene.snapshot->trace =
      std::make_shared<const ForwardTrace>(long_forward(*scene.snapshot->params, scene.snapshot->trace->ids, *backend, pool, {}));
  EXPECT_EQ(text_of(prediction_figure(input_of(scene, {400, 300}))), text_of(prediction_figure(input_of(whole, {400, 300}))));
}

TEST(LongFigures, TheTokenShowsEmptyFramesForWhatIsNotComputed) {
  const Figure figure = token_figure(input_of(long_scene({.n_layers = 2, .n_tokens = 40}), {1280, 720}));
  EXPECT_THAT(text_of(figure), HasSubstr("not computed"));
  std::size_t n_frames = 0;
  for (const HitRegion& hit : figure.hits)
    n_frames += hit.name == "not computed" ? 1U : 0U;
  EXPECT_EQ(n_frames, 4U + 2U) << "four heads' outputs, them side by side, and what W_O makes of them";
  const Figure whole = token_figure(input_of(make_scene({.n_layers = 2, .n_tokens = 40}), {1280, 720}));
  EXPECT_THAT(text_of(whole), Not(HasSubstr("not computed")));
}

TEST(LongFigures, TheArithmeticIsThatOfAShortText) {
  const PassSpec spec{.n_layers = 2, .n_heads = 4, .n_kv_heads = 2, .n_tokens = 40};
  const auto drawn = [](const Scene& scene) {
    const FigureInput input = input_of(scene, {600, 700});
    Canvas canvas(input, "arithmetic");
    draw_arithmetic(canvas, {8, 8, 584, 684}, {.head = {0, 3}, .query = 30, .key = 12});
    return canvas.take();
  };
  const Figure of_long = drawn(long_scene(spec)), of_short = drawn(make_scene(spec));
  EXPECT_EQ(text_of(of_long), text_of(of_short));
  EXPECT_NE(find_hit(of_long, "value"), nullptr) << "v of one token is computed when it is looked at";
}

TEST(LongFigures, TheWorkIsThatOfTheFirstLayer) {
  Scene scene = long_scene({.n_layers = 2, .n_tokens = 40});
  scene.snapshot->cpu.stages.clear();
  const std::string text = text_of(timing_figure(input_of(scene, {500, 260}), {}));
  EXPECT_THAT(text, HasSubstr("rotary"));
  EXPECT_THAT(text, Not(HasSubstr("MLP")));
}

TEST(LongFigures, SayWhatShowsMoreWhereAllCellsAreDark) {
  Scene scene = long_scene({.n_layers = 2, .n_heads = 2, .n_kv_heads = 2, .n_tokens = 40});
  Snapshot& snapshot = *scene.snapshot;
  for (Tile& tile : snapshot.thumbnails[0]) {
    std::fill(tile.values.begin(), tile.values.end(), 0.02F);
    tile.values[0] = 1;  // the first query sees itself alone
    tile.values.back() = std::nanf("");
  }
  EXPECT_THAT(text_of(heads_figure(input_of(scene, {1280, 720}))), HasSubstr("log scale"));
  EXPECT_EQ(dark_sentence(snapshot, ColorScale::kLog), "");
  std::fill_n(snapshot.thumbnails[0][1].values.begin() + 200, 60, 0.5F);
  EXPECT_EQ(dark_sentence(snapshot, ColorScale::kLinear), "");
  std::fill_n(snapshot.thumbnails[0][1].values.begin() + 200, 60, 0.02F);
  EXPECT_NE(dark_sentence(snapshot, ColorScale::kLinear), "");
  snapshot.is_long = false;
  EXPECT_EQ(dark_sentence(snapshot, ColorScale::kLinear), "");
}

}  // namespace
}  // namespace headroom
