#include "core/figure/head_minimap.h"

#include <algorithm>

#include "core/figure/number_text.h"
#include "core/figure/tile_items.h"

namespace headroom {

void draw_minimap(Canvas& canvas, const Minimap& map) {
  const Theme& theme = canvas.theme();
  const HeadSize size(*canvas.input().snapshot);
  const TileRequest& shown = map.like.request;
  AttentionTile tile = make_overview_tile(canvas.input(), {shown.layer, shown.head}, map.rect);
  tile.value_min = map.like.value_min;
  tile.value_max = map.like.value_max;
  canvas.add(tile);
  canvas.outline({map.rect.x - 1, map.rect.y - 1, map.rect.w + 2, map.rect.h + 2}, theme.border);
  // Of a long text's last tokens hardly a point would be left: the frame is never too small to be found.
  constexpr double kSmallestFrame = 6;
  struct Side {
    std::int64_t begin, end, all;
    double start, length;
  };
  const auto frame_side = [&](const Side& side) {
    const double pixel = side.length / static_cast<double>(side.all);
    const double length = std::min(side.length, std::max(static_cast<double>(side.end - side.begin) * pixel, kSmallestFrame));
    const double middle = side.start + static_cast<double>(side.begin + side.end) / 2 * pixel;
    return std::pair{std::clamp(middle - length / 2, side.start, side.start + side.length - length), length};
  };
  const auto [x, w] = frame_side({map.window.col_begin, map.window.col_end, size.keys, map.rect.x, map.rect.w});
  const auto [y, h] = frame_side({map.window.row_begin, map.window.row_end, size.queries, map.rect.y, map.rect.h});
  canvas.fill({x, y, w, h}, with_alpha(theme.accent, 0.2));
  canvas.outline({x - 1, y - 1, w + 2, h + 2}, with_alpha(theme.window, 0.8));
  canvas.outline({x, y, w, h}, theme.accent, 1.5);
  std::string tooltip = "The whole head: " + count_text(size.queries) + " queries × " + count_text(size.keys) +
                        " keys\nthe frame is what the large picture shows: queries " + count_text(map.window.row_begin) + " to " +
                        count_text(map.window.row_end - 1) + ", keys " + count_text(map.window.col_begin) + " to " +
                        count_text(map.window.col_end - 1);
  if (tile.request.row_samples > 0) tooltip += "\nfrom sampled rows";
  canvas.overview(
      {.rect = map.rect, .n_queries = size.queries, .n_keys = size.keys, .tooltip = tooltip + "\nclick or drag moves it"});
}

}  // namespace headroom
