#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "core/model/forward.h"

namespace headroom {

enum class Quantity { kProbs, kScores };
enum class Pooling { kMax, kMean };

/// A rectangle of one head's attention matrix at a resolution: what a heatmap asks for.
struct TileRequest {
  std::int64_t layer = 0;
  std::int64_t head = 0;                    ///< counted in the unpruned model
  std::int64_t row_begin = 0, row_end = 0;  ///< queries
  std::int64_t col_begin = 0, col_end = 0;  ///< keys
  std::int64_t rows = 0, cols = 0;          ///< cells of the answer; at most row_end - row_begin and col_end - col_begin
  Quantity quantity = Quantity::kProbs;
  Pooling pooling = Pooling::kMax;
  /// At most this many query rows are looked at for each cell row, see sampled_offsets; 0 = all, which is exact.
  std::int64_t row_samples = 0;

  bool operator==(const TileRequest&) const = default;
};

/// Cells row-major. NaN marks a cell in which every pair is masked: it is drawn in its own grey, never as zero.
struct Tile {
  TileRequest request;
  std::vector<float> values;  ///< [rows, cols]; probabilities, or scores (scaled q·k with soft cap and bias, before softmax)
  bool is_pruned = false;     ///< the head was removed: values are empty
  /// [rows, cols] of attention read from a file: non-zero where a visible number is NaN (the value is NaN too). Empty: nowhere.
  std::vector<std::uint8_t> not_numbers = {};
};

/// Are there scores to look at? Not where a file holds probabilities alone.
bool has_scores(const LayerTrace& layer);

/// Evaluated from q, k and logsumexp (or row_sums, which learn the rows looked at), or from the rows of a file (LayerTrace::stored), read a
/// few at a time; nothing n × n is stored. What a file holds is shown as it is, also outside [0, 1]. Matrices may be rectangular: rows are
/// counted to seq_q, columns to seq_k. Pooling runs over the visible pairs of a cell: with R queries, cell row r covers the offsets [r * R / rows, (r + 1) * R / rows), and columns likewise. With
/// row_samples only the sampled rows of a cell row count, over all their keys in the cell.
/// Errors  ShapeError when the rectangle or its resolution does not fit the layer; Error when a file cannot be read, or has no scores
///         (has_scores) and they are asked for; Cancelled.
/// Threads Shared out over `pool` when given (one caller at a time for each pool); the values do not depend on it.
Tile evaluate_tile(const ForwardTrace& trace, const TileRequest& request, std::stop_token stop = {}, ThreadPool* pool = nullptr);

/// Offsets from row_begin of the rows that a tile looks at, ascending. All R of them when row_samples is 0 or R / rows is not larger;
/// else (t + 1) * R / (rows * row_samples) - 1 for t in [0, rows * row_samples): evenly spread, row_samples of each cell row, its last
/// row among them.
std::vector<std::int64_t> sampled_offsets(const TileRequest& request);

/// What the cells of one cell row span over ALL keys of the text, whatever columns the request has: so that blocks of one picture can be
/// coloured by row and agree along their seams. "later" leaves out key 0.
/// Edge  NaN where the cell row sees no such key. A NaN in a file counts as nothing.
struct RowExtent {
  float smallest = 0, largest = 0;
  float smallest_later = 0, largest_later = 0;
};

/// Shape  [rows]; empty when the head was pruned. Pooling max: the extent of the single pairs of the rows that the request looks at. Pooling
/// mean: of cells as wide as the request's ((col_end - col_begin) / cols, rounded down) laid over all keys from key 0 on.
/// Costs what the row sums of those rows cost, the first time; with pooling mean as much again, each time: give it row_samples.
/// Errors  As evaluate_tile.
std::vector<RowExtent> row_extents(const ForwardTrace& trace, const TileRequest& request, std::stop_token stop = {},
                                   ThreadPool* pool = nullptr);

/// One pair: score (nats, scaled, capped, with its bias), probability, and the product of each dimension q_c * k_c (unscaled).
/// Masked: probability 0, the rest as if it were not. A pruned head: not visible, q, k and products empty. Attention read from a file: q, k
/// and products empty, the score NaN where the file has none, the probability as it lies there, also NaN.
struct Cell {
  bool is_visible = true;
  double score = 0;
  double probability = 0;
  std::vector<float> q, k, products;  ///< [d_head] each
};
Cell evaluate_cell(const ForwardTrace& trace, std::int64_t layer, std::int64_t head, std::int64_t query, std::int64_t key);

/// One row of probabilities over all keys; NaN where masked or NaN in a file, and everywhere when the head was pruned. Shape  [seq_k].
std::vector<float> evaluate_row(const ForwardTrace& trace, std::int64_t layer, std::int64_t head, std::int64_t query);

}  // namespace headroom
