#include "core/tensor/tensor.h"

#include <algorithm>
#include <limits>

#include "core/tensor/dtype.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

std::size_t element_count(std::span<const std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) {
    if (dim < 0) throw ShapeError("a tensor cannot have the shape " + shape_text(shape) + ": a dimension is negative");
  }
  for (const std::int64_t dim : shape) {
    if (dim == 0) return 0;
  }
  constexpr std::int64_t kMaxCount = std::numeric_limits<std::int64_t>::max() / static_cast<std::int64_t>(sizeof(float));
  for (const std::int64_t dim : shape) {
    if (count > kMaxCount / dim) throw ShapeError("a tensor of shape " + shape_text(shape) + " is larger than any memory");
    count *= dim;
  }
  return shape.empty() ? 0 : static_cast<std::size_t>(count);
}

}  // namespace

Tensor::Tensor(std::vector<std::int64_t> shape, Fill fill) : shape_(std::move(shape)), values_(element_count(shape_), fill) {}

Tensor::Tensor(std::vector<std::int64_t> shape, FloatType type) : shape_(std::move(shape)), type_(type) {
  if (type == FloatType::kFloat32) {
    values_ = AlignedBuffer<float>(element_count(shape_), Fill::kNone);
  } else {
    bits_ = AlignedBuffer<std::uint16_t>(element_count(shape_), Fill::kNone);
  }
}

void Tensor::refuse_floats() const {
  throw ShapeError(std::string("float32 values were wanted, but the tensor of shape ") + shape_text(shape_) + " is stored as " +
                   float_type_name(type_));
}

ConstWeightView Tensor::weights() const {
  if (empty() && rank() != 2) return {};
  if (type_ == FloatType::kFloat32) return matrix();
  if (rank() != 2) throw ShapeError("a matrix was wanted, but the tensor has the shape " + shape_text(shape_));
  return {bits_.data(), dim(0), dim(1), dim(1), type_};
}

void Tensor::read_row(std::int64_t i, float* to) const { weights().read_row(i, to); }

Tensor Tensor::widened() const {
  if (type_ == FloatType::kFloat32) return *this;
  Tensor wide(shape_, Fill::kNone);
  widen(type_, bits_.span(), wide.span());
  return wide;
}

const char* float_type_name(FloatType type) {
  switch (type) {
    case FloatType::kFloat16:
      return "float16";
    case FloatType::kBFloat16:
      return "bfloat16";
    default:
      return "float32";
  }
}

ConstMatrixView ConstWeightView::floats() const {
  if (type != FloatType::kFloat32)
    throw ShapeError(std::string("float32 parameters were wanted, but these are stored as ") + float_type_name(type));
  return {static_cast<const float*>(data), rows, cols, row_stride};
}

void ConstWeightView::read_row(std::int64_t row, float* to) const {
  const auto n = static_cast<std::size_t>(cols);
  if (type == FloatType::kFloat32) {
    std::copy_n(static_cast<const float*>(data) + row * row_stride, n, to);
  } else {
    widen(type, {static_cast<const std::uint16_t*>(data) + row * row_stride, n}, {to, n});
  }
}

MatrixView Tensor::matrix() {
  if (rank() != 2) throw ShapeError("a matrix was wanted, but the tensor has the shape " + shape_text(shape_));
  return {data(), dim(0), dim(1), dim(1)};
}

ConstMatrixView Tensor::matrix() const {
  if (rank() != 2) throw ShapeError("a matrix was wanted, but the tensor has the shape " + shape_text(shape_));
  return {data(), dim(0), dim(1), dim(1)};
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (axis > 0) text += ", ";
    text += std::to_string(shape[axis]);
  }
  return text + "]";
}

}  // namespace headroom
