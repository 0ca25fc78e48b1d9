#include "core/tensor/tensor.h"

#include <limits>

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
