// Score tiles of one block of rows, shared by the kernels that sum, pool and measure them. Included once per instruction set (Highway's
// foreach_target).

#if defined(HEADROOM_CORE_ATTENTION_SCORE_STEP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_ATTENTION_SCORE_STEP_INL_H_
#undef HEADROOM_CORE_ATTENTION_SCORE_STEP_INL_H_
#else
#define HEADROOM_CORE_ATTENTION_SCORE_STEP_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <limits>

#include "core/attention/score_block.h"
#include "core/attention/score_terms-inl.h"
#include "core/tensor/exp-inl.h"
#include "core/tensor/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {

inline constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
inline constexpr float kLog2E = 1.4426950408889634F;

/// Walks one block's keys step by step. scores [keys of the step, width] lie transposed: a row of the attention matrix is a lane, so sums
/// and maxima over keys never cross lanes.
template <int kVectors>
class ScoreSteps {
 public:
  static constexpr std::int64_t kWidth = kVectors * kLanes;

  /// scores: kKeysPerStep + kTileRows rows of kWidth.
  ScoreSteps(const score_detail::ScoreSource& source, score_detail::LaneBlock& block, float* scores)
      : source_(source), block_(block), scores_(scores) {
    terms_.cap = source.soft_cap;
    terms_.bias = source.bias;
    terms_.reach = static_cast<std::int32_t>(source.reach);
    has_terms_ = terms_.is_any();
  }

  /// Calls body(keys, visibility) for each step of the chunk in which some pair is visible, its scores computed: -inf where hidden.
  /// Lanes without a row hold what they may.
  template <typename Body>
  void for_each(const score_detail::KeyChunk& chunk, const Body& body) {
    const std::int64_t end = std::min(chunk.keys.end, block_.range().end);
    for (std::int64_t begin = std::max(chunk.keys.begin, block_.range().begin); begin < end;) {
      const KeyRange keys{begin, std::min(end, (begin / score_detail::kKeysPerStep + 1) * score_detail::kKeysPerStep)};
      begin = keys.end;
      const TileVisibility visibility = look(keys);
      if (visibility == TileVisibility::kNone) continue;
      multiply(chunk, keys);
      if (has_terms_) finish_scores(keys);
      if (visibility == TileVisibility::kSome) hide(keys);
      body(keys, visibility);
    }
  }

 private:
  using IntMask = hn::Mask<Ints>;

  const Mask& mask() const { return *source_.mask; }

  TileVisibility look(KeyRange keys) const {
    switch (mask().pattern.kind) {
      case PatternKind::kDense:
      case PatternKind::kLocalWindow:
        return look_at_ranges(keys);
      case PatternKind::kRandomBlocks:
        return block_.kept_blocks(keys).empty() ? TileVisibility::kNone : TileVisibility::kSome;
      case PatternKind::kHashedBuckets:
        return TileVisibility::kSome;
      case PatternKind::kStrided:
      case PatternKind::kGlobalLocal:
        break;
    }
    return tile_visibility(mask(), 0, {block_.rows().front(), block_.rows().back() + 1}, keys);
  }

  TileVisibility look_at_ranges(KeyRange keys) const {
    bool has_visible = false, has_hidden = false;
    for (std::int64_t lane = 0; lane < block_.n_rows(); ++lane) {
      const std::int64_t first = block_.first_key()[lane], end = block_.end_key()[lane];
      has_visible |= first < keys.end && end > keys.begin;
      has_hidden |= first > keys.begin || end < keys.end;
    }
    if (!has_visible) return TileVisibility::kNone;
    return has_hidden ? TileVisibility::kSome : TileVisibility::kAll;
  }

  void multiply(const score_detail::KeyChunk& chunk, KeyRange keys) const {
    TileOperands operands;
    operands.panel = block_.queries();
    operands.panel_step = kWidth;
    operands.depth = source_.d_head;
    for (std::int64_t j = keys.begin; j < keys.end; j += kTileRows) {
      for (std::int64_t r = 0; r < kTileRows; ++r) {
        operands.rows[r] = chunk.rows + (std::min(j + r, keys.end - 1) - chunk.keys.begin) * source_.d_head;
      }
      multiply_tile<kVectors>(operands, nullptr, scores_ + (j - keys.begin) * kWidth);
    }
  }

  /// Soft cap and bias.
  HWY_NOINLINE void finish_scores(KeyRange keys) const {
    for (std::int64_t lane = 0; lane < kWidth; lane += kLanes) {
      add_terms(terms_, {block_.position() + lane, nullptr}, keys.end - keys.begin, kWidth, scores_ + lane,
                [&](std::int64_t j) { return keys.begin + j; });
    }
  }

  void hide(KeyRange keys) {
    const MaskPattern& pattern = mask().pattern;
    const Ints di;
    const auto all = [](IntVec, IntVec, IntVec key) HWY_ATTR { return hn::Eq(key, key); };
    switch (pattern.kind) {
      case PatternKind::kDense:
      case PatternKind::kLocalWindow:
        return hide_where_not(keys, all);
      case PatternKind::kStrided: {
        const IntVec reach = hn::Set(di, clamp_distance(pattern.stride));
        return hide_where_not(keys, [&](IntVec position, IntVec tag, IntVec key) HWY_ATTR {
          const auto phase = hn::Set(di, static_cast<std::int32_t>(hn::GetLane(key) % pattern.stride));
          return hn::Or(hn::Eq(tag, phase), hn::Lt(hn::Abs(hn::Sub(position, key)), reach));
        });
      }
      case PatternKind::kGlobalLocal: {
        const IntVec reach = hn::Set(di, clamp_distance(pattern.window)), n_global = hn::Set(di, clamp_distance(pattern.n_global));
        return hide_where_not(keys, [&](IntVec position, IntVec, IntVec key) HWY_ATTR {
          return hn::Or(hn::Lt(hn::Min(position, key), n_global), hn::Lt(hn::Abs(hn::Sub(position, key)), reach));
        });
      }
      case PatternKind::kHashedBuckets:
        return hide_where_not(keys, [&](IntVec, IntVec tag, IntVec key) HWY_ATTR {
          return hn::Eq(tag, hn::Set(di, pattern.key_bucket[static_cast<std::size_t>(hn::GetLane(key))]));
        });
      case PatternKind::kRandomBlocks:
        break;
    }
    for (std::int64_t begin = keys.begin; begin < keys.end;) {
      const KeyRange part{begin, std::min(keys.end, (begin / pattern.block + 1) * pattern.block)};
      begin = part.end;
      std::fill_n(block_.tag(), kWidth, 0);
      for (const score_detail::LaneBlock::KeptBlock& kept : block_.kept_blocks(part))
        block_.tag()[kept.lane] = 1;
      hide_where_not(
          part, [&](IntVec, IntVec tag, IntVec) HWY_ATTR { return hn::Gt(tag, hn::Zero(di)); }, keys.begin);
    }
  }

  static std::int32_t clamp_distance(std::int64_t distance) {
    return static_cast<std::int32_t>(std::min(distance, std::int64_t{1} << 29));
  }

  /// Keeps the pairs within each row's range for which keeps(position, tag, key) holds.
  template <typename Keeps>
  void hide_where_not(KeyRange keys, const Keeps& keeps, std::int64_t first_key_of_step) {
    const Floats d;
    const Ints di;
    const FloatVec hidden = hn::Set(d, kMinusInfinity);
    for (std::int64_t lane = 0; lane < kWidth; lane += kLanes) {
      const IntVec first = hn::Load(di, block_.first_key() + lane), end = hn::Load(di, block_.end_key() + lane);
      const IntVec position = hn::Load(di, block_.position() + lane), tag = hn::Load(di, block_.tag() + lane);
      float* scores = scores_ + (keys.begin - first_key_of_step) * kWidth + lane;
      for (std::int64_t j = keys.begin; j < keys.end; ++j, scores += kWidth) {
        const IntVec key = hn::Set(di, static_cast<std::int32_t>(j));
        const IntMask is_kept = hn::AndNot(hn::Lt(key, first), hn::And(hn::Lt(key, end), keeps(position, tag, key)));
        hn::Store(hn::IfThenElse(hn::RebindMask(d, is_kept), hn::Load(d, scores), hidden), d, scores);
      }
    }
  }
  template <typename Keeps>
  void hide_where_not(KeyRange keys, const Keeps& keeps) {
    hide_where_not(keys, keeps, keys.begin);
  }

  const score_detail::ScoreSource& source_;
  score_detail::LaneBlock& block_;
  float* scores_;
  ScoreTerms terms_;
  bool has_terms_ = false;
};

/// Calls run(vectors) with the width of a block as a constant.
template <typename Run>
void with_width(std::int64_t width, const Run& run) {
  if (width == 3 * kLanes) {
    run(std::integral_constant<int, 3>());
  } else if (width == 2 * kLanes) {
    run(std::integral_constant<int, 2>());
  } else {
    run(std::integral_constant<int, 1>());
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
