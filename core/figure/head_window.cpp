#include "core/figure/head_window.h"

#include <algorithm>
#include <cmath>

namespace headroom {
namespace {

std::int64_t fewest(std::int64_t n) { return std::min(n, kFewestShown); }

/// Tokens shown along each axis before they are rounded, and where they begin.
struct Extent {
  double zoom = 1;
  double queries = 1, keys = 1, first_query = 0, first_key = 0;
};

double shown_of(std::int64_t all, double wanted) {
  return std::clamp(wanted, static_cast<double>(fewest(all)), static_cast<double>(all));
}

Extent extent_of(const View& view, const HeadSize& size) {
  Extent extent;
  extent.zoom = std::clamp(view.zoom, 1.0, largest_zoom(size));
  const double all_queries = static_cast<double>(size.queries), all_keys = static_cast<double>(size.keys);
  extent.queries = shown_of(size.queries, all_queries / extent.zoom);
  extent.keys = shown_of(size.keys, (size.is_square() ? extent.queries : all_keys / extent.zoom) * view.stretch);
  extent.first_query = std::clamp(view.pan_y, 0.0, 1.0) * (all_queries - extent.queries);
  extent.first_key = std::clamp(view.pan_x, 0.0, 1.0) * (all_keys - extent.keys);
  return extent;
}

double pan_to(double first, double shown, double all) { return all > shown ? std::clamp(first / (all - shown), 0.0, 1.0) : 0.0; }

ZoomSet zoom_set(const View& view, const Extent& extent, const HeadSize& size) {
  return {.zoom = extent.zoom,
          .pan_x = pan_to(extent.first_key, extent.keys, static_cast<double>(size.keys)),
          .pan_y = pan_to(extent.first_query, extent.queries, static_cast<double>(size.queries)),
          .stretch = view.stretch};
}

}  // namespace

double largest_zoom(const HeadSize& size) {
  const auto of = [](std::int64_t n) { return static_cast<double>(n) / static_cast<double>(fewest(n)); };
  return std::max(of(size.queries), of(size.keys));
}

TokenWindow window_of(const View& view, const HeadSize& size) {
  // Zooms are quotients: a hair above a whole number is that number.
  constexpr double kHair = 1e-6;
  const double zoom = std::clamp(view.zoom, 1.0, static_cast<double>(std::max(size.queries, size.keys)));
  const double queries = static_cast<double>(size.queries), keys = static_cast<double>(size.keys);
  const auto rows = std::clamp(static_cast<std::int64_t>(std::ceil(queries / zoom - kHair)), fewest(size.queries), size.queries);
  const double wanted = (size.is_square() ? static_cast<double>(rows) : keys / zoom) * view.stretch;
  const auto cols = static_cast<std::int64_t>(shown_of(size.keys, std::round(wanted)));
  const auto first = [](double pan, std::int64_t shown, std::int64_t all) {
    return std::clamp<std::int64_t>(std::llround(std::clamp(pan, 0.0, 1.0) * static_cast<double>(all - shown)), 0, all - shown);
  };
  TokenWindow window;
  window.row_begin = first(view.pan_y, rows, size.queries);
  window.row_end = window.row_begin + rows;
  window.col_begin = first(view.pan_x, cols, size.keys);
  window.col_end = window.col_begin + cols;
  return window;
}

ZoomSet showing(const TokenWindow& window, const HeadSize& size) {
  const double queries = static_cast<double>(size.queries), keys = static_cast<double>(size.keys);
  const double rows = static_cast<double>(window.rows()), cols = static_cast<double>(window.cols());
  return {.zoom = queries / rows,
          .pan_x = pan_to(static_cast<double>(window.col_begin), cols, keys),
          .pan_y = pan_to(static_cast<double>(window.row_begin), rows, queries),
          .stretch = cols / (size.is_square() ? rows : keys * rows / queries)};
}

ZoomSet zoomed(const View& view, const HeadSize& size, double factor, Point focus) {
  Extent extent = extent_of(view, size);
  const double query = extent.first_query + focus.y * extent.queries, key = extent.first_key + focus.x * extent.keys;
  View closer = view;
  closer.zoom = std::clamp(extent.zoom * factor, 1.0, largest_zoom(size));
  extent = extent_of(closer, size);
  extent.first_query = query - focus.y * extent.queries;
  extent.first_key = key - focus.x * extent.keys;
  return zoom_set(view, extent, size);
}

ZoomSet panned(const View& view, const HeadSize& size, Point tokens) {
  Extent extent = extent_of(view, size);
  extent.first_query += tokens.y;
  extent.first_key += tokens.x;
  return zoom_set(view, extent, size);
}

ZoomSet centred_on(const View& view, const HeadSize& size, std::int64_t query, std::int64_t key) {
  Extent extent = extent_of(view, size);
  extent.first_query = static_cast<double>(query) + 0.5 - extent.queries / 2;
  extent.first_key = static_cast<double>(key) + 0.5 - extent.keys / 2;
  return zoom_set(view, extent, size);
}

std::optional<ZoomSet> bringing_into_view(const View& view, const HeadSize& size, std::optional<std::int64_t> query,
                                          std::optional<std::int64_t> key) {
  TokenWindow window = window_of(view, size);
  const TokenWindow before = window;
  struct Side {
    std::int64_t &begin, &end;
    std::int64_t all;
  };
  const auto move = [](const Side& side, const std::optional<std::int64_t>& token) {
    if (!token || *token < 0 || *token >= side.all) return;
    const std::int64_t shift = *token < side.begin ? *token - side.begin : *token >= side.end ? *token + 1 - side.end : 0;
    side.begin += shift;
    side.end += shift;
  };
  move({window.row_begin, window.row_end, size.queries}, query);
  move({window.col_begin, window.col_end, size.keys}, key);
  if (window == before) return std::nullopt;
  ZoomSet next = showing(window, size);
  next.stretch = view.stretch;
  return next;
}

}  // namespace headroom
