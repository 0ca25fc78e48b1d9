#include "core/analysis/tile.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/analysis/key_block.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
/// Keys turned at a time: 512 keys of 64 dimensions are 128 KiB, which a second-level cache holds.
constexpr std::int64_t kKeysPerBlock = 512;

void check_request(const TileRequest& request, std::int64_t seq) {
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

/// Cell c of `cells` over a range of `size` covers offsets [c * size / cells, (c + 1) * size / cells).
std::int64_t cell_begin(std::int64_t cell, std::int64_t size, std::int64_t cells) { return cell * size / cells; }

/// Gathers pairs into cells: the largest, or the mean, of the visible pairs of each.
class CellPool {
 public:
  explicit CellPool(const TileRequest& request)
      : request_(request), n_pairs_(static_cast<std::size_t>(request.rows * request.cols), 0), sums_(n_pairs_.size(), 0) {
    const std::int64_t size = request.col_end - request.col_begin;
    cell_of_col_.resize(static_cast<std::size_t>(size));
    for (std::int64_t c = 0; c < request.cols; ++c) {
      std::fill(cell_of_col_.begin() + cell_begin(c, size, request.cols),
                cell_of_col_.begin() + cell_begin(c + 1, size, request.cols), c);
    }
  }

  /// One query's values over `keys`; NaN is masked.
  void add(std::int64_t row_cell, KeyRange keys, const float* values) {
    const std::size_t base = static_cast<std::size_t>(row_cell * request_.cols);
    const std::int64_t* cells = cell_of_col_.data() + (keys.begin - request_.col_begin);
    for (std::int64_t j = 0; j < keys.end - keys.begin; ++j) {
      if (std::isnan(values[j])) continue;
      const std::size_t cell = base + static_cast<std::size_t>(cells[j]);
      const double value = values[j];
      const bool is_first = n_pairs_[cell]++ == 0;
      if (request_.pooling == Pooling::kMean) {
        sums_[cell] += value;
      } else if (is_first || value > sums_[cell]) {
        sums_[cell] = value;
      }
    }
  }

  void finish(std::vector<float>& values) const {
    for (std::size_t cell = 0; cell < values.size(); ++cell) {
      if (n_pairs_[cell] == 0) continue;
      const double divisor = request_.pooling == Pooling::kMean ? static_cast<double>(n_pairs_[cell]) : 1.0;
      values[cell] = static_cast<float>(sums_[cell] / divisor);
    }
  }

 private:
  TileRequest request_;
  std::vector<std::int64_t> n_pairs_;
  std::vector<double> sums_;
  std::vector<std::int64_t> cell_of_col_;
};

/// Calls body(query, keys, values) with one query's values over the keys of a block that lie within its key_range.
template <typename Body>
void for_each_row(const ForwardTrace& trace, const HeadView& head, const TileRequest& request, const std::stop_token& stop,
                  const Body& body) {
  const std::vector<std::int64_t> offsets = sampled_offsets(request);
  std::vector<float> values(static_cast<std::size_t>(std::min(kKeysPerBlock, request.col_end - request.col_begin)));
  for (std::int64_t begin = request.col_begin; begin < request.col_end; begin += kKeysPerBlock) {
    const KeyBlock block(head, {begin, std::min(request.col_end, begin + kKeysPerBlock)});
    for (const std::int64_t offset : offsets) {
      if (stop.stop_requested()) throw Cancelled();
      const std::int64_t i = request.row_begin + offset;
      const KeyRange seen = key_range(trace.mask, 0, i, head.seq);
      const KeyRange keys{std::max(seen.begin, block.keys().begin), std::min(seen.end, block.keys().end)};
      if (keys.begin >= keys.end) continue;
      block.scores(i, keys, values.data());
      if (request.quantity == Quantity::kProbs) scores_to_probs(values.data(), keys.end - keys.begin, head.logsumexp_of(i));
      mask_with_nan(trace.mask, i, keys, values.data());
      body(i, keys, values.data());
    }
  }
}

}  // namespace

std::vector<std::int64_t> sampled_offsets(const TileRequest& request) {
  const std::int64_t n_rows = request.row_end - request.row_begin;
  std::int64_t n = request.rows * request.row_samples;
  if (n == 0 || n > n_rows) n = n_rows;
  std::vector<std::int64_t> offsets;
  for (std::int64_t t = 0; t < n; ++t)
    offsets.push_back((t + 1) * n_rows / n - 1);
  return offsets;
}

Tile evaluate_tile(const ForwardTrace& trace, const TileRequest& request, std::stop_token stop, ThreadPool*) {
  const LayerTrace& layer = layer_of(trace, request.layer);
  check_request(request, std::ssize(trace.ids));
  Tile tile{.request = request, .values = {}, .is_pruned = false};
  const std::int64_t index = layer.index_of(request.head);
  if (index < 0) {
    tile.is_pruned = true;
    return tile;
  }
  const HeadView head = view_head(layer, index);
  tile.values.assign(static_cast<std::size_t>(request.rows * request.cols), kNaN);

  const std::int64_t n_rows = request.row_end - request.row_begin;
  if (request.rows == n_rows && request.cols == request.col_end - request.col_begin) {
    for_each_row(trace, head, request, stop, [&](std::int64_t query, KeyRange keys, const float* values) {
      std::copy_n(values, keys.end - keys.begin,
                  tile.values.data() + (query - request.row_begin) * request.cols + (keys.begin - request.col_begin));
    });
    return tile;
  }
  CellPool cells(request);
  std::vector<std::int64_t> cell_of_row(static_cast<std::size_t>(n_rows));
  for (std::int64_t r = 0; r < request.rows; ++r) {
    std::fill(cell_of_row.begin() + cell_begin(r, n_rows, request.rows),
              cell_of_row.begin() + cell_begin(r + 1, n_rows, request.rows), r);
  }
  for_each_row(trace, head, request, stop, [&](std::int64_t query, KeyRange keys, const float* values) {
    cells.add(cell_of_row[static_cast<std::size_t>(query - request.row_begin)], keys, values);
  });
  cells.finish(tile.values);
  return tile;
}

std::vector<RowExtent> row_extents(const ForwardTrace& trace, const TileRequest& request, std::stop_token stop, ThreadPool* pool) {
  const LayerTrace& layer = layer_of(trace, request.layer);
  const std::int64_t seq = std::ssize(trace.ids);
  check_request(request, seq);
  if (layer.index_of(request.head) < 0) return {};
  TileRequest strip = request;
  strip.col_begin = 0;
  strip.col_end = seq;
  strip.cols = request.pooling == Pooling::kMax ? seq : seq / ((request.col_end - request.col_begin) / request.cols);
  std::vector<RowExtent> extents(static_cast<std::size_t>(request.rows), {kNaN, kNaN, kNaN, kNaN});
  const Tile whole = evaluate_tile(trace, strip, stop, pool);
  strip.col_begin = std::min<std::int64_t>(1, seq - 1);
  strip.cols = std::min(strip.cols, seq - strip.col_begin);
  const Tile later = evaluate_tile(trace, strip, stop, pool);
  for (std::int64_t r = 0; r < request.rows; ++r) {
    RowExtent& extent = extents[static_cast<std::size_t>(r)];
    for (std::int64_t c = 0; c < seq; ++c) {
      const auto take = [](float value, float& low, float& high) {
        if (std::isnan(value)) return;
        low = std::isnan(low) ? value : std::min(low, value);
        high = std::isnan(high) ? value : std::max(high, value);
      };
      if (c < whole.request.cols) {
        take(whole.values[static_cast<std::size_t>(r * whole.request.cols + c)], extent.smallest, extent.largest);
      }
      if (c < later.request.cols && seq > 1) {
        take(later.values[static_cast<std::size_t>(r * later.request.cols + c)], extent.smallest_later, extent.largest_later);
      }
    }
  }
  return extents;
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
  const float* q = head.q + query * head.q_stride;
  const float* k = head.k + key * head.k_stride;
  cell.q.assign(q, q + head.d_head);
  cell.k.assign(k, k + head.d_head);
  double sum = 0;
  for (std::int64_t c = 0; c < head.d_head; ++c) {
    cell.products.push_back(q[c] * k[c]);
    sum += static_cast<double>(q[c]) * k[c];
  }
  cell.score = sum * head.scale;
  cell.is_visible = is_visible(trace.mask, 0, query, key);
  if (cell.is_visible) cell.probability = std::exp(cell.score - head.logsumexp_of(query));
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
  if (row.is_pruned) row.values.assign(static_cast<std::size_t>(seq), kNaN);
  return std::move(row.values);
}

}  // namespace headroom
