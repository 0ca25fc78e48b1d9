#pragma once

#include "core/analysis/pooling.h"
#include "core/analysis/tile.h"

namespace headroom {

/// The rows that a tile looks at and the cells they go into. Errors  ShapeError when the request does not fit `seq` tokens.
CellRequest cells_of(const TileRequest& request, std::int64_t seq);

}  // namespace headroom
