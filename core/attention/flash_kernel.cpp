#include "core/attention/flash_kernel.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/attention/dropout.h"
#include "core/tensor/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/attention/flash_kernel.cpp"
#include <hwy/foreach_target.h>

#include <hwy/cache_control.h>

#include "core/tensor/exp-inl.h"
#include "core/tensor/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

using flash_detail::Block;
using flash_detail::Call;

constexpr std::int64_t kMaxRows = kMaxVectors * kLanes;
/// Keys of a step. Rows of K and V often lie pages apart, and more pages than the processor's nearest address table holds (64 to 96)
/// cost a quarter of the speed on long sequences.
constexpr std::int64_t kKeysPerStep = 64;
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

std::int64_t round_up(std::int64_t n, std::int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

std::int64_t BlockRows() { return kMaxRows; }

std::size_t ScratchSize(std::int64_t d_head) {
  return static_cast<std::size_t>(kMaxRows * (d_head + round_up(d_head, kTileRows) + round_up(kKeysPerStep, kTileRows) + 5));
}

/// Everything lies transposed: a row of the attention matrix is a lane, so maxima and sums over keys never cross lanes, and K and V are
/// read where they lie, one scalar at a time, broadcast.
struct Work {
  float* q = nullptr;                 // [d_head, width] times scale * log2(e)
  float* out = nullptr;               // [d_head rounded up to tiles, width]
  float* scores = nullptr;            // [keys of a step rounded up to tiles, width], base-2 exponents, then probabilities
  float* maximum = nullptr;           // [width]
  float* sum = nullptr;               // [width]
  float* factor = nullptr;            // [width] what the maximum's change does to older terms
  std::int32_t* first_key = nullptr;  // [width] each row's visible keys, where the mask is a range
  std::int32_t* end_key = nullptr;
};

template <int kVectors>
class BlockRun {
 public:
  BlockRun(const Call& call, const Block& block, float* scratch) : call_(call), block_(block) {
    const std::int64_t d_head = call.config.d_head;
    const auto take = [&scratch](std::int64_t rows) {
      float* const taken = scratch;
      scratch += rows * kWidth;
      return taken;
    };
    work_.q = take(d_head);
    work_.out = take(round_up(d_head, kTileRows));
    work_.scores = take(round_up(kKeysPerStep, kTileRows));
    work_.maximum = take(1);
    work_.sum = take(1);
    work_.factor = take(1);
    work_.first_key = reinterpret_cast<std::int32_t*>(take(1));
    work_.end_key = reinterpret_cast<std::int32_t*>(take(1));
  }

  void run() {
    pack_queries();
    std::fill_n(work_.maximum, kWidth, kMinusInfinity);
    std::fill_n(work_.sum, kWidth, 0.0F);
    std::fill_n(work_.out, round_up(call_.config.d_head, kTileRows) * kWidth, 0.0F);
    const KeyRange range = find_ranges();
    for (std::int64_t begin = range.begin; begin < range.end; begin += kKeysPerStep) {
      const KeyRange keys{begin, std::min(range.end, begin + kKeysPerStep)};
      const TileVisibility visibility = tile_visibility(call_.config.mask, block_.b, {block_.query_begin, block_.query_end}, keys);
      if (visibility == TileVisibility::kNone) continue;
      compute_scores(keys);
      if (visibility == TileVisibility::kSome) hide(keys);
      exponentiate(keys.end - keys.begin);
      if (call_.config.dropout) drop(keys);
      add_values(keys);
    }
    write_rows();
  }

 private:
  static constexpr std::int64_t kWidth = kVectors * kLanes;

  std::int64_t head_of(std::int64_t row) const { return block_.heads[static_cast<std::size_t>(row / block_.n_queries())]; }
  std::int64_t query_of(std::int64_t row) const { return block_.query_begin + row % block_.n_queries(); }

  void pack_queries() {
    const std::int64_t d_head = call_.config.d_head;
    const auto q = [this](std::int64_t row) { return call_.inputs.q.row(block_.b, head_of(row), query_of(row)); };
    std::int64_t row = 0;
    for (; row + 4 <= block_.n_rows(); row += 4) {
      const float* const rows[4] = {q(row), q(row + 1), q(row + 2), q(row + 3)};
      transpose_four(rows, d_head, work_.q + row, kWidth);
    }
    for (; row < kWidth; ++row) {
      const float* const source = row < block_.n_rows() ? q(row) : nullptr;
      for (std::int64_t c = 0; c < d_head; ++c) {
        work_.q[c * kWidth + row] = source != nullptr ? source[c] : 0.0F;
      }
    }
    const Floats d;
    const FloatVec scale = hn::Set(d, static_cast<float>(static_cast<double>(call_.config.effective_scale()) * 1.4426950408889634));
    for (std::int64_t at = 0; at < d_head * kWidth; at += kLanes) {
      hn::Store(hn::Mul(hn::Load(d, work_.q + at), scale), d, work_.q + at);
    }
  }

  /// Keys that some row sees; each row's own where the mask is a range.
  KeyRange find_ranges() {
    KeyRange all{call_.config.seq_k, 0};
    for (std::int64_t row = 0; row < kWidth; ++row) {
      KeyRange range;
      if (row < block_.n_queries()) {
        range = key_range(call_.config.mask, block_.b, query_of(row), call_.config.seq_k);
      } else if (row < block_.n_rows()) {  // another head, the same query
        range = {work_.first_key[row - block_.n_queries()], work_.end_key[row - block_.n_queries()]};
      }
      work_.first_key[row] = static_cast<std::int32_t>(range.begin);
      work_.end_key[row] = static_cast<std::int32_t>(range.end);
      if (range.begin == range.end) continue;
      all.begin = std::min(all.begin, range.begin);
      all.end = std::max(all.end, range.end);
    }
    return all;
  }

  /// Rows of K and V lie far apart (all heads between them), where the processor does not look ahead by itself: asks for the values of
  /// these keys, which the next step reads, and for the keys of two tiles on.
  void fetch_ahead(std::int64_t key) const {
    constexpr std::int64_t kFloatsPerLine = 16;
    const ConstHeadsView &k = call_.inputs.k, &v = call_.inputs.v;
    for (std::int64_t r = 0; r < kTileRows; ++r) {
      const float* const next_k = k.row(block_.b, block_.kv_head, std::min(key + 2 * kTileRows + r, call_.config.seq_k - 1));
      const float* const this_v = v.row(block_.b, block_.kv_head, std::min(key + r, call_.config.seq_k - 1));
      for (std::int64_t c = 0; c < call_.config.d_head; c += kFloatsPerLine) {
        hwy::Prefetch(next_k + c);
        hwy::Prefetch(this_v + c);
      }
    }
  }

  void compute_scores(KeyRange keys) {
    TileOperands operands;
    operands.panel = work_.q;
    operands.panel_step = kWidth;
    operands.depth = call_.config.d_head;
    for (std::int64_t j = keys.begin; j < keys.end; j += kTileRows) {
      for (std::int64_t r = 0; r < kTileRows; ++r) {
        operands.rows[r] = call_.inputs.k.row(block_.b, block_.kv_head, std::min(j + r, keys.end - 1));
      }
      fetch_ahead(j);
      multiply_tile<kVectors>(operands, nullptr, work_.scores + (j - keys.begin) * kWidth);
    }
  }

  void hide(KeyRange keys) {
    if (!is_range_mask(call_.config.mask)) {
      for (std::int64_t row = 0; row < block_.n_rows(); ++row) {
        for (std::int64_t j = keys.begin; j < keys.end; ++j) {
          if (!is_visible(call_.config.mask, block_.b, query_of(row), j)) {
            work_.scores[(j - keys.begin) * kWidth + row] = kMinusInfinity;
          }
        }
      }
      return;
    }
    const Floats d;
    const hn::RebindToSigned<Floats> di;
    for (std::int64_t j = keys.begin; j < keys.end; ++j) {
      const auto key = hn::Set(di, static_cast<std::int32_t>(j));
      float* const scores = work_.scores + (j - keys.begin) * kWidth;
      for (std::int64_t lane = 0; lane < kWidth; lane += kLanes) {
        const auto is_before = hn::Lt(key, hn::Load(di, work_.first_key + lane));
        const auto is_inside = hn::Lt(key, hn::Load(di, work_.end_key + lane));
        const FloatVec hidden = hn::Set(d, kMinusInfinity);
        const FloatVec kept = hn::IfThenElse(hn::RebindMask(d, is_inside), hn::Load(d, scores + lane), hidden);
        hn::Store(hn::IfThenElse(hn::RebindMask(d, is_before), hidden, kept), d, scores + lane);
      }
    }
  }

  /// scores become 2^(score - maximum); the running maximum and sum take this step in.
  void exponentiate(std::int64_t n_keys) {
    const Floats d;
    for (std::int64_t lane = 0; lane < kWidth; lane += kLanes) {
      float* const scores = work_.scores + lane;
      const FloatVec old_maximum = hn::Load(d, work_.maximum + lane);
      FloatVec maximum = old_maximum, other = old_maximum, third = old_maximum, fourth = old_maximum;  // each waits for itself only
      std::int64_t begin = 0;
      for (; begin + 4 <= n_keys; begin += 4) {
        maximum = hn::Max(maximum, hn::Load(d, scores + begin * kWidth));
        other = hn::Max(other, hn::Load(d, scores + (begin + 1) * kWidth));
        third = hn::Max(third, hn::Load(d, scores + (begin + 2) * kWidth));
        fourth = hn::Max(fourth, hn::Load(d, scores + (begin + 3) * kWidth));
      }
      for (; begin < n_keys; ++begin) {
        maximum = hn::Max(maximum, hn::Load(d, scores + begin * kWidth));
      }
      maximum = hn::Max(hn::Max(maximum, other), hn::Max(third, fourth));
      // A row that has seen no key yet has the maximum -inf; -inf - -inf would be NaN.
      const FloatVec origin = hn::IfThenZeroElse(hn::Eq(maximum, hn::Set(d, kMinusInfinity)), maximum);
      const FloatVec factor = exp2_non_positive(d, hn::Sub(old_maximum, origin));
      FloatVec sum = hn::Mul(hn::Load(d, work_.sum + lane), factor);
      for (std::int64_t j = 0; j < n_keys; ++j) {
        const FloatVec p = exp2_non_positive(d, hn::Sub(hn::Load(d, scores + j * kWidth), origin));
        sum = hn::Add(sum, p);
        hn::Store(p, d, scores + j * kWidth);
      }
      hn::Store(maximum, d, work_.maximum + lane);
      hn::Store(factor, d, work_.factor + lane);
      hn::Store(sum, d, work_.sum + lane);
    }
  }

  void drop(KeyRange keys) {
    const float factor = kept_factor(*call_.config.dropout);
    for (std::int64_t row = 0; row < block_.n_rows(); ++row) {
      DropoutCell cell{block_.b, head_of(row), query_of(row), 0};
      for (cell.j = keys.begin; cell.j < keys.end; ++cell.j) {
        work_.scores[(cell.j - keys.begin) * kWidth + row] *= is_kept(*call_.config.dropout, cell) ? factor : 0.0F;
      }
    }
  }

  void add_values(KeyRange keys) {
    const std::int64_t d_head = call_.config.d_head;
    const float* const values = call_.inputs.v.row(block_.b, block_.kv_head, keys.begin);
    TileOperands operands;
    operands.row_step = call_.inputs.v.row_stride;
    operands.panel = work_.scores;
    operands.panel_step = kWidth;
    operands.depth = keys.end - keys.begin;
    for (std::int64_t c = 0; c < d_head; c += kTileRows) {
      for (std::int64_t r = 0; r < kTileRows; ++r) {
        operands.rows[r] = values + std::min(c + r, d_head - 1);
      }
      multiply_tile<kVectors>(operands, work_.factor, work_.out + c * kWidth);
    }
  }

  void write_rows() {
    const AttentionConfig& config = call_.config;
    for (std::int64_t row = 0; row < kWidth; ++row) {
      // The largest term of a row that saw a key is 1, so only a masked row has no sum. (NaN has one: it is not hidden.)
      const float sum = work_.sum[row];
      work_.factor[row] = sum == 0 ? 0.0F : 1.0F / sum;
      if (row >= block_.n_rows()) continue;
      const double logsumexp = (static_cast<double>(work_.maximum[row]) + std::log2(static_cast<double>(sum))) * 0.6931471805599453;
      call_.outputs.logsumexp[static_cast<std::size_t>((block_.b * config.n_heads + head_of(row)) * config.seq_q + query_of(row))] =
          sum == 0 ? kMinusInfinity : static_cast<float>(logsumexp);
    }
    const Floats d;
    for (std::int64_t c = 0; c < config.d_head; ++c) {
      for (std::int64_t lane = 0; lane < kWidth; lane += kLanes) {
        float* const out = work_.out + c * kWidth + lane;
        hn::Store(hn::Mul(hn::Load(d, out), hn::Load(d, work_.factor + lane)), d, out);
      }
    }
    const std::int64_t n_queries = block_.n_queries();
    for (std::size_t h = 0; h < block_.heads.size(); ++h) {
      const float* const first = work_.out + static_cast<std::int64_t>(h) * n_queries;
      float* const target = call_.outputs.out.row(block_.b, block_.heads[h], block_.query_begin);
      const std::int64_t step = call_.outputs.out.row_stride;
      std::int64_t c = 0;
      for (; c + 4 <= config.d_head; c += 4) {
        const float* const rows[4] = {first + c * kWidth, first + (c + 1) * kWidth, first + (c + 2) * kWidth,
                                      first + (c + 3) * kWidth};
        transpose_four(rows, n_queries, target + c, step);
      }
      for (; c < config.d_head; ++c) {
        for (std::int64_t i = 0; i < n_queries; ++i) {
          target[i * step + c] = first[c * kWidth + i];
        }
      }
    }
  }

  const Call& call_;
  const Block& block_;
  Work work_;
};

void RunBlock(const Call& call, const Block& block, float* scratch) {
  const std::int64_t vectors = round_up(block.n_rows(), kLanes) / kLanes;
  if (vectors == 3) {
    BlockRun<3>(call, block, scratch).run();
  } else if (vectors == 2) {
    BlockRun<2>(call, block, scratch).run();
  } else {
    BlockRun<1>(call, block, scratch).run();
  }
}

void Exp2Each(std::span<float> values) {
  const Floats d;
  HWY_ALIGN float lanes[kLanes] = {};
  for (std::size_t i = 0; i < values.size(); i += static_cast<std::size_t>(kLanes)) {
    const std::size_t n = std::min(values.size() - i, static_cast<std::size_t>(kLanes));
    std::copy_n(values.data() + i, n, lanes);
    hn::Store(exp2_non_positive(d, hn::Load(d, lanes)), d, lanes);
    std::copy_n(lanes, n, values.data() + i);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
HWY_EXPORT(BlockRows);
HWY_EXPORT(ScratchSize);
HWY_EXPORT(RunBlock);
HWY_EXPORT(Exp2Each);

namespace flash_detail {

std::int64_t block_rows() { return HWY_DYNAMIC_DISPATCH(BlockRows)(); }
std::size_t scratch_size(std::int64_t d_head) { return HWY_DYNAMIC_DISPATCH(ScratchSize)(d_head); }
void run_block(const Call& call, const Block& block, std::span<float> scratch) {
  HWY_DYNAMIC_DISPATCH(RunBlock)(call, block, scratch.data());
}
void exp2_each(std::span<float> values) { HWY_DYNAMIC_DISPATCH(Exp2Each)(values); }

}  // namespace flash_detail
}  // namespace headroom
#endif
