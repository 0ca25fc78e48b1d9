#include "core/figure/head_window.h"

#include <algorithm>
#include <cmath>

namespace headroom {
namespace {

std::int64_t fewest(std::int64_t n) { return std::min(n, kFewestShown); }

/// Tokens shown along each axis before they are rounded, and where they begin.
struct Extent {
  double queries = 1, keys = 1, first_query = 0, first_key = 0;
};

Extent extent_of(const View& view, std::int64_t n) {
  const double all = static_cast<double>(n), least = static_cast<double>(fewest(n));
  Extent extent;
  extent.queries = std::clamp(all / std::max(view.zoom, 1.0), least, all);
  extent.keys = std::clamp(extent.queries * view.stretch, least, all);
  extent.first_query = std::clamp(view.pan_y, 0.0, 1.0) * (all - extent.queries);
  extent.first_key = std::clamp(view.pan_x, 0.0, 1.0) * (all - extent.keys);
  return extent;
}

double pan_to(double first, double shown, double all) { return all > shown ? std::clamp(first / (all - shown), 0.0, 1.0) : 0.0; }

ZoomSet zoom_set(const View& view, const Extent& extent, std::int64_t n) {
  const double all = static_cast<double>(n);
  return {.zoom = all / extent.queries,
          .pan_x = pan_to(extent.first_key, extent.keys, all),
          .pan_y = pan_to(extent.first_query, extent.queries, all),
          .stretch = view.stretch};
}

}  // namespace

double largest_zoom(std::int64_t n) { return static_cast<double>(n) / static_cast<double>(fewest(n)); }

TokenWindow window_of(const View& view, std::int64_t n) {
  const double all = static_cast<double>(n);
  // Zooms are quotients: a hair above a whole number is that number.
  constexpr double kHair = 1e-6;
  const auto rows = std::clamp(static_cast<std::int64_t>(std::ceil(all / std::clamp(view.zoom, 1.0, all) - kHair)), fewest(n), n);
  const auto cols = static_cast<std::int64_t>(
      std::clamp(std::round(static_cast<double>(rows) * view.stretch), static_cast<double>(fewest(n)), all));
  const auto first = [&](double pan, std::int64_t shown) {
    return std::clamp<std::int64_t>(std::llround(std::clamp(pan, 0.0, 1.0) * static_cast<double>(n - shown)), 0, n - shown);
  };
  TokenWindow window;
  window.row_begin = first(view.pan_y, rows);
  window.row_end = window.row_begin + rows;
  window.col_begin = first(view.pan_x, cols);
  window.col_end = window.col_begin + cols;
  return window;
}

ZoomSet showing(const TokenWindow& window, std::int64_t n) {
  const double all = static_cast<double>(n), rows = static_cast<double>(window.rows()), cols = static_cast<double>(window.cols());
  return {.zoom = all / rows,
          .pan_x = pan_to(static_cast<double>(window.col_begin), cols, all),
          .pan_y = pan_to(static_cast<double>(window.row_begin), rows, all),
          .stretch = cols / rows};
}

ZoomSet zoomed(const View& view, std::int64_t n, double factor, Point focus) {
  Extent extent = extent_of(view, n);
  const double query = extent.first_query + focus.y * extent.queries, key = extent.first_key + focus.x * extent.keys;
  View closer = view;
  closer.zoom = std::clamp(static_cast<double>(n) / extent.queries * factor, 1.0, largest_zoom(n));
  extent = extent_of(closer, n);
  extent.first_query = query - focus.y * extent.queries;
  extent.first_key = key - focus.x * extent.keys;
  return zoom_set(view, extent, n);
}

ZoomSet panned(const View& view, std::int64_t n, Point tokens) {
  Extent extent = extent_of(view, n);
  extent.first_query += tokens.y;
  extent.first_key += tokens.x;
  return zoom_set(view, extent, n);
}

ZoomSet centred_on(const View& view, std::int64_t n, std::int64_t query, std::int64_t key) {
  Extent extent = extent_of(view, n);
  extent.first_query = static_cast<double>(query) + 0.5 - extent.queries / 2;
  extent.first_key = static_cast<double>(key) + 0.5 - extent.keys / 2;
  return zoom_set(view, extent, n);
}

std::optional<ZoomSet> bringing_into_view(const View& view, std::int64_t n, std::optional<std::int64_t> query,
                                          std::optional<std::int64_t> key) {
  TokenWindow window = window_of(view, n);
  const TokenWindow before = window;
  const auto move = [n](std::int64_t& begin, std::int64_t& end, const std::optional<std::int64_t>& token) {
    if (!token || *token < 0 || *token >= n) return;
    const std::int64_t shift = *token < begin ? *token - begin : *token >= end ? *token + 1 - end : 0;
    begin += shift;
    end += shift;
  };
  move(window.row_begin, window.row_end, query);
  move(window.col_begin, window.col_end, key);
  if (window == before) return std::nullopt;
  ZoomSet next = showing(window, n);
  next.stretch = view.stretch;
  return next;
}

}  // namespace headroom
