#pragma once

#include <cstdint>
#include <optional>

#include "core/figure/figure.h"

namespace headroom {

/// The part of a head's matrix that a picture shows, in tokens.
struct TokenWindow {
  std::int64_t row_begin = 0, row_end = 0, col_begin = 0, col_end = 0;

  std::int64_t rows() const { return row_end - row_begin; }
  std::int64_t cols() const { return col_end - col_begin; }
  bool contains(std::int64_t query, std::int64_t key) const {
    return query >= row_begin && query < row_end && key >= col_begin && key < col_end;
  }
  bool operator==(const TokenWindow&) const = default;
};

/// A picture shows at least so many tokens a side, or the whole of a shorter text.
inline constexpr std::int64_t kFewestShown = 8;

/// The largest zoom of a head of n tokens: kFewestShown queries fill the picture.
double largest_zoom(std::int64_t n);

/// What a view shows of a head of n ≥ 1 tokens. With s = ceil(n / zoom) queries and t = round(s * stretch) keys, both brought into
/// [kFewestShown, n], the first query shown is round(pan_y * (n - s)), the first key round(pan_x * (n - t)).
TokenWindow window_of(const View& view, std::int64_t n);

/// The zoom and pan that show exactly `window`, whose sides are at least kFewestShown or n: window_of gives it back.
ZoomSet showing(const TokenWindow& window, std::int64_t n);

/// Zoomed by `factor` so that what lies at `focus` stays there. `focus` is a share of the picture, (0, 0) the top left corner.
ZoomSet zoomed(const View& view, std::int64_t n, double factor, Point focus);
/// Moved by so many keys to the right and queries downwards; fractions add up over many small moves.
ZoomSet panned(const View& view, std::int64_t n, Point tokens);
/// With the window's middle at this query and key, as near as the edges allow.
ZoomSet centred_on(const View& view, std::int64_t n, std::int64_t query, std::int64_t key);
/// The least move after which the given query and key are seen; nothing when they are already, or are not of the text.
std::optional<ZoomSet> bringing_into_view(const View& view, std::int64_t n, std::optional<std::int64_t> query,
                                          std::optional<std::int64_t> key);

}  // namespace headroom
