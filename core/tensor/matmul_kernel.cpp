#include "core/tensor/matmul_kernel.h"

#include <algorithm>
#include <string_view>

#include "core/tensor/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/tensor/matmul_kernel.cpp"
#include <hwy/foreach_target.h>

#include "core/tensor/dot_tile-inl.h"
#include "core/tensor/product_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

using namespace product;  // NOLINT(google-build-using-namespace): the same room, per instruction set
using matmul_detail::Panel;
using matmul_detail::PanelAxis;
using matmul_detail::Piece;
using matmul_detail::Product;

/// Tiles whose sums wait in the nearest cache, where the depth is cut.
constexpr std::int64_t kTilesPerRound = 16;
constexpr std::int64_t kMaxDepth = 1536;

constexpr std::int64_t kRowsPerWrite = std::max<std::int64_t>(kTileRows, kLanes);

struct KeptRows {
  std::int64_t begin = 0, count = 0;
};

static_assert(kMaxVectors == matmul_detail::kMaxPanelVectors);

std::int64_t Lanes() { return kLanes; }

std::int64_t packed_width(const Panel& panel) { return (panel.end - panel.begin + kLanes - 1) / kLanes * kLanes; }

/// Asks for the n columns that follow those of the transpose: so many rows at once are more than the processor follows by itself.
void fetch_rows(const Transpose& transpose, std::int64_t n) {
  for (std::int64_t r = 0; r < kLanes; ++r) {
    for (std::int64_t c = n; c < 2 * n; c += kFloatsPerLine) {
      hwy::Prefetch(transpose.rows + r * transpose.row_stride + c);
    }
  }
}

void PackPanel(const Product& product, const Panel& panel, float* packed) {
  const std::int64_t depth = product.depth(), width = packed_width(panel), n_columns = panel.end - panel.begin;
  if (product.axis == PanelAxis::kOutCols) {
    for (std::int64_t k = 0; k < depth; ++k) {
      float* const target = packed + k * width;
      std::copy_n(product.source.row(k) + panel.begin, n_columns, target);
      std::fill(target + n_columns, target + width, 0.0F);
    }
    return;
  }
  // Few steps of depth at a time: the part of the panel that all rows write to stays in the nearest cache.
  constexpr std::int64_t kDepthStep = 64;
  for (std::int64_t k_begin = 0; k_begin < depth; k_begin += kDepthStep) {
    const std::int64_t n = std::min(kDepthStep, depth - k_begin);
    float* const target = packed + k_begin * width;
    for (std::int64_t c = 0; c < width; c += kLanes) {
      const Transpose transpose{product.source.row(panel.begin + c) + k_begin, product.source.row_stride, target + c, width};
      if (c + kLanes <= n_columns) {
        if (k_begin + kDepthStep < depth) fetch_rows(transpose, n);
        transpose_lanes(transpose, n);
        continue;
      }
      transpose_each(transpose, n_columns - c, n);
      for (std::int64_t k = 0; k < n; ++k) {
        std::fill(target + k * width + n_columns, target + (k + 1) * width, 0.0F);
      }
    }
  }
}

/// Finished sums [rows.count, kVectors * kLanes] go to their place in the result.
template <int kVectors>
void write_sums(const Product& product, const Panel& panel, KeptRows rows, const float* sums) {
  constexpr std::int64_t kWidth = kVectors * kLanes;
  const std::int64_t n_columns = panel.end - panel.begin;
  if (product.axis == PanelAxis::kOutCols) {
    for (std::int64_t r = 0; r < rows.count; ++r) {
      std::copy_n(sums + r * kWidth, n_columns, product.out.row(rows.begin + r) + panel.begin);
    }
    return;
  }
  for (std::int64_t r = 0; r < rows.count; r += kLanes) {
    const Transpose transpose{sums + r * kWidth, kWidth, product.out.row(panel.begin) + rows.begin + r, product.out.row_stride};
    if (r + kLanes <= rows.count) {
      transpose_lanes(transpose, n_columns);
    } else {
      transpose_each(transpose, rows.count - r, n_columns);
    }
  }
}

template <typename Stored>
const Stored* stored_row(const Product& product, std::int64_t row) {
  return static_cast<const Stored*>(product.broadcast.data) + row * product.broadcast.row_stride;
}

template <int kVectors, typename Stored>
void multiply_rows(const RowOperands<Stored>& operands, std::int64_t n_rows, float* tile) {
  if (n_rows == kTileRows) {
    multiply_tile<kTileRows, kVectors>(operands, tile);
    return;
  }
  // The last rows: tiles of 4, 2 and 1.
  RowOperands<Stored> rest = operands;
  const auto advance = [&rest, &tile, &n_rows](std::int64_t rows) {
    rest.rows += rows * rest.row_stride;
    if (rest.start != nullptr) rest.start += rows;
    tile += rows * kVectors * kLanes;
    n_rows -= rows;
  };
  if (n_rows >= 4) {
    multiply_tile<4, kVectors>(rest, tile);
    advance(4);
  }
  if (n_rows >= 2) {
    multiply_tile<2, kVectors>(rest, tile);
    advance(2);
  }
  if (n_rows == 1) multiply_tile<1, kVectors>(rest, tile);
}

/// The panel with some tiles' rows. Deep products in steps of depth, so that the panel's part stays in the second cache (256 KiB and more)
/// while the tiles read it, one after another; their sums wait meanwhile.
template <int kVectors, typename Stored>
void multiply_panel(const Product& product, const Piece& piece, const float* packed) {
  constexpr std::int64_t kWidth = kVectors * kLanes;
  HWY_ALIGN float tiles[kTilesPerRound * kTileRows * kWidth];
  const float zeros[kTileRows] = {};
  RowOperands<Stored> operands;
  operands.row_stride = product.broadcast.row_stride;
  std::int64_t k = 0, written = piece.row_begin;
  do {
    operands.panel = packed + k * kWidth;
    operands.depth = std::min(kMaxDepth, product.depth() - k);
    float* tile = tiles;
    for (std::int64_t row = piece.row_begin; row < piece.row_end; row += kTileRows, tile += kTileRows * kWidth) {
      const KeptRows rows{row, std::min<std::int64_t>(kTileRows, piece.row_end - row)};
      operands.rows = stored_row<Stored>(product, row) + k;
      operands.ahead = row + kTileRows < piece.row_end ? operands.rows + kTileRows * operands.row_stride : operands.rows;
      operands.start = product.bias.empty() ? zeros : product.bias.data() + row;
      if (k > 0) operands.start = nullptr;
      multiply_rows<kVectors>(operands, rows.count, tile);
      // So many rows at once that whole cache lines are written.
      const std::int64_t n_waiting = rows.begin + rows.count - written;
      if (k + kMaxDepth < product.depth() || (n_waiting < kRowsPerWrite && rows.begin + rows.count < piece.row_end)) continue;
      write_sums<kVectors>(product, piece.panel, {written, n_waiting}, tiles + (written - piece.row_begin) * kWidth);
      written += n_waiting;
    }
    k += kMaxDepth;
  } while (k < product.depth());
}

template <int kRows, typename Stored>
void dot_rows(const DotOperands<Stored>& operands, int n_rows) {
  if constexpr (kRows > 1) {
    if (n_rows < kRows) return dot_rows<kRows - 1>(operands, n_rows);
  }
  dot_tile<kRows>(operands);
}

/// The columns after the panel, as dot products.
template <typename Stored>
void multiply_dots(const Product& product, const Piece& piece) {
  const std::int64_t n_columns = piece.panel.dots_end - piece.panel.end;
  const std::int64_t n_passes = (n_columns + kMaxDotRows - 1) / kMaxDotRows;
  float last_sums[kMaxDotRows * kDotWeights];
  DotOperands<Stored> operands;
  operands.x_stride = product.source.row_stride;
  operands.depth = product.depth();
  for (std::int64_t row = piece.row_begin; row < piece.row_end; row += kDotWeights) {
    const std::int64_t n_weights = std::min<std::int64_t>(kDotWeights, piece.row_end - row);
    for (std::int64_t w = 0; w < kDotWeights; ++w) {
      operands.weights[static_cast<std::size_t>(w)] = stored_row<Stored>(product, std::min(row + w, piece.row_end - 1));
    }
    HWY_ALIGN float start[kDotWeights] = {};
    if (!product.bias.empty()) std::copy_n(product.bias.data() + row, n_weights, start);
    operands.start = start;
    const std::int64_t next_row = row + 2 * kDotWeights <= piece.row_end ? row + kDotWeights : row;
    for (std::int64_t pass = 0; pass < n_passes; ++pass) {
      // Each pass asks for its share of the next weights.
      const std::int64_t ahead_begin = pass * kDotWeights / n_passes, ahead_end = (pass + 1) * kDotWeights / n_passes;
      for (std::int64_t w = 0; w < kDotWeights; ++w) {
        const std::int64_t share = ahead_begin + w % std::max<std::int64_t>(1, ahead_end - ahead_begin);
        operands.ahead[static_cast<std::size_t>(w)] = stored_row<Stored>(product, std::min(next_row + share, piece.row_end - 1));
      }
      const std::int64_t begin = piece.panel.end + pass * n_columns / n_passes;
      const std::int64_t end = piece.panel.end + (pass + 1) * n_columns / n_passes;
      operands.x = product.source.row(begin);
      operands.sums = n_weights == kDotWeights ? product.out.row(begin) + row : last_sums;
      operands.sums_stride = n_weights == kDotWeights ? product.out.row_stride : kDotWeights;
      dot_rows<kMaxDotRows>(operands, static_cast<int>(end - begin));
      for (std::int64_t i = begin; i < end && n_weights < kDotWeights; ++i) {
        std::copy_n(last_sums + (i - begin) * kDotWeights, n_weights, product.out.row(i) + row);
      }
    }
  }
}

template <typename Stored>
void multiply_stored(const Product& product, const Piece& piece, const float* packed) {
  const std::int64_t vectors = packed_width(piece.panel) / kLanes;
  constexpr std::int64_t kRowsPerRound = kTilesPerRound * kTileRows;
  for (std::int64_t begin = piece.row_begin; begin < piece.row_end; begin += kRowsPerRound) {
    const Piece round{piece.panel, begin, std::min(piece.row_end, begin + kRowsPerRound)};
    if (vectors == 3) multiply_panel<3, Stored>(product, round, packed);
    if (vectors == 2) multiply_panel<2, Stored>(product, round, packed);
    if (vectors == 1) multiply_panel<1, Stored>(product, round, packed);
    // After the panel, while the weights are near.
    if (piece.panel.dots_end > piece.panel.end) multiply_dots<Stored>(product, round);
  }
}

void MultiplyPiece(const Product& product, const Piece& piece, const float* packed) {
  switch (product.broadcast.type) {
    case FloatType::kFloat16:
      return multiply_stored<Float16>(product, piece, packed);
    case FloatType::kBFloat16:
      return multiply_stored<BFloat16>(product, piece, packed);
    default:
      return multiply_stored<float>(product, piece, packed);
  }
}

template <typename Stored>
void widen_all(const std::uint16_t* from, std::int64_t n, float* to) {
  const Floats d;
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    hn::StoreU(load_wide(d, reinterpret_cast<const Stored*>(from + i)), d, to + i);
  for (; i < n; ++i)
    to[i] = widen_one(Stored{from[i]});
}

void Widen(FloatType type, std::span<const std::uint16_t> from, float* to) {
  const auto n = static_cast<std::int64_t>(from.size());
  type == FloatType::kFloat16 ? widen_all<Float16>(from.data(), n, to) : widen_all<BFloat16>(from.data(), n, to);
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
HWY_EXPORT(Lanes);
HWY_EXPORT(PackPanel);
HWY_EXPORT(MultiplyPiece);
HWY_EXPORT(Widen);
HWY_EXPORT(Dot);
HWY_EXPORT(SimdName);

const char* simd_name() { return HWY_DYNAMIC_DISPATCH(SimdName)(); }

namespace matmul_detail {

std::int64_t lanes() { return HWY_DYNAMIC_DISPATCH(Lanes)(); }

void pack_panel(const Product& product, const Panel& panel, float* packed) {
  HWY_DYNAMIC_DISPATCH(PackPanel)(product, panel, packed);
}

void multiply_piece(const Product& product, const Piece& piece, const float* packed) {
  HWY_DYNAMIC_DISPATCH(MultiplyPiece)(product, piece, packed);
}

void widen(FloatType type, std::span<const std::uint16_t> from, float* to) { HWY_DYNAMIC_DISPATCH(Widen)(type, from, to); }

float dot(const float* a, const float* b, std::int64_t n) { return HWY_DYNAMIC_DISPATCH(Dot)(a, b, n); }

}  // namespace matmul_detail
}  // namespace headroom
#endif
