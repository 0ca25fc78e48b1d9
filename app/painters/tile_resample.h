#pragma once

#include "core/analysis/tile.h"

namespace headroom {

/// `wanted`'s cells as `source` shows them (the cell that holds each cell's middle), NaN where source does not reach.
Tile resample_tile(const Tile& source, const TileRequest& wanted);
/// Writes into `target` those of its cells whose middle `source` shows; the others stay. Both of the same head, quantity and pooling.
void resample_over(const Tile& source, Tile& target);
/// The exact answer read from `source`, if it can be: the same request, or a part of one that pools nothing.
bool can_read_exactly(const Tile& source, const TileRequest& wanted);

/// Tokens along each side of a request.
inline std::int64_t row_span(const TileRequest& r) { return r.row_end - r.row_begin; }
inline std::int64_t col_span(const TileRequest& r) { return r.col_end - r.col_begin; }

}  // namespace headroom
