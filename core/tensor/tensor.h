#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "core/tensor/aligned_buffer.h"
#include "core/tensor/view.h"

namespace headroom {

/// Owning dense float32 array, row-major, any rank.
class Tensor {
 public:
  Tensor() = default;
  /// Zero-filled unless `fill` says otherwise. Errors  ShapeError when a dimension is negative or the product overflows.
  explicit Tensor(std::vector<std::int64_t> shape, Fill fill = Fill::kZero);
  Tensor(std::initializer_list<std::int64_t> shape) : Tensor(std::vector<std::int64_t>(shape)) {}

  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t rank() const { return static_cast<std::int64_t>(shape_.size()); }
  std::int64_t dim(std::size_t axis) const { return shape_[axis]; }
  std::int64_t size() const { return static_cast<std::int64_t>(values_.size()); }
  bool empty() const { return values_.size() == 0; }

  float* data() { return values_.data(); }
  const float* data() const { return values_.data(); }
  std::span<float> span() { return values_.span(); }
  std::span<const float> span() const { return values_.span(); }

  /// Row i of a rank-2 tensor.
  std::span<float> row(std::int64_t i) { return values_.span().subspan(row_offset(i), row_size()); }
  std::span<const float> row(std::int64_t i) const { return values_.span().subspan(row_offset(i), row_size()); }

  /// Rank 2 as a matrix. Errors  ShapeError at any other rank.
  MatrixView matrix();
  ConstMatrixView matrix() const;

 private:
  std::size_t row_size() const { return static_cast<std::size_t>(shape_.back()); }
  std::size_t row_offset(std::int64_t i) const { return static_cast<std::size_t>(i) * row_size(); }

  std::vector<std::int64_t> shape_;
  AlignedBuffer<float> values_;
};

/// "[4, 8, 10]"
std::string shape_text(std::span<const std::int64_t> shape);

}  // namespace headroom
