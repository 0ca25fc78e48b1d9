#include "core/analysis/tile.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/analysis/stored_head.h"
#include "core/analysis/tile_cells.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using score_detail::CellPooling;
using score_detail::CellValue;

std::string size_text(const MatrixSize& size) {
  if (size.seq_q == size.seq_k) return std::to_string(size.seq_q) + " tokens";
  return std::to_string(size.seq_q) + " queries and " + std::to_string(size.seq_k) + " keys";
}

void check_request(const TileRequest& request, const MatrixSize& size) {
  if (request.row_samples < 0) throw ShapeError("a tile cannot look at " + std::to_string(request.row_samples) + " rows of a cell");
  const auto is_range = [](KeyRange range, std::int64_t n, std::int64_t cells) {
    return range.begin >= 0 && range.begin < range.end && range.end <= n && cells >= 1 && cells <= range.end - range.begin;
  };
  if (is_range({request.row_begin, request.row_end}, size.seq_q, request.rows) &&
      is_range({request.col_begin, request.col_end}, size.seq_k, request.cols))
    return;
  throw ShapeError("a tile of " + std::to_string(request.rows) + " x " + std::to_string(request.cols) + " cells over queries [" +
                   std::to_string(request.row_begin) + ", " + std::to_string(request.row_end) + ") and keys [" +
                   std::to_string(request.col_begin) + ", " + std::to_string(request.col_end) + ") does not fit " +
                   size_text(size));
}

Cell evaluate_stored_cell(const LayerTrace& layer, std::int64_t index, std::int64_t query, std::int64_t key) {
  Cell cell;
  const auto k = static_cast<std::size_t>(key);
  cell.score = std::numeric_limits<double>::quiet_NaN();
  const auto look = [&](Quantity quantity, double& value) {
    StoredHead(layer, index, quantity).for_each_row(std::span(&query, 1), {}, [&](const StoredRow& row) {
      cell.is_visible = row.is_masked[k] == 0;
      if (cell.is_visible) value = static_cast<double>(row.values[k]);
    });
  };
  if (has_scores(layer)) look(Quantity::kScores, cell.score);
  look(Quantity::kProbs, cell.probability);
  return cell;
}

}  // namespace

std::vector<std::int64_t> sampled_offsets(const TileRequest& request) {
  const std::int64_t n_rows = request.row_end - request.row_begin;
  const bool is_sampled = request.row_samples > 0 && request.row_samples <= n_rows / request.rows;
  const std::int64_t n = is_sampled ? request.rows * request.row_samples : n_rows;
  std::vector<std::int64_t> offsets;
  for (std::int64_t t = 0; t < n; ++t)
    offsets.push_back((t + 1) * n_rows / n - 1);
  return offsets;
}

bool has_scores(const LayerTrace& layer) { return layer.stored == nullptr || layer.stored->holds_scores(); }

CellRequest cells_of(const TileRequest& request, const MatrixSize& size) {
  check_request(request, size);
  CellRequest cells;
  const std::int64_t n_rows = request.row_end - request.row_begin;
  for (const std::int64_t offset : sampled_offsets(request)) {
    cells.rows.push_back(request.row_begin + offset);
    cells.cell_rows.push_back(static_cast<std::int32_t>(((offset + 1) * request.rows - 1) / n_rows));
  }
  cells.n_cell_rows = request.rows;
  cells.job.columns = {{request.col_begin, request.col_end}, request.cols};
  cells.job.value = request.quantity == Quantity::kScores ? CellValue::kScore : CellValue::kProb;
  cells.job.pooling = request.pooling == Pooling::kMax ? CellPooling::kMax : CellPooling::kMean;
  return cells;
}

Tile evaluate_tile(const ForwardTrace& trace, const TileRequest& request, std::stop_token stop, ThreadPool* pool) {
  const LayerTrace& layer = layer_of(trace, request.layer);
  const CellRequest cells = cells_of(request, matrix_size(trace, layer));
  Tile tile{.request = request, .values = {}, .is_pruned = false};
  const std::int64_t index = layer.index_of(request.head);
  if (index < 0) {
    tile.is_pruned = true;
  } else if (layer.stored != nullptr) {
    StoredCells stored = pool_stored(StoredHead(layer, index, request.quantity), cells, {stop, pool});
    tile.values = std::move(stored.values);
    tile.not_numbers = std::move(stored.not_numbers);
  } else {
    tile.values = pool_cells(view_head(layer, index), cells, {stop, pool});
  }
  return tile;
}

Cell evaluate_cell(const ForwardTrace& trace, std::int64_t layer_index, std::int64_t head_index, std::int64_t query,
                   std::int64_t key) {
  const LayerTrace& layer = layer_of(trace, layer_index);
  const MatrixSize size = matrix_size(trace, layer);
  if (query < 0 || query >= size.seq_q || key < 0 || key >= size.seq_k) {
    throw ShapeError("query " + std::to_string(query) + " and key " + std::to_string(key) + " are not both among " +
                     size_text(size));
  }
  Cell cell;
  cell.is_visible = false;
  const std::int64_t index = layer.index_of(head_index);
  if (index < 0) return cell;
  if (layer.stored != nullptr) return evaluate_stored_cell(layer, index, query, key);
  const HeadView head = view_head(layer, index);
  const score_detail::ScoreSource& source = head.source;
  const float* q = source.q + query * source.q_stride;
  const float* k = source.k + key * source.k_stride;
  cell.q.assign(q, q + source.d_head);
  cell.k.assign(k, k + source.d_head);
  for (std::int64_t c = 0; c < source.d_head; ++c)
    cell.products.push_back(q[c] * k[c]);
  cell.score = score_detail::score_of(source, query, key);
  cell.is_visible = is_visible(layer.mask, 0, query, key);
  if (cell.is_visible) cell.probability = std::exp(cell.score - static_cast<double>(head.logsumexp_of(query)));
  return cell;
}

std::vector<float> evaluate_row(const ForwardTrace& trace, std::int64_t layer, std::int64_t head, std::int64_t query) {
  const std::int64_t seq = matrix_size(trace, layer_of(trace, layer)).seq_k;
  Tile row = evaluate_tile(trace, {.layer = layer,
                                   .head = head,
                                   .row_begin = query,
                                   .row_end = query + 1,
                                   .col_begin = 0,
                                   .col_end = seq,
                                   .rows = 1,
                                   .cols = seq,
                                   .quantity = Quantity::kProbs,
                                   .pooling = Pooling::kMax});
  if (row.is_pruned) row.values.assign(static_cast<std::size_t>(seq), std::numeric_limits<float>::quiet_NaN());
  return std::move(row.values);
}

}  // namespace headroom
