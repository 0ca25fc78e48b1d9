#include "core/figure/head_window.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace headroom {
namespace {

View with(const ZoomSet& zoom) {
  View view;
  view.zoom = zoom.zoom;
  view.stretch = zoom.stretch;
  view.pan_x = zoom.pan_x;
  view.pan_y = zoom.pan_y;
  return view;
}

TEST(HeadWindow, AtFirstEverythingIsShown) {
  EXPECT_EQ(window_of({}, 9), (TokenWindow{0, 9, 0, 9}));
  EXPECT_EQ(window_of({}, 131072), (TokenWindow{0, 131072, 0, 131072}));
}

TEST(HeadWindow, NeverFewerThanEightTokensOrTheWholeOfAShorterText) {
  View view;
  view.zoom = 16384;
  view.pan_x = view.pan_y = 1;
  EXPECT_EQ(window_of(view, 131072), (TokenWindow{131064, 131072, 131064, 131072}));
  EXPECT_EQ(window_of(view, 100), (TokenWindow{92, 100, 92, 100}));
  EXPECT_EQ(window_of(view, 5), (TokenWindow{0, 5, 0, 5}));
  EXPECT_EQ(largest_zoom(5), 1);
  EXPECT_EQ(largest_zoom(131072), 16384);
}

TEST(HeadWindow, ShowingAWindowGivesItBack) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 20000; ++i) {
    const auto n = static_cast<std::int64_t>(8 + random() % 131065);
    const auto side = [&] { return static_cast<std::int64_t>(8 + random() % static_cast<std::uint64_t>(n - 7)); };
    const auto begin = [&](std::int64_t shown) {
      return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n - shown + 1));
    };
    const std::int64_t rows = side(), cols = side();
    TokenWindow window{.row_begin = begin(rows), .row_end = 0, .col_begin = begin(cols), .col_end = 0};
    window.row_end = window.row_begin + rows;
    window.col_end = window.col_begin + cols;
    ASSERT_EQ(window_of(with(showing(window, n)), n), window) << n;
  }
}

TEST(HeadWindow, OfARectangleShowsAllAndGivesAnyWindowBack) {
  EXPECT_EQ(window_of({}, {9, 30}), (TokenWindow{0, 9, 0, 30}));
  EXPECT_EQ(window_of({}, {1, 4000}), (TokenWindow{0, 1, 0, 4000}));
  EXPECT_EQ(largest_zoom({1, 4000}), 500) << "one query, but keys to zoom into";
  View view;
  view.zoom = 4;
  EXPECT_EQ(window_of(view, {40, 400}), (TokenWindow{0, 10, 0, 100}));
  std::mt19937_64 random(4);
  for (int i = 0; i < 20000; ++i) {
    const auto length = [&] { return static_cast<std::int64_t>(8 + random() % 3000); };
    const HeadSize size(length(), length());
    const auto side = [&](std::int64_t n) { return static_cast<std::int64_t>(8 + random() % static_cast<std::uint64_t>(n - 7)); };
    const auto begin = [&](std::int64_t shown, std::int64_t n) {
      return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n - shown + 1));
    };
    const std::int64_t rows = side(size.queries), cols = side(size.keys);
    TokenWindow window{.row_begin = begin(rows, size.queries), .row_end = 0, .col_begin = begin(cols, size.keys), .col_end = 0};
    window.row_end = window.row_begin + rows;
    window.col_end = window.col_begin + cols;
    ASSERT_EQ(window_of(with(showing(window, size)), size), window) << size.queries << " x " << size.keys;
  }
}

TEST(HeadWindow, ARectangleIsZoomedAndPannedOnEachSideByItself) {
  const HeadSize size(20, 200);
  const View closer = with(zoomed({}, size, 2, {0.5, 0.5}));
  EXPECT_EQ(window_of(closer, size), (TokenWindow{5, 15, 50, 150}));
  EXPECT_EQ(window_of(with(panned(closer, size, {10, -3})), size), (TokenWindow{2, 12, 60, 160}));
  EXPECT_EQ(window_of(with(centred_on(closer, size, 19, 199)), size), (TokenWindow{10, 20, 100, 200}));
  const auto moved = bringing_into_view(closer, size, 2, 199);
  ASSERT_TRUE(moved.has_value());
  EXPECT_EQ(window_of(with(*moved), size), (TokenWindow{2, 12, 100, 200}));
  EXPECT_FALSE(bringing_into_view(closer, size, 6, 60).has_value());
  EXPECT_FALSE(bringing_into_view(closer, size, 25, 60).has_value()) << "there is no such query";
}

TEST(HeadWindow, ZoomKeepsWhatLiesUnderThePointer) {
  constexpr std::int64_t kTokens = 100000;
  View view = with({.zoom = 3, .pan_x = 0.3, .pan_y = 0.6});
  const Point focus{0.25, 0.7};
  const auto under = [&](const View& v) {
    const double shown = kTokens / v.zoom;
    return Point{v.pan_x * (kTokens - shown) + focus.x * shown, v.pan_y * (kTokens - shown) + focus.y * shown};
  };
  const Point before = under(view);
  for (int i = 0; i < 20; ++i)
    view = with(zoomed(view, kTokens, 1.25, focus));
  EXPECT_NEAR(view.zoom, 3 * std::pow(1.25, 20), 1e-6);
  EXPECT_NEAR(under(view).x, before.x, 1e-6);
  EXPECT_NEAR(under(view).y, before.y, 1e-6);
  for (int i = 0; i < 60; ++i)
    view = with(zoomed(view, kTokens, 1.25, focus));
  EXPECT_EQ(view.zoom, largest_zoom(kTokens));
  for (int i = 0; i < 100; ++i)
    view = with(zoomed(view, kTokens, 0.8, focus));
  EXPECT_EQ(window_of(view, kTokens), (TokenWindow{0, kTokens, 0, kTokens}));
}

TEST(HeadWindow, ManySmallMovesAddUp) {
  constexpr std::int64_t kTokens = 1000;
  View view = with({.zoom = 10, .pan_x = 0.5, .pan_y = 0.5});
  const TokenWindow before = window_of(view, kTokens);
  for (int i = 0; i < 40; ++i)
    view = with(panned(view, kTokens, {0.25, -0.5}));
  const TokenWindow after = window_of(view, kTokens);
  EXPECT_EQ(after.col_begin, before.col_begin + 10);
  EXPECT_EQ(after.row_begin, before.row_begin - 20);
  view = with(panned(view, kTokens, {1e9, -1e9}));
  EXPECT_EQ(window_of(view, kTokens), (TokenWindow{0, 100, 900, 1000}));
}

TEST(HeadWindow, BringsATokenIntoViewByTheLeastMove) {
  constexpr std::int64_t kTokens = 1000;
  const View view = with(showing({.row_begin = 500, .row_end = 600, .col_begin = 300, .col_end = 400}, kTokens));
  EXPECT_FALSE(bringing_into_view(view, kTokens, 500, 399));
  EXPECT_FALSE(bringing_into_view(view, kTokens, std::nullopt, -1));
  EXPECT_FALSE(bringing_into_view(view, kTokens, 1000, std::nullopt));
  const auto moved = bringing_into_view(view, kTokens, 620, 100);
  ASSERT_TRUE(moved);
  EXPECT_EQ(window_of(with(*moved), kTokens), (TokenWindow{521, 621, 100, 200}));
  EXPECT_EQ(window_of(with(centred_on(view, kTokens, 50, 999)), kTokens), (TokenWindow{1, 101, 900, 1000}));
}

}  // namespace
}  // namespace headroom
