#include "core/tensor/matmul_kernel.h"

#include <algorithm>

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
  // Four rows of the source at a time: their values leave as one interleaved store, which is the transpose.
  constexpr std::int64_t kBlock = 4;
  for (std::int64_t c = 0; c < width; c += kBlock) {
    const float* rows[kBlock];
    for (std::int64_t r = 0; r < kBlock; ++r) {
      rows[r] = begin + c + r < end ? product.source.row(begin + c + r) : nullptr;
    }
    for (std::int64_t r = 0; r < kBlock; ++r) {
      float* target = packed + c + r;
      if (rows[r] == nullptr) {
        for (std::int64_t k = 0; k < depth; ++k)
          target[k * width] = 0;
      } else {
        for (std::int64_t k = 0; k < depth; ++k)
          target[k * width] = rows[r][k];
      }
    }
  }
}

template <int kVectors>
void multiply(const Product& product, const Piece& piece, const float* packed) {
  constexpr std::int64_t kWidth = kVectors * kLanes;
  HWY_ALIGN float tile[kTileRows * kWidth];
  TileOperands operands;
  operands.panel = packed;
  operands.panel_step = kWidth;
  operands.depth = product.depth();
  const std::int64_t columns = piece.panel_end - piece.panel_begin;
  for (std::int64_t r0 = piece.row_begin; r0 < piece.row_end; r0 += kTileRows) {
    const std::int64_t n_rows = std::min<std::int64_t>(kTileRows, piece.row_end - r0);
    float bias[kTileRows] = {};
    for (std::int64_t r = 0; r < kTileRows; ++r) {
      const std::int64_t row = std::min(r0 + r, piece.row_end - 1);
      operands.rows[r] = product.broadcast.row(row);
      if (!product.bias.empty()) bias[r] = product.bias[static_cast<std::size_t>(row)];
    }
    multiply_tile<kVectors>(operands, nullptr, tile);
    if (product.axis == PanelAxis::kOutCols) {
      for (std::int64_t r = 0; r < n_rows; ++r) {
        std::copy_n(tile + r * kWidth, columns, product.out.row(r0 + r) + piece.panel_begin);
      }
    } else if (n_rows == kTileRows) {
      for (std::int64_t c = 0; c < columns; ++c) {
        float* const target = product.out.row(piece.panel_begin + c) + r0;
        for (std::int64_t r = 0; r < kTileRows; ++r) {
          target[r] = tile[r * kWidth + c] + bias[r];
        }
      }
    } else {
      for (std::int64_t c = 0; c < columns; ++c) {
        float* const target = product.out.row(piece.panel_begin + c) + r0;
        for (std::int64_t r = 0; r < n_rows; ++r) {
          target[r] = tile[r * kWidth + c] + bias[r];
        }
      }
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
  switch (HWY_TARGET) {
    case HWY_AVX3:
    case HWY_AVX3_DL:
      return "AVX-512";
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
