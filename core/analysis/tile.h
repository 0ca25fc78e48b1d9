#pragma once

#include <cstdint>
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

  bool operator==(const TileRequest&) const = default;
};

/// Cells row-major. NaN marks a cell in which every pair is masked: it is drawn in its own grey, never as zero.
struct Tile {
  TileRequest request;
  std::vector<float> values;  ///< [rows, cols]; probabilities, or scores (scaled q·k, before softmax)
  bool is_pruned = false;     ///< the head was removed: values are empty
};

/// Evaluated from q, k and logsumexp; nothing n × n is stored. Pooling runs over the visible pairs of a cell: with R queries, cell row r
/// covers the offsets [r * R / rows, (r + 1) * R / rows), and columns likewise.
/// Errors  ShapeError when the rectangle or its resolution does not fit the trace.
Tile evaluate_tile(const ForwardTrace& trace, const TileRequest& request);

/// One pair: score (nats, scaled), probability, and the product of each dimension q_c * k_c (unscaled).
/// Masked: probability 0, the rest as if it were not. A pruned head: not visible, q, k and products empty.
struct Cell {
  bool is_visible = true;
  double score = 0;
  double probability = 0;
  std::vector<float> q, k, products;  ///< [d_head] each
};
Cell evaluate_cell(const ForwardTrace& trace, std::int64_t layer, std::int64_t head, std::int64_t query, std::int64_t key);

/// One row of probabilities over all keys; NaN where masked, and everywhere when the head was pruned. Shape  [seq].
std::vector<float> evaluate_row(const ForwardTrace& trace, std::int64_t layer, std::int64_t head, std::int64_t query);

}  // namespace headroom
