#include "app/painters/imgui_painter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "app/painters/tile_colors.h"
#include "core/session/engine.h"
#include "tests/app/painter_scene.h"

namespace headroom {

void PrintTo(const Color& c, std::ostream* out) { *out << "rgb(" << int{c.r} << ", " << int{c.g} << ", " << int{c.b} << ")"; }

namespace {

constexpr Color kRed{200, 30, 40, 255}, kGreen{20, 180, 60, 255};

gl::OffscreenContext* shared_context(std::string* reason) {
  static std::string failure;
  static const std::unique_ptr<gl::OffscreenContext> context = []() -> std::unique_ptr<gl::OffscreenContext> {
    try {
      return gl::OffscreenContext::open(gl::OffscreenContext::Need::kDraw33);
    } catch (const Error& error) {
      failure = error.what();
      return nullptr;
    }
  }();
  *reason = failure;
  return context.get();
}

/// A snapshot with thumbnails alone: cell (row, col) of head h is (row * n + col + h) / (2 n²), masked above the diagonal.
std::shared_ptr<Snapshot> fabricated(std::int64_t n, std::uint64_t version) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->version = version;
  snapshot->tokens.resize(static_cast<std::size_t>(n));
  snapshot->thumbnails.resize(4);
  for (std::int64_t layer = 0; layer < 4; ++layer) {
    for (std::int64_t head = 0; head < 8; ++head) {
      Tile tile;
      tile.request = {
          .layer = layer, .head = head, .row_begin = 0, .row_end = n, .col_begin = 0, .col_end = n, .rows = n, .cols = n};
      for (std::int64_t row = 0; row < n; ++row) {
        for (std::int64_t col = 0; col < n; ++col) {
          tile.values.push_back(col > row ? std::nanf("")
                                          : static_cast<float>(row * n + col + head) / static_cast<float>(2 * n * n));
        }
      }
      snapshot->thumbnails[static_cast<std::size_t>(layer)].push_back(std::move(tile));
    }
  }
  return snapshot;
}

AttentionTile tile_at(const Rect& rect, const Snapshot& snapshot, std::int64_t layer, std::int64_t head) {
  AttentionTile item;
  item.rect = rect;
  item.request = snapshot.thumbnails[static_cast<std::size_t>(layer)][static_cast<std::size_t>(head)].request;
  return item;
}

/// 4 x 8 heads of 40 px, with a gap of 4.
Figure heads_grid(const std::shared_ptr<const Snapshot>& snapshot) {
  Figure figure;
  figure.snapshot = snapshot;
  for (std::int64_t layer = 0; layer < 4; ++layer) {
    for (std::int64_t head = 0; head < 8; ++head) {
      figure.items.push_back(
          tile_at({static_cast<double>(head) * 44, static_cast<double>(layer) * 44, 40, 40}, *snapshot, layer, head));
    }
  }
  return figure;
}

class ImGuiPainterTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string reason;
    context_ = shared_context(&reason);
    const char* required = std::getenv("HEADROOM_REQUIRE_GL");
    if (context_ == nullptr && required != nullptr && std::string(required) == "1") FAIL() << reason;
    if (context_ == nullptr) GTEST_SKIP() << reason;
  }
  gl::OffscreenContext* context_ = nullptr;
};

TEST_F(ImGuiPainterTest, RectanglesHaveTheirColoursAndEdges) {
  PainterScene scene(*context_, 120, 80, 1);
  Figure figure;
  figure.items.push_back(FilledRect{.rect = {10, 20, 30, 25}, .fill = kRed, .stroke = {}});
  figure.items.push_back(FilledRect{.rect = {60, 20, 30, 25}, .fill = kRed, .stroke = kGreen, .stroke_width = 2});
  const Image image = scene.draw(figure);
  const Color background = theme(ThemeName::kDark).window;
  EXPECT_EQ(pixel(image, 10, 20), kRed);
  EXPECT_EQ(pixel(image, 39, 44), kRed);
  EXPECT_EQ(pixel(image, 9, 20), background);
  EXPECT_EQ(pixel(image, 10, 19), background);
  EXPECT_EQ(pixel(image, 40, 44), background);
  EXPECT_EQ(pixel(image, 39, 45), background);
  EXPECT_EQ(pixel(image, 61, 30), kGreen) << "a stroke lies inside";
  EXPECT_EQ(pixel(image, 63, 30), kRed);
  EXPECT_EQ(pixel(image, 59, 30), background);
}

TEST_F(ImGuiPainterTest, EveryCellHasItsColourAtAnyScale) {
  const std::int64_t n = 10;
  const auto snapshot = fabricated(n, 1);
  for (const double scale : {1.0, 1.5, 2.0}) {
    PainterScene scene(*context_, static_cast<int>(std::lround(120 * scale)), static_cast<int>(std::lround(120 * scale)), scale);
    Figure figure;
    figure.snapshot = snapshot;
    figure.items.push_back(tile_at({10, 10, 100, 100}, *snapshot, 1, 2));
    const Image image = scene.draw(figure);
    const auto& item = std::get<AttentionTile>(figure.items[0]);
    std::vector<std::uint8_t> expected(static_cast<std::size_t>(n * n * 4));
    color_tile(item, {.tile = snapshot->thumbnails[1][2]}, theme(ThemeName::kDark), expected);
    for (std::int64_t row = 0; row < n; ++row) {
      for (std::int64_t col = 0; col < n; ++col) {
        const auto at = static_cast<std::size_t>((row * n + col) * 4);
        const auto px = [&](std::int64_t cell) {
          return static_cast<int>(std::lround((10 + 10 * static_cast<double>(cell) + 5) * scale));
        };
        ASSERT_EQ(pixel(image, px(col), px(row)), (Color{expected[at], expected[at + 1], expected[at + 2], 255}))
            << "row " << row << ", column " << col << ", scale " << scale;
      }
    }
    // No cell bleeds into its neighbours: the first pixels inside and outside.
    const int edge = static_cast<int>(std::lround(10 * scale));
    EXPECT_EQ(pixel(image, edge, edge), (Color{expected[0], expected[1], expected[2], 255}));
    EXPECT_EQ(pixel(image, edge - 1, edge), theme(ThemeName::kDark).window);
  }
}

TEST_F(ImGuiPainterTest, CellsThatComeWithTheItemNeedNoSnapshot) {
  PainterScene scene(*context_, 80, 80, 1);
  auto cells = std::make_shared<Tile>();
  cells->request = {.row_begin = 0, .row_end = 1, .col_begin = 0, .col_end = 2, .rows = 1, .cols = 2};
  cells->values = {0.25f, 1.0f};
  Figure figure;
  AttentionTile tile;
  tile.rect = {0, 0, 40, 20};
  tile.request = cells->request;
  tile.own_cells = 0;
  figure.own_cells.push_back(cells);
  figure.items.push_back(tile);
  tile.rect.y = 20;
  tile.coloring = Coloring::kDiverging;
  figure.items.push_back(tile);
  const Image image = scene.draw({&figure});
  EXPECT_EQ(pixel(image, 5, 5), colormap_color(ColorMapName::kViridis, 0.25));
  EXPECT_EQ(pixel(image, 35, 5), colormap_color(ColorMapName::kViridis, 1));
  EXPECT_EQ(pixel(image, 5, 25), diverging_color(theme(ThemeName::kDark), 0.25));
  EXPECT_EQ(pixel(image, 35, 25), diverging_color(theme(ThemeName::kDark), 1));
}

TEST_F(ImGuiPainterTest, AllTilesAreOneDrawCall) {
  const auto snapshot = fabricated(12, 1);
  PainterScene scene(*context_, 400, 200, 1);
  scene.draw(heads_grid(snapshot));
  EXPECT_EQ(scene.stats().draw_calls, 1);
  EXPECT_EQ(scene.stats().vertices, 32 * 4);
}

TEST_F(ImGuiPainterTest, TilesBetweenOtherItemsStillShareADrawCall) {
  const auto snapshot = fabricated(12, 1);
  const Figure grid = heads_grid(snapshot);
  Figure figure;
  figure.snapshot = snapshot;
  for (const Item& item : grid.items) {
    const Rect rect = std::get<AttentionTile>(item).rect;
    figure.items.push_back(item);
    figure.items.push_back(FilledRect{.rect = {rect.x, rect.y + 41, 40, 2}, .fill = kRed, .stroke = {}});
    figure.items.push_back(TextRun{.at = {rect.x, rect.y + 8}, .text = "on it", .color = {255, 255, 255, 255}, .max_width = 39});
  }
  PainterScene scene(*context_, 400, 200, 1);
  scene.draw(figure);
  EXPECT_LE(scene.stats().draw_calls, 2);
  EXPECT_EQ(scene.painter().take_counters().tiles_drawn, 32);
}

TEST_F(ImGuiPainterTest, WhatLiesUnderATileStaysUnderIt) {
  const auto snapshot = fabricated(12, 1);
  Figure figure;
  figure.snapshot = snapshot;
  figure.items.push_back(tile_at({0, 0, 40, 40}, *snapshot, 0, 0));
  figure.items.push_back(FilledRect{.rect = {20, 0, 60, 40}, .fill = kRed, .stroke = {}});
  figure.items.push_back(tile_at({60, 0, 40, 40}, *snapshot, 0, 1));
  figure.items.push_back(FilledRect{.rect = {90, 0, 30, 40}, .fill = kGreen, .stroke = {}});
  PainterScene scene(*context_, 130, 60, 1);
  const Image image = scene.draw(figure);
  EXPECT_EQ(pixel(image, 30, 38), kRed) << "over the first tile";
  EXPECT_EQ(pixel(image, 59, 20), kRed);
  EXPECT_NE(pixel(image, 62, 38), kRed) << "under the second";
  EXPECT_EQ(pixel(image, 95, 20), kGreen);
}

TEST_F(ImGuiPainterTest, TheAtlasIsRefilledOnlyWhenItMust) {
  auto snapshot = fabricated(12, 1);
  PainterScene scene(*context_, 400, 200, 1);
  const Figure figure = heads_grid(snapshot);
  const auto uploaded_by = [&](const Figure& drawn, ThemeName name = ThemeName::kDark) {
    scene.draw(drawn, name);
    return scene.painter().take_counters().bytes_uploaded;
  };
  EXPECT_GE(uploaded_by(figure), 32 * 12 * 12 * 4);
  EXPECT_EQ(uploaded_by(figure), 0);
  Figure moved = figure;
  for (Item& item : moved.items)
    std::get<AttentionTile>(item).rect.x += 7;
  EXPECT_EQ(uploaded_by(moved), 0) << "only places changed";
  Figure recoloured = figure;
  for (Item& item : recoloured.items)
    std::get<AttentionTile>(item).colormap = ColorMapName::kMagma;
  EXPECT_GT(uploaded_by(recoloured), 0);
  EXPECT_EQ(uploaded_by(figure), 0) << "the first colours are still there";
  EXPECT_GT(uploaded_by(figure, ThemeName::kLight), 0) << "masked cells have the theme's grey";
  const auto other = fabricated(13, 2);
  EXPECT_GT(uploaded_by(heads_grid(other)), 0);
  EXPECT_EQ(uploaded_by(heads_grid(other)), 0);
}

TEST_F(ImGuiPainterTest, AnAtlasThatIsFullStartsAnew) {
  PainterScene scene(*context_, 400, 200, 1);
  // 32 x 60² cells a frame: a page of 512² is full after two of them.
  for (std::uint64_t version = 1; version < 40; ++version) {
    const auto snapshot = fabricated(60, version);
    const Figure figure = heads_grid(snapshot);
    const Image image = scene.draw(figure);
    ASSERT_EQ(scene.stats().draw_calls, 1);
    ASSERT_EQ(scene.painter().take_counters().tiles_drawn, 32);
    std::vector<std::uint8_t> expected(60 * 60 * 4);
    color_tile(std::get<AttentionTile>(figure.items[31]), {.tile = snapshot->thumbnails[3][7]}, theme(ThemeName::kDark), expected);
    const std::size_t at = (59 * 60 + 0) * 4;
    ASSERT_EQ(pixel(image, 7 * 44, 3 * 44 + 39), (Color{expected[at], expected[at + 1], expected[at + 2], 255})) << version;
  }
}

TEST_F(ImGuiPainterTest, SeveralFiguresShareAFrame) {
  const auto snapshot = fabricated(12, 1), other = fabricated(9, 2);
  Figure second;
  second.snapshot = other;
  second.items.push_back(tile_at({360, 0, 36, 36}, *other, 0, 0));
  const Figure first = heads_grid(snapshot);
  PainterScene scene(*context_, 400, 200, 1);
  const Image together = scene.draw({&first, &second});
  PainterScene alone(*context_, 400, 200, 1);
  const Image one = alone.draw(first), two = alone.draw(second);
  EXPECT_EQ(pixel(together, 2, 2), pixel(one, 2, 2));
  EXPECT_EQ(pixel(together, 20, 38), pixel(one, 20, 38));
  EXPECT_EQ(pixel(together, 362, 34), pixel(two, 362, 34));
}

TEST_F(ImGuiPainterTest, PrunedAndUnknownTilesAreMaskedNeverZero) {
  auto snapshot = fabricated(8, 1);
  snapshot->thumbnails[0][0].is_pruned = true;
  snapshot->thumbnails[0][0].values.clear();
  Figure figure;
  figure.snapshot = snapshot;
  figure.items.push_back(tile_at({0, 0, 40, 40}, *snapshot, 0, 0));
  figure.items.push_back(tile_at({44, 0, 40, 40}, *snapshot, 0, 1));
  std::get<AttentionTile>(figure.items[1]).request.layer = 77;
  PainterScene scene(*context_, 100, 60, 1);
  const Image image = scene.draw(figure);
  EXPECT_EQ(pixel(image, 20, 20), theme(ThemeName::kDark).masked);
  EXPECT_EQ(pixel(image, 60, 20), theme(ThemeName::kDark).masked);
}

TEST_F(ImGuiPainterTest, ClippingHoldsUntilItIsLifted) {
  Figure figure;
  figure.items.push_back(ClipTo{{0, 0, 50, 100}});
  figure.items.push_back(FilledRect{.rect = {0, 0, 100, 40}, .fill = kRed, .stroke = {}});
  figure.items.push_back(ClipTo{});
  figure.items.push_back(FilledRect{.rect = {0, 50, 100, 40}, .fill = kGreen, .stroke = {}});
  PainterScene scene(*context_, 100, 100, 1);
  const Image image = scene.draw(figure);
  EXPECT_EQ(pixel(image, 49, 20), kRed);
  EXPECT_EQ(pixel(image, 50, 20), theme(ThemeName::kDark).window);
  EXPECT_EQ(pixel(image, 99, 70), kGreen);
}

TEST_F(ImGuiPainterTest, ConcavePolygonsAreFilledInsideOnly) {
  Figure figure;  // a letter U, drawn clockwise and then counter-clockwise
  std::vector<Point> u{{10, 10}, {30, 10}, {30, 70}, {60, 70}, {60, 10}, {80, 10}, {80, 90}, {10, 90}};
  for (int turn = 0; turn < 2; ++turn) {
    figure.items = {Polyline{.points = u, .color = kRed, .width = 0, .is_closed = true, .fill = kRed}};
    PainterScene scene(*context_, 100, 100, 1);
    const Image image = scene.draw(figure);
    EXPECT_EQ(pixel(image, 20, 30), kRed);
    EXPECT_EQ(pixel(image, 70, 30), kRed);
    EXPECT_EQ(pixel(image, 45, 80), kRed);
    EXPECT_EQ(pixel(image, 45, 30), theme(ThemeName::kDark).window);
    std::reverse(u.begin(), u.end());
  }
}

/// The box of pixels that differ from the background.
Rect ink(const Image& image) {
  int left = image.width, right = -1, top = image.height, bottom = -1;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      if (pixel(image, x, y) == theme(ThemeName::kDark).window) continue;
      left = std::min(left, x);
      right = std::max(right, x);
      top = std::min(top, y);
      bottom = std::max(bottom, y);
    }
  }
  return {static_cast<double>(left), static_cast<double>(top), static_cast<double>(right - left + 1),
          static_cast<double>(bottom - top + 1)};
}

TEST_F(ImGuiPainterTest, TextIsAnchoredAndTurned) {
  PainterScene scene(*context_, 200, 200, 1);
  const auto drawn = [&](Anchor anchor, double angle) {
    Figure figure;
    figure.items.push_back(
        TextRun{.at = {100, 100}, .text = "Headroom", .color = {255, 255, 255, 255}, .anchor = anchor, .angle = angle});
    return ink(scene.draw(figure));
  };
  const double width = make_imgui_measurer()->width("Headroom", FontFace::kSans, kTextSize);
  EXPECT_NEAR(width, 61, 4);
  const Rect left = drawn(Anchor::kLeft, 0), centre = drawn(Anchor::kCentre, 0), right = drawn(Anchor::kRight, 0);
  EXPECT_NEAR(left.x, 101, 1.5);
  EXPECT_NEAR(left.w, width, 2.5);
  EXPECT_NEAR(centre.x + centre.w / 2, 100, 1.5);
  EXPECT_NEAR(right.x + right.w, 100, 1.5);
  EXPECT_NEAR(left.y + left.h / 2, 100, 2) << "the line's middle";
  const Rect up = drawn(Anchor::kLeft, 90);
  EXPECT_NEAR(up.h, left.w, 2);
  EXPECT_NEAR(up.y + up.h, 100, 2) << "counter-clockwise: it rises";
  EXPECT_NEAR(up.x + up.w / 2, 100, 2.5);
}

TEST_F(ImGuiPainterTest, LongTextIsShortenedToItsWidth) {
  PainterScene scene(*context_, 400, 40, 1);
  Figure figure;
  figure.items.push_back(
      TextRun{.at = {10, 20}, .text = "incomprehensibilities of a long sentence", .color = {255, 255, 255, 255}, .max_width = 90});
  const Rect box = ink(scene.draw(figure));
  EXPECT_LE(box.x + box.w, 101);
  EXPECT_GT(box.w, 60);
}

TEST_F(ImGuiPainterTest, TheSameFigureGivesTheSamePixels) {
  const auto snapshot = fabricated(12, 1);
  Figure figure = heads_grid(snapshot);
  figure.items.push_back(TextRun{.at = {200, 186}, .text = "probability · √d_k → “was”", .color = {255, 255, 255, 255}});
  figure.items.push_back(Hatch{.rect = {360, 100, 30, 60}, .color = kGreen});
  figure.items.push_back(ColorRamp{.rect = {10, 180, 100, 10}, .colormap = ColorMapName::kViridis});
  figure.items.push_back(Curve{{300, 20}, {320, 90}, {380, 0}, {395, 90}, kRed, 2});
  const Image first = PainterScene(*context_, 400, 200, 1).draw(figure);
  const Image second = PainterScene(*context_, 400, 200, 1).draw(figure);
  EXPECT_EQ(first.rgba, second.rgba);
  EXPECT_EQ(pixel(first, 10, 185), colormap_color(ColorMapName::kViridis, 0.005));
}

}  // namespace
}  // namespace headroom
