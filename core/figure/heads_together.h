#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/figure/heads_order.h"
#include "core/figure/token_part.h"

namespace headroom {

/// Heads that one picture of the overview stands for.
struct JoinedHeads {
  std::string name;    ///< "L3", "H5", "all heads"
  std::string search;  ///< what finds each of them: "L3", "H5", ""
  std::vector<HeadRef> heads;
};

/// The shown heads put together as the view says; those of Named and search alone. In the model's order.
std::vector<JoinedHeads> join_heads(const View& view, const HeadsOrder& order);

/// Cell by cell the mean or the largest probability of the heads, over those that see the pair; NaN where none does. Of a text of more than
/// kThumbnailCells tokens the cells are the thumbnails', each the largest of the pairs that it covers.
/// Edge  Pruned heads count for nothing; when all are, the answer has no values.
std::shared_ptr<const Tile> joined_tile(const Snapshot& snapshot, std::span<const HeadRef> heads, Pooling by,
                                        const TokenPart& part);

}  // namespace headroom
