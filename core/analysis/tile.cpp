#include "core/analysis/tile.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/analysis/tile_cells.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using score_detail::CellPooling;
using score_detail::CellValue;

void check_request(const TileRequest& request, std::int64_t seq) {
  if (request.row_samples < 0) throw ShapeError("a tile cannot look at " + std::to_string(request.row_samples) + " rows of a cell");
  const auto is_range = [&](std::int64_t begin, std::int64_t end, std::int64_t cells) {
    return begin >= 0 && begin < end && end <= seq && cells >= 1 && cells <= end - begin;
  };
  if (is_range(request.row_begin, request.row_end, request.rows) && is_range(request.col_begin, request.col_end, request.cols))
    return;
  throw ShapeError("a tile of " + std::to_string(request.rows) + " x " + std::to_string(request.cols) + " cells over queries [" +
                   std::to_string(request.row_begin) + ", " + std::to_string(request.row_end) + ") and keys [" +
                   std::to_string(request.col_begin) + ", " + std::to_string(request.col_end) + ") does not fit " +
                   std::to_string(seq) + " tokens");
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

CellRequest cells_of(const TileRequest& request, std::int64_t seq) {
  check_request(request, seq);
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
  const CellRequest cells = cells_of(request, std::ssize(trace.ids));
  Tile tile{.request = request, .values = {}, .is_pruned = false};
  const std::int64_t index = layer.index_of(request.head);
  if (index < 0) {
    tile.is_pruned = true;
  } else {
    tile.values = pool_cells(view_head(layer, index), cells, {stop, pool});
  }
  return tile;
}

Cell evaluate_cell(const ForwardTrace& trace, std::int64_t layer_index, std::int64_t head_index, std::int64_t query,
                   std::int64_t key) {
  const LayerTrace& layer = layer_of(trace, layer_index);
  const std::int64_t seq = std::ssize(trace.ids);
  if (query < 0 || query >= seq || key < 0 || key >= seq) {
    throw ShapeError("query " + std::to_string(query) + " and key " + std::to_string(key) + " are not both among " +
                     std::to_string(seq) + " tokens");
  }
  Cell cell;
  cell.is_visible = false;
  const std::int64_t index = layer.index_of(head_index);
  if (index < 0) return cell;
  const HeadView head = view_head(layer, index);
  const score_detail::ScoreSource& source = head.source;
  const float* q = source.q + query * source.q_stride;
  const float* k = source.k + key * source.k_stride;
  cell.q.assign(q, q + source.d_head);
  cell.k.assign(k, k + source.d_head);
  double sum = 0;
  for (std::int64_t c = 0; c < source.d_head; ++c) {
    cell.products.push_back(q[c] * k[c]);
    sum += static_cast<double>(q[c]) * k[c];
  }
  cell.score = sum * source.scale;
  cell.is_visible = is_visible(layer.mask, 0, query, key);
  if (cell.is_visible) cell.probability = std::exp(cell.score - static_cast<double>(head.logsumexp_of(query)));
  return cell;
}

std::vector<float> evaluate_row(const ForwardTrace& trace, std::int64_t layer, std::int64_t head, std::int64_t query) {
  const std::int64_t seq = std::ssize(trace.ids);
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
