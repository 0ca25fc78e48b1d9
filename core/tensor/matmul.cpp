#include "core/tensor/matmul.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/tensor/aligned_buffer.h"
#include "core/tensor/error.h"
#include "core/tensor/matmul_kernel.h"

namespace headroom {
namespace {

using matmul_detail::Piece;
using matmul_detail::Product;

std::string shape(ConstMatrixView m) { return "[" + std::to_string(m.rows) + ", " + std::to_string(m.cols) + "]"; }

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Packed panel of one thread. It stays for the life of the thread: fresh memory for each call would cost a page fault every 4 KiB.
float* panel_memory(std::size_t size) {
  thread_local AlignedBuffer<float> buffer;
  if (buffer.size() < size) buffer = AlignedBuffer<float>(size);
  return buffer.data();  // NOLINT(clang-analyzer-cplusplus.NewDelete): it does not follow the swap in the assignment
}

/// Rows that one item of work multiplies: all chunks of all products are numbered through.
struct Chunk {
  const Product* product = nullptr;
  std::int64_t begin = 0, end = 0;
};

std::int64_t count_chunks(std::span<const Product> products, std::int64_t rows_per_chunk) {
  std::int64_t n = 0;
  for (const Product& product : products) {
    n += ceil_div(product.broadcast.rows, rows_per_chunk);
  }
  return n;
}

Chunk chunk_at(std::span<const Product> products, std::int64_t rows_per_chunk, std::int64_t index) {
  for (const Product& product : products) {
    const std::int64_t n = ceil_div(product.broadcast.rows, rows_per_chunk);
    if (index < n) return {&product, index * rows_per_chunk, std::min(product.broadcast.rows, (index + 1) * rows_per_chunk)};
    index -= n;
  }
  return {};
}

/// Products of one source: each thread packs a panel of it once and multiplies it with rows of all products.
void multiply(ThreadPool& pool, std::span<const Product> products) {
  std::int64_t n_rows = 0;
  for (const Product& product : products) {
    n_rows += product.broadcast.rows;
  }
  if (n_rows == 0 || products[0].width() == 0) return;
  const std::int64_t depth = products[0].depth(), width = products[0].width();
  // Waking a thread costs some microseconds, as much as about this many multiplications; smaller products stay on the caller.
  constexpr double kMinWorkPerItem = 200e3;
  constexpr std::int64_t kRowsPerStep = 8;
  constexpr std::int64_t kItemsPerThread = 4;
  const std::int64_t panel_width = matmul_detail::panel_width();
  const std::int64_t n_panels = ceil_div(width, panel_width);
  const double work = static_cast<double>(n_rows) * static_cast<double>(depth) * static_cast<double>(width);
  const std::int64_t n_items_wanted =
      std::clamp<std::int64_t>(static_cast<std::int64_t>(work / kMinWorkPerItem), 1, kItemsPerThread * pool.n_threads());
  const std::int64_t chunks_wanted = pool.n_threads() == 1 ? 1 : ceil_div(n_items_wanted, n_panels);
  const std::int64_t rows_per_chunk = ceil_div(ceil_div(n_rows, chunks_wanted), kRowsPerStep) * kRowsPerStep;
  const std::int64_t n_chunks = count_chunks(products, rows_per_chunk);

  std::vector<std::int64_t> panel_of_thread(static_cast<std::size_t>(pool.n_threads()), -1);
  const auto run_item = [&](std::int64_t item, int thread) {
    const std::int64_t panel = item / n_chunks;
    const Chunk chunk = chunk_at(products, rows_per_chunk, item % n_chunks);
    const Piece piece{panel * panel_width, std::min(width, (panel + 1) * panel_width), chunk.begin, chunk.end};
    float* const packed = panel_memory(static_cast<std::size_t>(std::max<std::int64_t>(1, depth) * panel_width));
    std::int64_t& packed_panel = panel_of_thread[static_cast<std::size_t>(thread)];
    if (packed_panel != panel) {
      matmul_detail::pack_panel(*chunk.product, piece.panel_begin, piece.panel_end, packed);
      packed_panel = panel;
    }
    matmul_detail::multiply_piece(*chunk.product, piece, packed);
  };
  const std::int64_t n_items = n_panels * n_chunks;
  if (n_items_wanted == 1) {
    for (std::int64_t item = 0; item < n_items; ++item) {
      run_item(item, 0);
    }
  } else {
    pool.parallel_for(n_items, run_item);
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

}  // namespace

void linear(ThreadPool& pool, ConstMatrixView x, ConstMatrixView weight, std::span<const float> bias, MatrixView out) {
  const Product product = linear_product(x, {weight, bias, out});
  multiply(pool, {&product, 1});
}

void linear(ThreadPool& pool, ConstMatrixView x, std::span<const LinearPart> parts) {
  std::vector<Product> products;
  products.reserve(parts.size());
  for (const LinearPart& part : parts) {
    products.push_back(linear_product(x, part));
  }
  if (!products.empty()) multiply(pool, products);
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
