#pragma once

#include <cstdint>
#include <span>

#include "core/tensor/view.h"

namespace headroom::matmul_detail {

/// How the columns of a panel lie in the result: along its rows (linear: a panel holds rows of x) or along its columns (matmul: columns of b).
enum class PanelAxis { kOutRows, kOutCols };

/// One product out = rows · panel source, cut into pieces.
struct Product {
  ConstMatrixView broadcast;    ///< [n, depth]: weight or a; read in place
  ConstMatrixView source;       ///< x [width, depth] or b [depth, width]; packed panel by panel
  std::span<const float> bias;  ///< one per row of broadcast, or empty
  MatrixView out;
  PanelAxis axis = PanelAxis::kOutRows;

  std::int64_t depth() const { return broadcast.cols; }
  std::int64_t width() const { return axis == PanelAxis::kOutRows ? source.rows : source.cols; }
};

struct Piece {
  std::int64_t panel_begin = 0, panel_end = 0;  ///< at most panel_width() apart
  std::int64_t row_begin = 0, row_end = 0;      ///< rows of `broadcast`
};

/// Columns of a panel on this machine: three vectors.
std::int64_t panel_width();
/// Lays columns [begin, end) of the source side by side: packed [depth, whole vectors], zeros beyond the end.
void pack_panel(const Product& product, std::int64_t begin, std::int64_t end, float* packed);
void multiply_piece(const Product& product, const Piece& piece, const float* packed);
float dot(const float* a, const float* b, std::int64_t n);

}  // namespace headroom::matmul_detail
