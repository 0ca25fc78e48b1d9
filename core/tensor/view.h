#pragma once

#include <cstddef>
#include <cstdint>

namespace headroom {

/// Non-owning float32 matrix: element (r, c) lies at data[r * row_stride + c]. Strides count elements.
template <typename T>
struct BasicMatrixView {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t row_stride = 0;

  T& operator()(std::int64_t r, std::int64_t c) const { return data[r * row_stride + c]; }
  T* row(std::int64_t r) const { return data + r * row_stride; }
  operator BasicMatrixView<const T>() const { return {data, rows, cols, row_stride}; }
};
using MatrixView = BasicMatrixView<float>;
using ConstMatrixView = BasicMatrixView<const float>;

/// How floats are stored. Sixteen bits are for what is kept and read; arithmetic is made in float32.
enum class FloatType { kFloat32, kFloat16, kBFloat16 };
const char* float_type_name(FloatType type);  ///< "float32"
inline std::int64_t float_type_bytes(FloatType type) { return type == FloatType::kFloat32 ? 4 : 2; }

/// Non-owning matrix of parameters in the type they are stored in. A float32 matrix is one.
struct ConstWeightView {
  const void* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t row_stride = 0;  ///< elements
  FloatType type = FloatType::kFloat32;

  ConstWeightView() = default;
  ConstWeightView(const void* values, std::int64_t n_rows, std::int64_t n_cols, std::int64_t stride, FloatType stored)
      : data(values), rows(n_rows), cols(n_cols), row_stride(stride), type(stored) {}
  // NOLINTNEXTLINE(google-explicit-constructor): a float32 matrix is a matrix of parameters
  ConstWeightView(ConstMatrixView matrix)
      : data(matrix.data), rows(matrix.rows), cols(matrix.cols), row_stride(matrix.row_stride) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  ConstWeightView(MatrixView matrix) : ConstWeightView(ConstMatrixView(matrix)) {}

  /// Of a float32 matrix. Errors  ShapeError when it is of another type.
  ConstMatrixView floats() const;
  /// One row as float32. Shapes  to [cols].
  void read_row(std::int64_t row, float* to) const;
};

/// Non-owning [batch, n_heads, seq, d_head] float32 with free strides, so that a projection's output [seq, n_heads * d_head] is
/// read where it lies: element (b, h, i, c) = data[b * batch_stride + h * head_stride + i * row_stride + c].
template <typename T>
struct BasicHeadsView {
  T* data = nullptr;
  std::int64_t batch = 1;
  std::int64_t n_heads = 0;
  std::int64_t seq = 0;
  std::int64_t d_head = 0;
  std::int64_t batch_stride = 0;
  std::int64_t head_stride = 0;
  std::int64_t row_stride = 0;

  T* row(std::int64_t b, std::int64_t h, std::int64_t i) const {
    return data + b * batch_stride + h * head_stride + i * row_stride;
  }
  operator BasicHeadsView<const T>() const { return {data, batch, n_heads, seq, d_head, batch_stride, head_stride, row_stride}; }

  /// Heads side by side in each row: data [batch, seq, n_heads * d_head].
  static BasicHeadsView interleaved(T* data, std::int64_t batch, std::int64_t n_heads, std::int64_t seq, std::int64_t d_head) {
    return {data, batch, n_heads, seq, d_head, seq * n_heads * d_head, d_head, n_heads * d_head};
  }
  /// One head after another: data [batch, n_heads, seq, d_head].
  static BasicHeadsView head_major(T* data, std::int64_t batch, std::int64_t n_heads, std::int64_t seq, std::int64_t d_head) {
    return {data, batch, n_heads, seq, d_head, n_heads * seq * d_head, seq * d_head, d_head};
  }
};
using HeadsView = BasicHeadsView<float>;
using ConstHeadsView = BasicHeadsView<const float>;
/// Numbers of 16 bits as bit patterns, see dtype.h.
using ConstHeads16View = BasicHeadsView<const std::uint16_t>;

}  // namespace headroom
