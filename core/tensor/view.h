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
