#include "core/speed/products.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "core/speed/problem.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

std::size_t size(std::int64_t rows, std::int64_t cols) { return static_cast<std::size_t>(rows * cols); }

}  // namespace

Product::Product(std::int64_t rows, std::int64_t depth, std::int64_t width)
    : rows_(rows), depth_(depth), width_(width), x_(size(rows, depth)), weight_(size(width, depth)), out_(size(rows, width)) {
  fill_values(x_.span(), 3);
  fill_values(weight_.span(), 4);
}

void multiply_plainly(ConstMatrixView x, ConstMatrixView weight, MatrixView out) {
  for (std::int64_t i = 0; i < x.rows; ++i) {
    for (std::int64_t j = 0; j < weight.rows; ++j) {
      double sum = 0;
      for (std::int64_t c = 0; c < x.cols; ++c)
        sum += static_cast<double>(x(i, c)) * static_cast<double>(weight(j, c));
      out(i, j) = static_cast<float>(sum);
    }
  }
}

void multiply_by_eigen(ThreadPool& pool, ConstMatrixView x, ConstMatrixView weight, MatrixView out) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Map<const Matrix> w(weight.data, weight.rows, weight.cols);
  const std::int64_t share = (x.rows + pool.n_threads() - 1) / pool.n_threads();
  pool.parallel_for(pool.n_threads(), [&](std::int64_t item, int) {
    const std::int64_t begin = item * share, n = std::min(share, x.rows - begin);
    if (n <= 0) return;
    Eigen::Map<Matrix>(out.row(begin), n, out.cols).noalias() = Eigen::Map<const Matrix>(x.row(begin), n, x.cols) * w.transpose();
  });
}

double check_product(const std::string& name, const Multiply& multiply, std::int64_t depth) {
  constexpr double kLargestError = 1e-3;
  constexpr std::int64_t kRows = 53, kWidth = 101;
  Product ours(kRows, depth, kWidth), theirs(kRows, depth, kWidth);
  multiply(ours.x(), ours.weight(), ours.out());
  multiply_plainly(theirs.x(), theirs.weight(), theirs.out());
  double largest = 0;
  for (std::int64_t i = 0; i < kRows; ++i) {
    for (std::int64_t j = 0; j < kWidth; ++j) {
      const double error = std::abs(double{ours.out()(i, j)} - double{theirs.out()(i, j)});
      if (!(error <= kLargestError)) {
        throw Error("the products of " + name + " differ from the reference by " + std::to_string(error) + ": they were not timed");
      }
      largest = std::max(largest, error);
    }
  }
  return largest;
}

}  // namespace headroom
