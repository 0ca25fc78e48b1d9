#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "core/tensor/aligned_buffer.h"
#include "core/tensor/view.h"

namespace headroom {

/// Owning dense array of floats, row-major, any rank: float32, or parameters of 16 bits as their file stores them, which are read through
/// weights() and read_row() alone.
class Tensor {
 public:
  Tensor() = default;
  /// Zero-filled unless `fill` says otherwise. Errors  ShapeError when a dimension is negative or the product overflows.
  explicit Tensor(std::vector<std::int64_t> shape, Fill fill = Fill::kZero);
  Tensor(std::initializer_list<std::int64_t> shape) : Tensor(std::vector<std::int64_t>(shape)) {}
  /// Of any stored type, not filled. Errors  as above.
  Tensor(std::vector<std::int64_t> shape, FloatType type);

  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t rank() const { return static_cast<std::int64_t>(shape_.size()); }
  std::int64_t dim(std::size_t axis) const { return shape_[axis]; }
  std::int64_t size() const { return static_cast<std::int64_t>(values_.size() + bits_.size()); }
  bool empty() const { return size() == 0; }
  FloatType type() const { return type_; }

  // The values of a float32 tensor. Errors  ShapeError when it is of another type: nothing reads 16 bits as 32.
  float* data() { return floats().data(); }
  const float* data() const { return floats().data(); }
  std::span<float> span() { return floats().span(); }
  std::span<const float> span() const { return floats().span(); }
  /// Row i of a rank-2 tensor.
  std::span<float> row(std::int64_t i) { return span().subspan(row_offset(i), row_size()); }
  std::span<const float> row(std::int64_t i) const { return span().subspan(row_offset(i), row_size()); }
  /// Rank 2 as a matrix. Errors  ShapeError also at any other rank.
  MatrixView matrix();
  ConstMatrixView matrix() const;

  // Of any type.
  /// The bit patterns of a 16-bit tensor; empty for float32.
  std::span<std::uint16_t> bits() { return bits_.span(); }
  std::span<const std::uint16_t> bits() const { return bits_.span(); }
  /// Rank 2 as a matrix of parameters, in its stored type; a null view when empty. Errors  ShapeError at any other rank.
  ConstWeightView weights() const;
  /// Row i of a rank-2 tensor as float32. Shapes  to [dim(1)].
  void read_row(std::int64_t i, float* to) const;
  /// The same values as float32.
  Tensor widened() const;

 private:
  AlignedBuffer<float>& floats() {
    if (type_ != FloatType::kFloat32) refuse_floats();
    return values_;
  }
  const AlignedBuffer<float>& floats() const {
    if (type_ != FloatType::kFloat32) refuse_floats();
    return values_;
  }
  [[noreturn]] void refuse_floats() const;
  std::size_t row_size() const { return static_cast<std::size_t>(shape_.back()); }
  std::size_t row_offset(std::int64_t i) const { return static_cast<std::size_t>(i) * row_size(); }

  std::vector<std::int64_t> shape_;
  FloatType type_ = FloatType::kFloat32;
  AlignedBuffer<float> values_;
  AlignedBuffer<std::uint16_t> bits_;
};

/// "[4, 8, 10]"
std::string shape_text(std::span<const std::int64_t> shape);

}  // namespace headroom
