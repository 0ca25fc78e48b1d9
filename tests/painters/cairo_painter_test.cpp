#include "app/painters/cairo_painter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "app/painters/fonts.h"
#include "core/tensor/error.h"
#include "tests/app/picture.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const Theme& kDark = theme(ThemeName::kDark);

Image pixels_of(const Figure& figure, double scale = 1, const Theme& colors = kDark) {
  return image_of(render_figure(figure, colors, FigureFormat::kPng, scale));
}
Color pixel(const Image& image, int x, int y) {
  const std::uint8_t* at = image.rgba.data() + 4 * (y * image.width + x);
  return {at[0], at[1], at[2], at[3]};
}
/// Pixels that differ from the background.
int n_drawn(const Image& image, const Rect& area) {
  int n = 0;
  for (int y = static_cast<int>(area.y); y < static_cast<int>(area.y + area.h); ++y) {
    for (int x = static_cast<int>(area.x); x < static_cast<int>(area.x + area.w); ++x)
      n += pixel(image, x, y) == kDark.panel ? 0 : 1;
  }
  return n;
}

Figure empty_figure(Size size) {
  Figure figure;
  figure.title = "A <test> & more";
  figure.size = size;
  return figure;
}

Scene chosen_scene() {
  Scene scene = make_scene({.n_layers = 2, .n_heads = 4, .n_kv_heads = 2, .d_head = 16, .n_tokens = 8, .pruned = {{1, 3}}});
  scene.session.view.head = HeadRef{1, 2};
  scene.session.view.query = 5;
  scene.session.view.key = 1;
  return scene;
}

TEST(CairoPainter, WritesTheSameBytesTwice) {
  const Scene scene = chosen_scene();
  const auto measurer = make_cairo_measurer();
  for (const auto make : {heads_figure, head_figure, token_figure, kv_figure, cell_figure}) {
    FigureInput input = input_of(scene, {640, 480});
    const FigureInput real{.session = input.session,
                           .snapshot = input.snapshot,
                           .size = input.size,
                           .theme = input.theme,
                           .measurer = *measurer,
                           .hovered_query = {},
                           .hovered_key = {}};
    const Figure figure = make(real);
    for (const FigureFormat format : {FigureFormat::kPng, FigureFormat::kSvg, FigureFormat::kPdf}) {
      const std::string bytes = render_figure(figure, kDark, format, 1.5);
      EXPECT_GT(bytes.size(), 1000U);
      EXPECT_EQ(bytes, render_figure(figure, kDark, format, 1.5)) << figure.title << " " << static_cast<int>(format);
    }
  }
}

TEST(CairoPainter, FilesSayTheirTitleAndNoDate) {
  const Figure figure = empty_figure({100, 50});
  const std::string svg = render_figure(figure, kDark, FigureFormat::kSvg, 2);
  EXPECT_THAT(svg, HasSubstr("<title>A &lt;test> &amp; more</title>"));
  EXPECT_THAT(svg, HasSubstr("200"));
  const std::string pdf = render_figure(figure, kDark, FigureFormat::kPdf, 1);
  EXPECT_TRUE(pdf.starts_with("%PDF-"));
  EXPECT_THAT(pdf, HasSubstr("2000"));
  EXPECT_TRUE(render_figure(figure, kDark, FigureFormat::kPng, 1).starts_with("\x89PNG"));
}

TEST(CairoPainter, RefusesAbsurdSizes) {
  EXPECT_THROW(render_figure(empty_figure({10000, 10}), kDark, FigureFormat::kPng, 2), Error);
  EXPECT_THROW(render_figure(empty_figure({0, 10}), kDark, FigureFormat::kSvg, 1), Error);
  EXPECT_THROW(render_figure(empty_figure({10, 10}), kDark, FigureFormat::kPdf, -1), Error);
}

TEST(CairoPainter, PutsRectanglesOnWholePixels) {
  Figure figure = empty_figure({20, 10});
  figure.items.push_back(
      FilledRect{.rect = {2.3, 1.6, 5.1, 4}, .fill = Color{200, 10, 20}, .stroke = {}, .stroke_width = 0, .radius = 0});
  const Image image = pixels_of(figure);
  EXPECT_EQ(pixel(image, 1, 3), kDark.panel);
  EXPECT_EQ(pixel(image, 2, 2), (Color{200, 10, 20}));
  EXPECT_EQ(pixel(image, 6, 5), (Color{200, 10, 20}));
  EXPECT_EQ(pixel(image, 7, 5), kDark.panel);
  EXPECT_EQ(pixel(image, 4, 1), kDark.panel);
  EXPECT_EQ(n_drawn(image, {0, 0, 20, 10}), 5 * 4);
}

TEST(CairoPainter, DrawsATilesCellsExactly) {
  const Scene scene = make_scene({.n_tokens = 8});
  Figure figure = empty_figure({80, 80});
  figure.snapshot = scene.snapshot;
  AttentionTile tile;
  tile.rect = {0, 0, 80, 80};
  tile.request = scene.snapshot->thumbnails[1][2].request;
  figure.items.push_back(tile);
  const Tile values = evaluate_tile(*scene.snapshot->trace, tile.request);
  const Image image = pixels_of(figure);
  for (int row = 0; row < 8; ++row) {
    for (int col = 0; col < 8; ++col) {
      const float value = values.values[static_cast<std::size_t>(row * 8 + col)];
      const Color expected = col > row ? kDark.masked : colormap_color(ColorMapName::kViridis, static_cast<double>(value));
      for (const int corner : {0, 9})
        EXPECT_EQ(pixel(image, col * 10 + corner, row * 10 + corner), expected) << row << ", " << col;
    }
  }
}

TEST(CairoPainter, DrawsCellsThatComeWithTheItem) {
  Figure figure = empty_figure({40, 20});
  auto cells = std::make_shared<Tile>();
  cells->request = {.row_begin = 0, .row_end = 1, .col_begin = 0, .col_end = 2, .rows = 1, .cols = 2};
  cells->values = {0.25f, 1.0f};
  AttentionTile tile;
  tile.rect = {0, 0, 40, 10};
  tile.request = cells->request;
  tile.own_cells = 0;
  figure.own_cells.push_back(cells);
  figure.items.push_back(tile);
  tile.rect.y = 10;
  tile.coloring = Coloring::kDiverging;
  figure.items.push_back(tile);
  const Image image = pixels_of(figure);
  EXPECT_EQ(pixel(image, 5, 5), colormap_color(ColorMapName::kViridis, 0.25));
  EXPECT_EQ(pixel(image, 35, 5), colormap_color(ColorMapName::kViridis, 1));
  EXPECT_EQ(pixel(image, 5, 15), diverging_color(kDark, 0.25));
  EXPECT_EQ(pixel(image, 35, 15), diverging_color(kDark, 1));
}

TEST(CairoPainter, ManyCellsAreAnImageWithoutSmoothing) {
  const Scene scene = make_scene({.n_heads = 1, .n_kv_heads = 1, .n_tokens = 70});  // 4900 cells
  Figure figure = empty_figure({140, 140});
  figure.snapshot = scene.snapshot;
  AttentionTile tile;
  tile.rect = {0, 0, 140, 140};
  tile.request = scene.snapshot->thumbnails[0][0].request;
  figure.items.push_back(tile);
  const Tile values = evaluate_tile(*scene.snapshot->trace, tile.request);
  const Image image = pixels_of(figure);
  for (int row = 0; row < 70; ++row) {
    for (int col = 0; col < 70; ++col) {
      const float value = values.values[static_cast<std::size_t>(row * 70 + col)];
      const Color expected = col > row ? kDark.masked : colormap_color(ColorMapName::kViridis, static_cast<double>(value));
      EXPECT_EQ(pixel(image, col * 2, row * 2), expected);
      EXPECT_EQ(pixel(image, col * 2 + 1, row * 2 + 1), expected);
    }
  }
}

TEST(CairoPainter, DashedLinesHaveGapsOfTwoThirds) {
  Figure figure = empty_figure({100, 10});
  figure.items = {
      Polyline{.points = {{0, 5}, {100, 5}}, .color = Color{255, 255, 255}, .width = 2, .is_closed = false, .fill = {}, .dash = 6}};
  const Image image = pixels_of(figure);
  for (int x = 0; x < 100; ++x)
    EXPECT_EQ(pixel(image, x, 4) == (Color{255, 255, 255}), x % 10 < 6) << x;
}

TEST(CairoPainter, ClipsAndLiftsTheClip) {
  Figure figure = empty_figure({40, 20});
  const auto rect = [](double x) {
    return FilledRect{.rect = {x, 0, 10, 20}, .fill = Color{255, 255, 255}, .stroke = {}, .stroke_width = 0, .radius = 0};
  };
  figure.items = {ClipTo{{0, 0, 40, 10}}, rect(0), ClipTo{}, rect(20)};
  const Image image = pixels_of(figure);
  EXPECT_EQ(pixel(image, 5, 9), (Color{255, 255, 255}));
  EXPECT_EQ(pixel(image, 5, 10), kDark.panel);
  EXPECT_EQ(pixel(image, 25, 19), (Color{255, 255, 255}));
}

TEST(CairoPainter, TurnsTextAgainstTheClock) {
  Figure figure = empty_figure({100, 100});
  TextRun run{.at = {20, 80},
              .text = "headroom",
              .face = FontFace::kSans,
              .size = 13,
              .color = kDark.text,
              .anchor = Anchor::kLeft,
              .angle = 45,
              .max_width = 0};
  figure.items = {run};
  const Image image = pixels_of(figure);
  if (font_files().sans.empty()) GTEST_SKIP() << "no font on this machine: " << font_files().note;
  EXPECT_GT(n_drawn(image, {40, 30, 40, 35}), 20) << "up and to the right";
  EXPECT_EQ(n_drawn(image, {40, 85, 60, 15}), 0);
}

TEST(CairoPainter, HatchStaysInItsRectangle) {
  Figure figure = empty_figure({60, 60});
  figure.items = {Hatch{.rect = {20, 20, 20, 20}, .color = Color{255, 255, 255}, .spacing = 6}};
  const Image image = pixels_of(figure);
  const int inside = n_drawn(image, {20, 20, 20, 20});
  EXPECT_GT(inside, 60);
  EXPECT_EQ(n_drawn(image, {0, 0, 60, 60}), inside);
}

TEST(CairoPainter, NeedsNoSnapshotForATile) {
  Figure figure = empty_figure({20, 20});
  AttentionTile tile;
  tile.rect = {0, 0, 20, 20};
  figure.items.push_back(tile);
  EXPECT_EQ(n_drawn(pixels_of(figure), {0, 0, 20, 20}), 0);
}

TEST(CairoMeasurer, AddsUpAdvancesAndSpellsWhatItCannotDraw) {
  if (font_files().sans.empty()) GTEST_SKIP() << "no font on this machine: " << font_files().note;
  const auto measurer = make_cairo_measurer();
  const auto width = [&](std::string_view text) { return measurer->width(text, FontFace::kMono, 10); };
  EXPECT_EQ(width(""), 0);
  EXPECT_GT(width("a"), 4);
  EXPECT_NEAR(width("abc"), 3 * width("a"), 1e-9);
  EXPECT_NEAR(width("\U000F1234"), width("\\u{F1234}"), 1e-9) << "a private character that no font has";
  EXPECT_NEAR(width("\xff"), width("\\xFF"), 1e-9);
}

TEST(Fonts, AreFoundOrTheNoteSaysWhatIsMissing) {
  const FontFiles& files = font_files();
  for (const auto& path : {files.sans, files.sans_medium, files.mono}) {
    if (!path.empty()) {
      EXPECT_TRUE(std::filesystem::exists(path)) << path;
    }
  }
  const bool has_both =
      files.sans.string().find("Inter") != std::string::npos && files.mono.string().find("JetBrains") != std::string::npos;
  EXPECT_EQ(files.note.empty(), has_both) << files.note;
  EXPECT_EQ(std::count(files.fallbacks.begin(), files.fallbacks.end(), files.sans), 0);
}

TEST(Layout, StandsWithTheRealFonts) {
  if (font_files().sans.empty()) GTEST_SKIP() << "no font on this machine: " << font_files().note;
  const auto measurer = make_cairo_measurer();
  for (const HeadDrawing drawing : {HeadDrawing::kHeatmap, HeadDrawing::kArcs}) {
    Scene scene = chosen_scene();
    scene.session.view.drawing = drawing;
    for (const Size size :
         {Size{300, 120}, Size{400, 300}, Size{480, 160}, Size{640, 360}, Size{862, 556}, Size{1600, 900}, Size{2560, 1440}}) {
      const FigureInput base = input_of(scene, size);
      const FigureInput input{.session = base.session,
                              .snapshot = base.snapshot,
                              .size = size,
                              .theme = base.theme,
                              .measurer = *measurer,
                              .hovered_query = {},
                              .hovered_key = {}};
      const bool is_stage = size.h >= 300;
      for (const auto make : {heads_figure, head_figure, token_figure}) {
        if (!is_stage) continue;
        EXPECT_THAT(layout_faults(make(input), *measurer), IsEmpty());
      }
      for (const auto make : {kv_figure, prediction_figure})
        EXPECT_THAT(layout_faults(make(input), *measurer), IsEmpty());
      EXPECT_THAT(layout_faults(timing_figure(input), *measurer), IsEmpty());
    }
  }
}

}  // namespace
}  // namespace headroom
