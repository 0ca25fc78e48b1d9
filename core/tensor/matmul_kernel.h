#pragma once

#include <cstdint>
#include <span>

#include "core/tensor/view.h"

namespace headroom::matmul_detail {

/// How the columns of a panel lie in the result: along its rows (linear: a panel holds rows of x) or along its columns (matmul: columns of b).
enum class PanelAxis { kOutRows, kOutCols };

/// One product out = rows · panel source, cut into pieces.
struct Product {
  ConstWeightView broadcast;    ///< [n, depth]: weight or a; read in place, 16 bits widened on the way
  ConstMatrixView source;       ///< x [width, depth] or b [depth, width]; packed panel by panel
  std::span<const float> bias;  ///< one per row of broadcast, or empty
  MatrixView out;
  PanelAxis axis = PanelAxis::kOutRows;

  std::int64_t depth() const { return broadcast.cols; }
  std::int64_t width() const { return axis == PanelAxis::kOutRows ? source.rows : source.cols; }
};

/// Columns of the source that are multiplied together: those of a packed panel, and after them a few that are not worth a packed vector
/// of their own (only along out's rows).
struct Panel {
  std::int64_t begin = 0, end = 0;  ///< packed; at most panel_width() of them, or none
  std::int64_t dots_end = 0;        ///< [end, dots_end) as dot products
};

struct Piece {
  Panel panel;
  std::int64_t row_begin = 0, row_end = 0;  ///< rows of `broadcast`
};

/// How the source's columns are shared out to panels on this machine.
class Panels {
 public:
  explicit Panels(const Product& product);
  std::int64_t count() const { return count_; }
  Panel operator[](std::int64_t index) const;
  /// Floats that the widest packed panel takes.
  std::size_t packed_size() const;

 private:
  std::int64_t lanes_, depth_, width_;
  std::int64_t n_vectors_ = 0;  // of all panels
  std::int64_t packed_columns_ = 0;
  std::int64_t count_ = 1;
};

/// Floats in a vector of this machine, and vectors of a panel's row at most.
std::int64_t lanes();
inline constexpr std::int64_t kMaxPanelVectors = 3;

/// Lays the packed columns of the source side by side: packed [depth, whole vectors], zeros beyond the end.
void pack_panel(const Product& product, const Panel& panel, float* packed);
void multiply_piece(const Product& product, const Piece& piece, const float* packed);
float dot(const float* a, const float* b, std::int64_t n);
/// Exact. `type` is kFloat16 or kBFloat16.
void widen(FloatType type, std::span<const std::uint16_t> from, float* to);

}  // namespace headroom::matmul_detail
