#pragma once

#include "core/figure/train_tiles.h"

namespace headroom {

/// One row of a head as arrows from its word to the words that it looks at: above the sentence at the shown time, below it at the compared one. Of
/// cross-attention: from the translation's words up to the source's.
struct TrainArrows {
  const TrainTiles& tiles;
  HeadRef head;
  std::int64_t row = 0;
};
double train_arrows_height(const TrainTiles& tiles);
/// A sentence that is too wide shows a part of itself around the row.
void draw_train_arrows(Canvas& canvas, const Rect& area, const TrainArrows& arrows);

}  // namespace headroom
