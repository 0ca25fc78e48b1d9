#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "core/analysis/pooling.h"
#include "core/analysis/stored_head.h"
#include "core/analysis/tile_cells.h"

namespace headroom {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr RowExtent kNothing{kNaN, kNaN, kNaN, kNaN};
/// Columns of cells that are held at a time.
constexpr std::int64_t kColumnsAtOnce = 4096;

/// Takes a value in; NaN is nothing.
void widen(float value, float& smallest, float& largest) {
  if (std::isnan(value)) return;
  smallest = std::isnan(smallest) ? value : std::min(smallest, value);
  largest = std::isnan(largest) ? value : std::max(largest, value);
}

std::vector<RowExtent> extents_of_pairs(const RowSums& sums, std::int64_t index, const CellRequest& cells) {
  std::vector<RowExtent> extents(static_cast<std::size_t>(cells.n_cell_rows), kNothing);
  for (std::size_t i = 0; i < cells.rows.size(); ++i) {
    const RowSummary row = sums.row(index, cells.rows[i]);
    RowExtent& extent = extents[static_cast<std::size_t>(cells.cell_rows[i])];
    const auto value = [&](float score) {
      if (cells.job.value == score_detail::CellValue::kScore) return score;
      return std::min(1.0F, static_cast<float>(std::exp(static_cast<double>(score) - static_cast<double>(row.logsumexp))));
    };
    for (const float score : {row.smallest, row.largest}) {
      if (row.smallest <= row.largest) widen(value(score), extent.smallest, extent.largest);
    }
    for (const float score : {row.smallest_later, row.largest_later}) {
      if (row.smallest_later <= row.largest_later) widen(value(score), extent.smallest_later, extent.largest_later);
    }
  }
  return extents;
}

std::vector<RowExtent> extents_of_pairs(const StoredHead& head, const CellRequest& cells, const std::stop_token& stop) {
  std::vector<RowExtent> extents(static_cast<std::size_t>(cells.n_cell_rows), kNothing);
  std::size_t i = 0;
  head.for_each_row(cells.rows, stop, [&](const StoredRow& row) {
    RowExtent& extent = extents[static_cast<std::size_t>(cells.cell_rows[i++])];
    for (std::size_t j = 0; j < row.values.size(); ++j) {
      if (row.is_masked[j] != 0) continue;
      widen(row.values[j], extent.smallest, extent.largest);
      if (j > 0) widen(row.values[j], extent.smallest_later, extent.largest_later);
    }
  });
  return extents;
}

using PoolCells = std::function<std::vector<float>(const CellRequest&)>;

/// Cells of `width` keys over all `n_keys`; that of key 0 a second time without it.
std::vector<RowExtent> extents_of_cells(CellRequest cells, std::int64_t n_keys, std::int64_t width, const PoolCells& pool) {
  std::vector<RowExtent> extents(static_cast<std::size_t>(cells.n_cell_rows), kNothing);
  enum class With { kAll, kAllButFirst, kLaterOnly };
  const auto take = [&](KeyRange keys, std::int64_t n, With with) {
    cells.job.columns = {keys, n};
    const std::vector<float> values = pool(cells);
    for (std::size_t i = 0; i < values.size(); ++i) {
      RowExtent& extent = extents[i / static_cast<std::size_t>(n)];
      if (with != With::kLaterOnly) widen(values[i], extent.smallest, extent.largest);
      const bool has_key_0 = with == With::kAllButFirst && i % static_cast<std::size_t>(n) == 0;
      if (!has_key_0) widen(values[i], extent.smallest_later, extent.largest_later);
    }
  };
  const std::int64_t n_columns = (n_keys + width - 1) / width;  // the last may reach beyond the last key
  for (std::int64_t first = 0; first < n_columns; first += kColumnsAtOnce) {
    const std::int64_t end = std::min(n_columns, first + kColumnsAtOnce);
    take({first * width, end * width}, end - first, first == 0 ? With::kAllButFirst : With::kAll);
  }
  if (width > 1) take({1, width}, 1, With::kLaterOnly);
  return extents;
}

}  // namespace

std::vector<RowExtent> row_extents(const ForwardTrace& trace, const TileRequest& request, std::stop_token stop, ThreadPool* pool) {
  const LayerTrace& layer = layer_of(trace, request.layer);
  const MatrixSize size = matrix_size(trace, layer);
  const CellRequest cells = cells_of(request, size);
  const std::int64_t index = layer.index_of(request.head);
  if (index < 0) return {};
  const std::int64_t width = (request.col_end - request.col_begin) / request.cols;
  const bool is_exact = width == 1 && request.rows == request.row_end - request.row_begin;
  const bool is_of_pairs = request.pooling == Pooling::kMax || is_exact;
  const Effort effort{stop, pool};
  if (layer.stored != nullptr) {
    const StoredHead head(layer, index, request.quantity);
    if (is_of_pairs) return extents_of_pairs(head, cells, stop);
    return extents_of_cells(cells, size.seq_k, width,
                            [&](const CellRequest& part) { return pool_stored(head, part, effort).values; });
  }
  const HeadView head = view_head(layer, index);
  if (!is_of_pairs)
    return extents_of_cells(cells, size.seq_k, width, [&](const CellRequest& part) { return pool_cells(head, part, effort); });
  const std::shared_ptr<const RowSums> sums = layer.row_sums != nullptr ? layer.row_sums : make_row_sums(layer);
  sums->compute(index, cells.rows, stop, pool);
  return extents_of_pairs(*sums, index, cells);
}

}  // namespace headroom
