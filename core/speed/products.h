#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/tensor/aligned_buffer.h"
#include "core/tensor/parallel.h"
#include "core/tensor/view.h"

namespace headroom {

/// x [rows, depth] · weightᵀ [width, depth] = out [rows, width], with memory and values of its own.
class Product {
 public:
  Product(std::int64_t rows, std::int64_t depth, std::int64_t width);
  ConstMatrixView x() const { return {x_.data(), rows_, depth_, depth_}; }
  ConstMatrixView weight() const { return {weight_.data(), width_, depth_, depth_}; }
  MatrixView out() { return {out_.data(), rows_, width_, width_}; }

 private:
  std::int64_t rows_, depth_, width_;
  AlignedBuffer<float> x_, weight_, out_;
};

using Multiply = std::function<void(ConstMatrixView x, ConstMatrixView weight, MatrixView out)>;

/// Plain loops in double.
void multiply_plainly(ConstMatrixView x, ConstMatrixView weight, MatrixView out);
/// Eigen on each thread's share of the rows.
void multiply_by_eigen(ThreadPool& pool, ConstMatrixView x, ConstMatrixView weight, MatrixView out);

/// Compares with plain loops on a small ragged product of the same depth and returns the largest error.
/// Errors  Error when it is not within 1e-3 (of sums of `depth` products of variance 1): such products must not be timed.
double check_product(const std::string& name, const Multiply& multiply, std::int64_t depth);

}  // namespace headroom
