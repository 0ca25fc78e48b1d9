#include "core/figure/heads_together.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace headroom {
namespace {

/// Cells of a thumbnail's axis that hold some of these tokens, ascending.
std::vector<std::int64_t> cells_of(const std::vector<std::int64_t>& tokens, std::int64_t n_tokens, std::int64_t n_cells) {
  std::vector<std::int64_t> cells;
  for (const std::int64_t token : tokens) {
    const std::int64_t cell = ((token + 1) * n_cells - 1) / n_tokens;
    if (cells.empty() || cells.back() != cell) cells.push_back(cell);
  }
  return cells;
}

}  // namespace

std::vector<JoinedHeads> join_heads(const View& view, const HeadsOrder& order) {
  std::map<std::int64_t, JoinedHeads> joined;
  for (const HeadRef& head : order.heads()) {
    const bool is_layer = view.together == HeadsTogether::kOfLayer, is_number = view.together == HeadsTogether::kOverLayers;
    JoinedHeads& to = joined[is_layer ? head.layer : is_number ? head.head : 0];
    if (is_layer) to.name = to.search = "L" + std::to_string(head.layer);
    if (is_number) to.name = to.search = "H" + std::to_string(head.head);
    if (!is_layer && !is_number) to.name = order.n_shown == order.n_all ? "all heads" : "the shown heads";
    to.heads.push_back(head);
  }
  std::vector<JoinedHeads> list;
  for (auto& [key, heads] : joined)
    list.push_back(std::move(heads));
  return list;
}

std::shared_ptr<const Tile> joined_tile(const Snapshot& snapshot, std::span<const HeadRef> heads, Pooling by,
                                        const TokenPart& part) {
  auto joined = std::make_shared<Tile>();
  std::vector<std::int64_t> rows, cols;
  std::vector<double> sums;
  std::vector<std::int32_t> counts;
  for (const HeadRef& head : heads) {
    const Tile& tile = snapshot.thumbnails[static_cast<std::size_t>(head.layer)][static_cast<std::size_t>(head.head)];
    if (tile.is_pruned || tile.values.empty()) continue;
    if (sums.empty()) {
      rows = cells_of(part.queries, part.n_queries, tile.request.rows);
      cols = cells_of(part.keys, part.n_keys, tile.request.cols);
      sums.assign(rows.size() * cols.size(), by == Pooling::kMean ? 0 : -std::numeric_limits<double>::infinity());
      counts.assign(sums.size(), 0);
    }
    std::size_t at = 0;
    for (const std::int64_t row : rows) {
      for (const std::int64_t col : cols) {
        const float value = tile.values[static_cast<std::size_t>(row * tile.request.cols + col)];
        if (!std::isnan(value)) {
          sums[at] = by == Pooling::kMean ? sums[at] + static_cast<double>(value) : std::max(sums[at], static_cast<double>(value));
          ++counts[at];
        }
        ++at;
      }
    }
  }
  joined->is_pruned = sums.empty();
  TileRequest& request = joined->request;
  if (!heads.empty()) request = {.layer = heads.front().layer, .head = heads.front().head};
  request.rows = std::ssize(rows);
  request.cols = std::ssize(cols);
  request.row_end = request.rows;
  request.col_begin = part.keys.front() == 0 ? 0 : 1;  // column 0 is the first token's only where that is shown
  request.col_end = request.col_begin + request.cols;
  joined->values.reserve(sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const double value = by == Pooling::kMean ? sums[i] / counts[i] : sums[i];
    joined->values.push_back(counts[i] == 0 ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(value));
  }
  return joined;
}

}  // namespace headroom
