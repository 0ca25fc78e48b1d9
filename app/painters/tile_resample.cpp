#include "app/painters/tile_resample.h"

#include <algorithm>
#include <limits>

namespace headroom {
namespace {

/// One side of a picture: `cells` cells over tokens [begin, end).
struct Side {
  std::int64_t begin, end, cells;
};

/// For each cell of `wanted` the cell of `source` that holds its middle, or -1.
std::vector<std::int64_t> sources_of(const Side& wanted, const Side& source) {
  std::vector<std::int64_t> cells(static_cast<std::size_t>(wanted.cells), -1);
  const double step = static_cast<double>(wanted.end - wanted.begin) / static_cast<double>(wanted.cells);
  for (std::int64_t i = 0; i < wanted.cells; ++i) {
    const double at = static_cast<double>(wanted.begin) + (static_cast<double>(i) + 0.5) * step;
    if (at < static_cast<double>(source.begin) || at >= static_cast<double>(source.end)) continue;
    const double share = (at - static_cast<double>(source.begin)) / static_cast<double>(source.end - source.begin);
    cells[static_cast<std::size_t>(i)] =
        std::min(source.cells - 1, static_cast<std::int64_t>(share * static_cast<double>(source.cells)));
  }
  return cells;
}

Side rows_of(const TileRequest& r) { return {r.row_begin, r.row_end, r.rows}; }
Side cols_of(const TileRequest& r) { return {r.col_begin, r.col_end, r.cols}; }

}  // namespace

void resample_over(const Tile& source, Tile& target) {
  if (source.values.empty() || target.values.empty()) return;
  const std::vector<std::int64_t> rows = sources_of(rows_of(target.request), rows_of(source.request));
  const std::vector<std::int64_t> cols = sources_of(cols_of(target.request), cols_of(source.request));
  float* cell = target.values.data();
  for (const std::int64_t row : rows) {
    for (const std::int64_t col : cols) {
      if (row >= 0 && col >= 0) *cell = source.values[static_cast<std::size_t>(row * source.request.cols + col)];
      ++cell;
    }
  }
}

Tile resample_tile(const Tile& source, const TileRequest& wanted) {
  Tile answer;
  answer.request = wanted;
  answer.is_pruned = source.is_pruned;
  if (source.is_pruned || source.values.empty()) return answer;
  answer.values.assign(static_cast<std::size_t>(wanted.rows * wanted.cols), std::numeric_limits<float>::quiet_NaN());
  resample_over(source, answer);
  return answer;
}

bool can_read_exactly(const Tile& source, const TileRequest& wanted) {
  const TileRequest& from = source.request;
  if (from == wanted) return true;
  const bool pools_nothing = from.rows == row_span(from) && from.cols == col_span(from) && wanted.rows == row_span(wanted) &&
                             wanted.cols == col_span(wanted);
  return pools_nothing && from.quantity == wanted.quantity && from.layer == wanted.layer && from.head == wanted.head &&
         from.row_begin <= wanted.row_begin && wanted.row_end <= from.row_end && from.col_begin <= wanted.col_begin &&
         wanted.col_end <= from.col_end;
}

}  // namespace headroom
