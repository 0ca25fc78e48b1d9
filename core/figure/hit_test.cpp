#include <algorithm>
#include <cmath>

#include "core/figure/figure.h"
#include "core/figure/number_text.h"
#include "core/figure/tile_items.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

std::int64_t index_in(double offset, double length, std::int64_t begin, std::int64_t end) {
  const auto n = static_cast<double>(end - begin);
  return std::clamp(begin + static_cast<std::int64_t>(std::floor(offset / length * n)), begin, end - 1);
}

std::string token_at(const std::vector<Token>& tokens, std::int64_t index) {
  const auto at = static_cast<std::size_t>(index);
  return at < tokens.size() ? display_token(tokens[at]) : std::string("?");
}

}  // namespace

Hover hit_test(const Figure& figure, Point at) {
  Hover hover;
  if (at.x < 0 || at.y < 0 || at.x >= figure.size.w || at.y >= figure.size.h) return hover;
  for (const HitRegion& region : figure.hits) {
    if (region.shape.contains(at)) hover.region = &region;
  }
  for (const CellGrid& grid : figure.cell_grids) {
    if (grid.rect.contains(at)) hover.grid = &grid;
  }
  for (const Overview& overview : figure.overviews) {
    if (overview.rect.contains(at)) hover.overview = &overview;
  }
  if (hover.overview != nullptr) {
    const Overview& overview = *hover.overview;
    hover.region = nullptr;
    hover.grid = nullptr;
    hover.key = index_in(at.x - overview.rect.x, overview.rect.w, 0, overview.n_keys);
    hover.query = index_in(at.y - overview.rect.y, overview.rect.h, 0, overview.n_queries);
  } else if (hover.grid != nullptr) {
    const CellGrid& grid = *hover.grid;
    hover.query = index_in(at.y - grid.rect.y, grid.rect.h, grid.request.row_begin, grid.request.row_end);
    if (grid.column_keys != nullptr && !grid.column_keys->empty()) {
      const std::int64_t column = index_in(at.x - grid.rect.x, grid.rect.w, 0, std::ssize(*grid.column_keys));
      hover.key = (*grid.column_keys)[static_cast<std::size_t>(column)];
    } else {
      hover.key = index_in(at.x - grid.rect.x, grid.rect.w, grid.request.col_begin, grid.request.col_end);
    }
  }
  return hover;
}

std::string cell_tooltip(const Snapshot& snapshot, const TileRequest& grid, std::int64_t query, std::int64_t key) {
  const std::string head = "L" + std::to_string(grid.layer) + " H" + std::to_string(grid.head);
  const std::string pair = "query " + std::to_string(query) + " " + token_at(snapshot.tokens, query) + "  →  key " +
                           std::to_string(key) + " " + token_at(snapshot.keys(), key);
  std::string text = head + "\n" + pair;
  if (snapshot.trace == nullptr || grid.layer < 0 || static_cast<std::size_t>(grid.layer) >= snapshot.trace->layers.size())
    return text;
  if (snapshot.trace->layers[static_cast<std::size_t>(grid.layer)].index_of(grid.head) < 0) {
    return text + "\n" + why_absent(snapshot);
  }
  try {
    const Cell cell = evaluate_cell(*snapshot.trace, grid.layer, grid.head, query, key);
    if (!cell.is_visible) return text + "\nmasked: this query may not see this key";
    return text + "\nscore " + fixed(cell.score, 3) + " nats\nprobability " + probability_text(cell.probability);
  } catch (const Error&) {
    return text;  // The pointer moved over a picture of an older, longer sentence.
  }
}

std::string covered_tooltip(const Snapshot& snapshot, const CellGrid& grid, std::int64_t query, std::int64_t key) {
  if (grid.cell_queries * grid.cell_keys <= 1 || snapshot.trace == nullptr) return "";
  TileRequest cell = grid.request;
  cell.row_begin = query / grid.cell_queries * grid.cell_queries;
  cell.col_begin = key / grid.cell_keys * grid.cell_keys;
  cell.row_end = std::min(std::ssize(snapshot.tokens), cell.row_begin + grid.cell_queries);
  cell.col_end = std::min(std::ssize(snapshot.keys()), cell.col_begin + grid.cell_keys);
  cell.rows = cell.row_end - cell.row_begin;
  cell.cols = cell.col_end - cell.col_begin;
  if (cell.rows <= 0 || cell.cols <= 0 || cell.layer >= std::ssize(snapshot.trace->layers)) return "";
  const LayerTrace& layer = snapshot.trace->layers[static_cast<std::size_t>(cell.layer)];
  const std::int64_t index = layer.index_of(cell.head);
  if (index < 0) return "";
  // Of rows that no picture needed yet, learning the sums would take longer than a tooltip may.
  for (std::int64_t row = cell.row_begin; row < cell.row_end && layer.row_sums != nullptr; ++row) {
    if (!layer.row_sums->is_known(index, row)) return "";
  }
  const Tile pairs = evaluate_tile(*snapshot.trace, cell);
  double sum = 0, largest = 0;
  std::int64_t n_visible = 0, best = -1;
  for (std::size_t i = 0; i < pairs.values.size(); ++i) {
    const double value = pairs.values[i];
    if (std::isnan(value)) continue;
    sum += value;
    ++n_visible;
    if (best >= 0 && value <= largest) continue;
    largest = value;
    best = static_cast<std::int64_t>(i);
  }
  std::string text = "\nthis cell: queries " + count_text(cell.row_begin) + " to " + count_text(cell.row_end - 1) + ", keys " +
                     count_text(cell.col_begin) + " to " + count_text(cell.col_end - 1);
  if (best < 0) return text + ", all masked";
  const bool is_probs = cell.quantity == Quantity::kProbs;
  const auto value_text = [&](double value) { return is_probs ? probability_text(value) : fixed(value, 3) + " nats"; };
  const std::int64_t at_query = cell.row_begin + best / cell.cols, at_key = cell.col_begin + best % cell.cols;
  return text + "\nlargest " + value_text(largest) + " at query " + count_text(at_query) + " " +
         token_at(snapshot.tokens, at_query) + "  →  key " + count_text(at_key) + " " + token_at(snapshot.keys(), at_key) +
         ", mean " + value_text(sum / static_cast<double>(n_visible));
}

}  // namespace headroom
