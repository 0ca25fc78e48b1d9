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

/// How large a head's matrix is: as many keys as queries where a text looks at itself.
struct HeadSize {
  std::int64_t queries = 0, keys = 0;

  // NOLINTNEXTLINE(google-explicit-constructor): the tokens of one text
  HeadSize(std::int64_t n) : queries(n), keys(n) {}
  HeadSize(std::int64_t n_queries, std::int64_t n_keys) : queries(n_queries), keys(n_keys) {}
  explicit HeadSize(const Snapshot& snapshot) : HeadSize(std::ssize(snapshot.tokens), std::ssize(snapshot.keys())) {}
  bool is_square() const { return queries == keys; }
  bool operator==(const HeadSize&) const = default;
};

/// A picture shows at least so many tokens a side, or the whole of a shorter text.
inline constexpr std::int64_t kFewestShown = 8;

/// The largest zoom of a head: kFewestShown queries, or keys where these are more, fill the picture.
double largest_zoom(const HeadSize& size);

/// What a view shows of a head of n queries and m keys, both at least 1. With s = ceil(n / zoom) queries and t = round(s * stretch) keys,
/// both brought into [kFewestShown, n], the first query shown is round(pan_y * (n - s)), the first key round(pan_x * (n - t)). Where m is
/// another number than n, t = round(m / zoom * stretch), so that zoom 1 shows all.
TokenWindow window_of(const View& view, const HeadSize& size);

/// The zoom and pan that show exactly `window`, whose sides are at least kFewestShown or n: window_of gives it back.
ZoomSet showing(const TokenWindow& window, const HeadSize& size);

/// Zoomed by `factor` so that what lies at `focus` stays there. `focus` is a share of the picture, (0, 0) the top left corner.
ZoomSet zoomed(const View& view, const HeadSize& size, double factor, Point focus);
/// Moved by so many keys to the right and queries downwards; fractions add up over many small moves.
ZoomSet panned(const View& view, const HeadSize& size, Point tokens);
/// With the window's middle at this query and key, as near as the edges allow.
ZoomSet centred_on(const View& view, const HeadSize& size, std::int64_t query, std::int64_t key);
/// The least move after which the given query and key are seen; nothing when they are already, or are not of the text.
std::optional<ZoomSet> bringing_into_view(const View& view, const HeadSize& size, std::optional<std::int64_t> query,
                                          std::optional<std::int64_t> key);

}  // namespace headroom
