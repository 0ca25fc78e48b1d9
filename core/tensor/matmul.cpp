#include "core/tensor/matmul.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <string>

#include "core/tensor/aligned_buffer.h"
#include "core/tensor/error.h"
#include "core/tensor/matmul_kernel.h"
#include "core/tensor/work_count.h"

namespace headroom {
namespace {

using matmul_detail::Panels;
using matmul_detail::Product;

template <typename Matrix>
std::string shape(const Matrix& m) {
  return "[" + std::to_string(m.rows) + ", " + std::to_string(m.cols) + "]";
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Products of one source that run together, and how they are cut: into panels of the source times chunks of rows, all products' chunks
/// numbered through.
struct Call {
  std::span<const Product> products;
  Panels panels;
  std::int64_t rows_per_chunk = 0;
  std::int64_t n_chunks = 0;
  std::uint64_t number = 0;  ///< tells this call's panels from an earlier one's

  std::int64_t n_items() const { return panels.count() * n_chunks; }
};

std::int64_t count_rows(std::span<const Product> products) {
  std::int64_t n = 0;
  for (const Product& product : products) {
    n += product.broadcast.rows;
  }
  return n;
}

/// The panel that a thread packed last. It stays for the life of the thread: fresh memory for each call would cost a page fault every 4 KiB.
struct PackedPanel {
  AlignedBuffer<float> memory;
  std::uint64_t call = 0;
  std::int64_t panel = 0;
};

void run_item(const Call& call, std::int64_t item) {
  const std::int64_t panel = item / call.n_chunks;
  std::int64_t chunk = item % call.n_chunks;
  const Product* product = call.products.data();
  for (; chunk >= ceil_div(product->broadcast.rows, call.rows_per_chunk); ++product) {
    chunk -= ceil_div(product->broadcast.rows, call.rows_per_chunk);
  }
  const std::int64_t begin = chunk * call.rows_per_chunk;
  const matmul_detail::Piece piece{call.panels[panel], begin, std::min(product->broadcast.rows, begin + call.rows_per_chunk)};

  thread_local PackedPanel packed;
  if (packed.call != call.number || packed.panel != panel) {
    if (packed.memory.size() < call.panels.packed_size()) packed.memory = AlignedBuffer<float>(call.panels.packed_size());
    matmul_detail::pack_panel(*product, piece.panel, packed.memory.data());
    packed.call = call.number;
    packed.panel = panel;
  }
  matmul_detail::multiply_piece(*product, piece, packed.memory.data());
}

/// Each thread packs a panel of the source once and multiplies it with rows of all products.
void multiply(ThreadPool& pool, std::span<const Product> products) {
  const std::int64_t n_rows = count_rows(products);
  if (n_rows == 0 || products[0].width() == 0) return;
  // Waking a thread costs some microseconds, as much as about this many multiplications; smaller products stay on the caller.
  constexpr double kMinWorkPerItem = 200e3;
  // With fewer columns than this, reading the rows takes longer than multiplying them.
  constexpr std::int64_t kMinColumns = 8;
  constexpr std::int64_t kRowsPerStep = 8;
  constexpr std::int64_t kItemsPerThread = 4;
  static std::atomic<std::uint64_t> n_calls{0};
  Call call{products, Panels(products[0])};
  call.number = ++n_calls;
  const double work = static_cast<double>(n_rows) * static_cast<double>(products[0].depth()) *
                      static_cast<double>(std::max(products[0].width(), kMinColumns));
  const std::int64_t n_items_wanted =
      static_cast<std::int64_t>(std::clamp(work / kMinWorkPerItem, 1.0, static_cast<double>(kItemsPerThread * pool.n_threads())));
  const std::int64_t chunks_wanted = pool.n_threads() == 1 ? 1 : ceil_div(n_items_wanted, call.panels.count());
  call.rows_per_chunk = ceil_div(ceil_div(n_rows, chunks_wanted), kRowsPerStep) * kRowsPerStep;
  for (const Product& product : products) {
    call.n_chunks += ceil_div(product.broadcast.rows, call.rows_per_chunk);
  }
  if (n_items_wanted == 1) {
    for (std::int64_t item = 0; item < call.n_items(); ++item) {
      run_item(call, item);
    }
  } else {
    pool.parallel_for(call.n_items(), [&call](std::int64_t item, int) { run_item(call, item); });
  }
}

Product linear_product(ConstMatrixView x, const LinearPart& part) {
  const auto& [weight, bias, out] = part;
  if (x.cols != weight.cols || out.rows != x.rows || out.cols != weight.rows) {
    throw ShapeError("linear: x " + shape(x) + " and weight " + shape(weight) + " do not give " + shape(out));
  }
  if (!bias.empty() && static_cast<std::int64_t>(bias.size()) != weight.rows) {
    throw ShapeError("linear: " + std::to_string(bias.size()) + " biases do not fit " + std::to_string(weight.rows) + " outputs");
  }
  return {weight, x, bias, out, matmul_detail::PanelAxis::kOutRows};
}

/// Rows are read once for all parts, as they are packed.
void record_linear(ConstMatrixView x, std::span<const LinearPart> parts) {
  const auto n = static_cast<double>(x.rows), d_in = static_cast<double>(x.cols);
  WorkCount done{.row_bytes = n * d_in * sizeof(float)};
  for (const auto& [weight, bias, out] : parts) {
    const double products = static_cast<double>(weight.rows) * d_in;
    done.linear_flops += 2 * n * products;
    done.weight_bytes += products * (weight.type == FloatType::kFloat32 ? 4 : 2);
    done.row_bytes += n * static_cast<double>(weight.rows) * sizeof(float);
  }
  record_work(done);
}

}  // namespace

namespace matmul_detail {

Panels::Panels(const Product& product) : lanes_(lanes()), depth_(product.depth()), width_(product.width()) {
  // A vector with few real columns costs as much as a full one. A column as dot products costs its share of a vector, and a sum over lanes
  // for each result, about as long as this many multiplications of a vector.
  constexpr std::int64_t kSumOverLanes = 5;
  const std::int64_t n_short = width_ % lanes_;
  const bool has_dots = product.axis == PanelAxis::kOutRows && n_short * (depth_ + kSumOverLanes * lanes_) < depth_ * lanes_;
  n_vectors_ = has_dots ? width_ / lanes_ : ceil_div(width_, lanes_);
  packed_columns_ = has_dots ? n_vectors_ * lanes_ : width_;
  count_ = std::max<std::int64_t>(1, ceil_div(n_vectors_, kMaxPanelVectors));
}

Panel Panels::operator[](std::int64_t index) const {
  // Evenly: 2 + 2 vectors run faster than 3 + 1.
  const std::int64_t begin = index * n_vectors_ / count_ * lanes_, end = (index + 1) * n_vectors_ / count_ * lanes_;
  return {begin, std::min(packed_columns_, end), index + 1 == count_ ? width_ : std::min(packed_columns_, end)};
}

std::size_t Panels::packed_size() const {
  return static_cast<std::size_t>(std::max<std::int64_t>(1, depth_ * std::min(n_vectors_, kMaxPanelVectors) * lanes_));
}

}  // namespace matmul_detail

void linear(ThreadPool& pool, ConstMatrixView x, ConstWeightView weight, std::span<const float> bias, MatrixView out) {
  const LinearPart part{weight, bias, out};
  const Product product = linear_product(x, part);
  record_linear(x, {&part, 1});
  multiply(pool, {&product, 1});
}

void linear(ThreadPool& pool, ConstMatrixView x, std::span<const LinearPart> parts) {
  for (const LinearPart& part : parts)
    static_cast<void>(linear_product(x, part));  // all are checked before any is computed
  record_linear(x, parts);
  constexpr std::size_t kMaxTogether = 8;
  while (!parts.empty()) {
    std::array<Product, kMaxTogether> products;
    const std::size_t n = std::min(kMaxTogether, parts.size());
    for (std::size_t i = 0; i < n; ++i) {
      products[i] = linear_product(x, parts[i]);
    }
    multiply(pool, std::span(products).first(n));
    parts = parts.subspan(n);
  }
}

void matmul(ThreadPool& pool, ConstMatrixView a, ConstMatrixView b, MatrixView out) {
  if (a.cols != b.rows || out.rows != a.rows || out.cols != b.cols) {
    throw ShapeError("matmul: " + shape(a) + " times " + shape(b) + " does not give " + shape(out));
  }
  const Product product{a, b, {}, out, matmul_detail::PanelAxis::kOutCols};
  multiply(pool, {&product, 1});
}

float dot(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) {
    throw ShapeError("dot: " + std::to_string(a.size()) + " values against " + std::to_string(b.size()));
  }
  return matmul_detail::dot(a.data(), b.data(), static_cast<std::int64_t>(a.size()));
}

}  // namespace headroom
