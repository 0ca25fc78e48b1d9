#pragma once

#include "core/analysis/pooling.h"
#include "core/analysis/tile.h"

namespace headroom {

/// The rows that a tile looks at and the cells they go into. Errors  ShapeError when the request does not fit a matrix of this size.
CellRequest cells_of(const TileRequest& request, const MatrixSize& size);

}  // namespace headroom
