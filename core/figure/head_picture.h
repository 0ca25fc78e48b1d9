#pragma once

#include "core/figure/canvas.h"

namespace headroom {

/// The chosen head as heatmap or arcs, within `area`; the parts of head_figure.
struct HeadPicture {
  HeadRef head;
  std::optional<std::int64_t> query, key;  ///< chosen, and inside the sentence
  Rect area;
};
void draw_heatmap(Canvas& canvas, const HeadPicture& view);
void draw_arcs(Canvas& canvas, const HeadPicture& view);

}  // namespace headroom
