#include "core/tensor/matmul_kernel.h"

#include <algorithm>
#include <string_view>

#include "core/tensor/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/tensor/matmul_kernel.cpp"
#include <hwy/foreach_target.h>

#include "core/tensor/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

using matmul_detail::PanelAxis;
using matmul_detail::Piece;
using matmul_detail::Product;

std::int64_t PanelWidth() { return kMaxVectors * kLanes; }

std::int64_t packed_width(std::int64_t columns) { return (columns + kLanes - 1) / kLanes * kLanes; }

void PackPanel(const Product& product, std::int64_t begin, std::int64_t end, float* packed) {
  const std::int64_t depth = product.depth(), width = packed_width(end - begin);
  if (product.axis == PanelAxis::kOutCols) {
    for (std::int64_t k = 0; k < depth; ++k) {
      float* const target = packed + k * width;
      std::copy_n(product.source.row(k) + begin, end - begin, target);
      std::fill(target + (end - begin), target + width, 0.0F);
    }
    return;
  }
  std::int64_t c = begin;
  for (; c + 4 <= end; c += 4) {
    const float* const rows[4] = {product.source.row(c), product.source.row(c + 1), product.source.row(c + 2),
                                  product.source.row(c + 3)};
    transpose_four(rows, depth, packed + (c - begin), width);
  }
  for (; c < begin + width; ++c) {
    const float* const row = c < end ? product.source.row(c) : nullptr;
    for (std::int64_t k = 0; k < depth; ++k) {
      packed[k * width + (c - begin)] = row != nullptr ? row[k] : 0.0F;
    }
  }
}

/// A tile of finished sums goes to its place in the result.
template <int kVectors>
void write_tile(const Product& product, const Piece& piece, std::int64_t row_begin, float* tile) {
  constexpr std::int64_t kWidth = kVectors * kLanes;
  const std::int64_t columns = piece.panel_end - piece.panel_begin;
  const std::int64_t n_rows = std::min<std::int64_t>(kTileRows, piece.row_end - row_begin);
  const Floats d;
  for (std::int64_t r = 0; r < n_rows && !product.bias.empty(); ++r) {
    const FloatVec bias = hn::Set(d, product.bias[static_cast<std::size_t>(row_begin + r)]);
    for (std::int64_t lane = 0; lane < kWidth; lane += kLanes) {
      hn::Store(hn::Add(hn::Load(d, tile + r * kWidth + lane), bias), d, tile + r * kWidth + lane);
    }
  }
  if (product.axis == PanelAxis::kOutCols) {
    for (std::int64_t r = 0; r < n_rows; ++r) {
      std::copy_n(tile + r * kWidth, columns, product.out.row(row_begin + r) + piece.panel_begin);
    }
    return;
  }
  std::int64_t r = 0;
  for (; r + 4 <= n_rows; r += 4) {
    const float* const rows[4] = {tile + r * kWidth, tile + (r + 1) * kWidth, tile + (r + 2) * kWidth, tile + (r + 3) * kWidth};
    transpose_four(rows, columns, product.out.row(piece.panel_begin) + row_begin + r, product.out.row_stride);
  }
  for (; r < n_rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      product.out(piece.panel_begin + c, row_begin + r) = tile[r * kWidth + c];
    }
  }
}

template <int kVectors>
void multiply(const Product& product, const Piece& piece, const float* packed) {
  constexpr std::int64_t kWidth = kVectors * kLanes;
  // So much of the panel stays in the nearest cache (32 KiB and more) while several tiles read it, one after another.
  constexpr std::int64_t kDepthStep = std::max<std::int64_t>(32, 24 * 1024 / (kWidth * static_cast<std::int64_t>(sizeof(float))));
  constexpr std::int64_t kTiles = 4;
  HWY_ALIGN float tiles[kTiles * kTileRows * kWidth];
  HWY_ALIGN float ones[kWidth];
  std::fill_n(ones, kWidth, 1.0F);
  TileOperands operands;
  operands.panel_step = kWidth;
  for (std::int64_t rows_begin = piece.row_begin; rows_begin < piece.row_end; rows_begin += kTiles * kTileRows) {
    const std::int64_t rows_end = std::min(piece.row_end, rows_begin + kTiles * kTileRows);
    std::int64_t k = 0;
    do {
      operands.panel = packed + k * kWidth;
      operands.depth = std::min(kDepthStep, product.depth() - k);
      float* tile = tiles;
      for (std::int64_t row = rows_begin; row < rows_end; row += kTileRows, tile += kTileRows * kWidth) {
        for (std::int64_t r = 0; r < kTileRows; ++r) {
          operands.rows[r] = product.broadcast.row(std::min(row + r, rows_end - 1)) + k;
        }
        multiply_tile<kVectors>(operands, k == 0 ? nullptr : ones, tile);
      }
      k += kDepthStep;
    } while (k < product.depth());
    float* tile = tiles;
    for (std::int64_t row = rows_begin; row < rows_end; row += kTileRows, tile += kTileRows * kWidth) {
      write_tile<kVectors>(product, piece, row, tile);
    }
  }
}

void MultiplyPiece(const Product& product, const Piece& piece, const float* packed) {
  const std::int64_t vectors = packed_width(piece.panel_end - piece.panel_begin) / kLanes;
  if (vectors == 3) {
    multiply<3>(product, piece, packed);
  } else if (vectors == 2) {
    multiply<2>(product, piece, packed);
  } else {
    multiply<1>(product, piece, packed);
  }
}

float Dot(const float* a, const float* b, std::int64_t n) {
  const Floats d;
  FloatVec sum0 = hn::Zero(d), sum1 = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    sum0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum0);
    sum1 = hn::MulAdd(hn::LoadU(d, a + i + kLanes), hn::LoadU(d, b + i + kLanes), sum1);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
  for (; i < n; ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

const char* SimdName() {
  // Newer Highway versions tell more kinds of AVX-512 apart.
  if (std::string_view(hwy::TargetName(HWY_TARGET)).starts_with("AVX3")) return "AVX-512";
  switch (HWY_TARGET) {
    case HWY_AVX2:
      return "AVX2";
    case HWY_SSE4:
      return "SSE4";
    case HWY_NEON:
      return "NEON";
    default:
      return hwy::TargetName(HWY_TARGET);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/tensor/machine.h"
#include "core/tensor/matmul.h"

namespace headroom {
HWY_EXPORT(PanelWidth);
HWY_EXPORT(PackPanel);
HWY_EXPORT(MultiplyPiece);
HWY_EXPORT(Dot);
HWY_EXPORT(SimdName);

const char* simd_name() { return HWY_DYNAMIC_DISPATCH(SimdName)(); }

namespace matmul_detail {

std::int64_t panel_width() { return HWY_DYNAMIC_DISPATCH(PanelWidth)(); }

void pack_panel(const Product& product, std::int64_t begin, std::int64_t end, float* packed) {
  HWY_DYNAMIC_DISPATCH(PackPanel)(product, begin, end, packed);
}

void multiply_piece(const Product& product, const Piece& piece, const float* packed) {
  HWY_DYNAMIC_DISPATCH(MultiplyPiece)(product, piece, packed);
}

float dot(const float* a, const float* b, std::int64_t n) { return HWY_DYNAMIC_DISPATCH(Dot)(a, b, n); }

}  // namespace matmul_detail
}  // namespace headroom
#endif
