#include "core/figure/tile_items.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/figure/head_values.h"

namespace headroom {
namespace {

/// Cells along one axis: all pairs while they are few, else one a pixel, in steps so that resizing does not evaluate anew each time.
std::int64_t n_cells(std::int64_t n_tokens, double length) {
  if (n_tokens <= kThumbnailCells) return n_tokens;
  const auto pixels = static_cast<std::int64_t>(length);
  const std::int64_t stepped = std::max(kThumbnailCells, pixels / 64 * 64);
  return std::min(n_tokens, stepped);
}

}  // namespace

AttentionTile make_tile(const FigureInput& input, const HeadRef& head, const Rect& rect, const TokenWindow& window) {
  const View& view = input.session.view;
  AttentionTile tile{.rect = rect, .request = {}, .colormap = view.colormap, .scale = view.scale, .first_token = view.first_token};
  tile.request = {.layer = head.layer,
                  .head = head.head,
                  .row_begin = window.row_begin,
                  .row_end = window.row_end,
                  .col_begin = window.col_begin,
                  .col_end = window.col_end,
                  .rows = n_cells(window.row_end - window.row_begin, rect.h),
                  .cols = n_cells(window.col_end - window.col_begin, rect.w),
                  .quantity = shown_quantity(input, head),
                  .pooling = view.pooling};
  const TileRequest& r = tile.request;
  // Without pooling both kinds are the same picture: one name for it, so that it is evaluated once.
  if (r.rows == r.row_end - r.row_begin && r.cols == r.col_end - r.col_begin) tile.request.pooling = Pooling::kMax;
  return tile;
}

AttentionTile make_overview_tile(const FigureInput& input, const HeadRef& head, const Rect& rect) {
  const HeadSize size(*input.snapshot);
  AttentionTile tile = make_tile(input, head, rect, {0, size.queries, 0, size.keys});
  if (std::max(size.queries, size.keys) <= static_cast<std::int64_t>(kLongTokens)) return tile;
  constexpr std::int64_t kSampledRows = 2;
  TileRequest& r = tile.request;
  r.rows = std::min(kThumbnailCells, size.queries);
  r.cols = std::min(kThumbnailCells, size.keys);
  r.row_samples = kSampledRows;
  const auto layer = static_cast<std::size_t>(head.layer), index = static_cast<std::size_t>(head.head);
  const auto& thumbnails = input.snapshot->thumbnails;
  if (r.quantity == Quantity::kProbs && layer < thumbnails.size() && index < thumbnails[layer].size() &&
      thumbnails[layer][index].request.pooling == r.pooling) {
    r = thumbnails[layer][index].request;
  }
  return tile;
}

Sampling set_value_range(AttentionTile& tile, const Snapshot& snapshot) {
  const bool is_scores = tile.request.quantity == Quantity::kScores;
  if (!is_scores && tile.first_token == FirstToken::kShown) return Sampling::kExact;
  const HeadRange range = head_range(snapshot, {tile.request.layer, tile.request.head}, {tile.request.quantity, tile.first_token});
  if (!range.values.is_empty()) {
    tile.value_min = is_scores ? range.values.min : 0;
    tile.value_max = range.values.max;
  }
  return range.is_sampled ? Sampling::kSampled : Sampling::kExact;
}

Quantity shown_quantity(const FigureInput& input, const HeadRef& head) {
  const Quantity wanted = input.session.view.quantity;
  if (wanted == Quantity::kProbs || input.snapshot == nullptr || !exists(*input.snapshot, head)) return wanted;
  const LayerTrace& layer = input.snapshot->trace->layers[static_cast<std::size_t>(head.layer)];
  return layer.stored && !layer.stored->holds_scores() ? Quantity::kProbs : wanted;
}

bool is_pruned(const Session& session, const HeadRef& head) {
  const Compute& compute = session.compute;
  if (compute.trained.kind == ModelKind::kEncoderDecoder && compute.stack != AttentionStack::kEncoder) return false;
  return std::binary_search(session.compute.pruned.begin(), session.compute.pruned.end(), head);
}

bool exists(const Snapshot& snapshot, const HeadRef& head) {
  if (snapshot.trace == nullptr || head.layer < 0 || head.head < 0) return false;
  const auto layer = static_cast<std::size_t>(head.layer);
  if (layer >= snapshot.trace->layers.size()) return false;
  return layer < snapshot.heads.size() ? static_cast<std::size_t>(head.head) < snapshot.heads[layer].size()
                                       : head.head < snapshot.compute.n_heads;
}

bool holds_not_numbers(const Snapshot& snapshot) {
  for (const auto& layer : snapshot.heads)
    for (const HeadMetrics& head : layer)
      if (head.n_rows_broken > 0) return true;
  return false;
}

std::string why_absent(const Snapshot& snapshot) {
  return snapshot.capture ? "not in the capture" : "pruned: removed from the model";
}

bool is_pruned_in(const Snapshot& snapshot, const HeadRef& head) {
  return exists(snapshot, head) && snapshot.trace->layers[static_cast<std::size_t>(head.layer)].index_of(head.head) < 0;
}

Rect intersection(const Rect& a, const Rect& b) {
  const double x = std::max(a.x, b.x), y = std::max(a.y, b.y);
  const double right = std::min(a.x + a.w, b.x + b.w), bottom = std::min(a.y + a.h, b.y + b.h);
  if (right <= x || bottom <= y) return {};
  return {x, y, right - x, bottom - y};
}

CellGrid trimmed(const CellGrid& grid, const Rect& viewport) {
  CellGrid answer = grid;
  const Rect seen = intersection(grid.rect, viewport);
  if (seen == grid.rect) return answer;
  answer.rect = {};
  if (seen.w <= 0) return answer;
  struct Axis {
    double begin, length, seen_begin, seen_length;
    std::int64_t& first;
    std::int64_t& last;
  };
  const auto cut = [](const Axis& axis) {
    const double cell = axis.length / static_cast<double>(axis.last - axis.first);
    const auto lead = static_cast<std::int64_t>(std::ceil((axis.seen_begin - axis.begin) / cell - 1e-9));
    const auto end = static_cast<std::int64_t>(std::floor((axis.seen_begin + axis.seen_length - axis.begin) / cell + 1e-9));
    const std::int64_t first = axis.first;
    axis.first = first + lead;
    axis.last = first + end;
    return std::pair{axis.begin + static_cast<double>(lead) * cell, static_cast<double>(end - lead) * cell};
  };
  TileRequest& r = answer.request;
  const auto [x, w] = cut({grid.rect.x, grid.rect.w, seen.x, seen.w, r.col_begin, r.col_end});
  const auto [y, h] = cut({grid.rect.y, grid.rect.h, seen.y, seen.h, r.row_begin, r.row_end});
  if (r.col_end <= r.col_begin || r.row_end <= r.row_begin) return answer;
  r.rows = std::min(r.rows, r.row_end - r.row_begin);
  r.cols = std::min(r.cols, r.col_end - r.col_begin);
  answer.rect = {x, y, w, h};
  return answer;
}

}  // namespace headroom
