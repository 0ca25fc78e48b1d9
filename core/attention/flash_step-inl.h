// One step of fused attention: some keys against the rows of one block. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_ATTENTION_FLASH_STEP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_ATTENTION_FLASH_STEP_INL_H_
#undef HEADROOM_CORE_ATTENTION_FLASH_STEP_INL_H_
#else
#define HEADROOM_CORE_ATTENTION_FLASH_STEP_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "core/attention/flash_block-inl.h"
#include "core/attention/flash_rows-inl.h"
#include "core/attention/flash_tile-inl.h"
#include "core/attention/score_terms-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {

inline constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

/// Where the step's keys and values lie, and the memory that its blocks use one after another.
struct Step {
  Step() {}  // the addresses need not be set

  std::int64_t d_head = 0;
  ScoreTerms terms;
  bool has_terms = false;
  KeyRange keys;                 // in the segment's list
  bool adds_apart = false;       // values that are not finite are added row by row, to those rows alone that see their key
  float* scores = nullptr;       // [keys of a step and one tile, width], base-2 exponents, then probabilities
  float* maximum = nullptr;      // [width]
  const float* zeros = nullptr;  // [d_head]
  Fetch fetch;
  union {
    std::array<const float*, kKeysPerStep> key_rows;
  };
  union {
    std::array<const float*, kKeysPerStep> value_rows;
  };

  float* scores_at(const RowBlock& block, const Run& run) const {
    return scores + run.begin * block.width() + run.first_vector * kLanes;
  }

  void score(const RowBlock& block, const Run& run) {
    const std::int64_t lane = run.first_vector * kLanes;
    ScorePanel panel{.q = block.q + lane,
                     .keys = key_rows.data() + run.begin,
                     .n_keys = run.n_keys() / kTileRows * kTileRows,
                     .d_head = d_head,
                     .stride = block.width(),
                     .scores = scores_at(block, run),
                     .maximum = run.is_mixed || has_terms ? nullptr : maximum + lane,
                     .fetch = &fetch};
    const auto multiply = [&](const ScorePanel& part) {
      switch (run.n_vectors()) {
        case 1:
          return multiply_scores<1>(part);
        case 2:
          return multiply_scores<2>(part);
        default:
          return multiply_scores<3>(part);
      }
    };
    multiply(panel);
    const std::int64_t n_done = panel.n_keys, n_left = run.n_keys() - n_done;
    if (n_left == 0) return;
    std::array<const float*, kTileRows> last{};
    for (std::int64_t r = 0; r < kTileRows; ++r) {
      last[static_cast<std::size_t>(r)] = panel.keys[n_done + std::min(r, n_left - 1)];
    }
    panel.keys = last.data();
    panel.n_keys = n_left;
    panel.scores += n_done * panel.stride;
    multiply(panel);
  }

  /// Soft cap and bias. Where no pair is hidden, the scores raise the maximum.
  HWY_NOINLINE void finish_scores(const flash_detail::KeySegment& segment, const RowBlock& block, const Run& run) {
    const Floats d;
    const auto key_at = [&](std::int64_t j) { return segment.keys[keys.begin + run.begin + j]; };
    for (int v = run.first_vector; v < run.end_vector; ++v) {
      const std::int64_t lane = v * kLanes;
      const FloatVec largest = add_terms(terms, {block.position + lane, block.bias_row + lane}, run.n_keys(), block.width(),
                                         scores + run.begin * block.width() + lane, key_at);
      if (!run.is_mixed) hn::Store(hn::Max(hn::Load(d, maximum + lane), largest), d, maximum + lane);
    }
  }

  /// Scores of hidden pairs become -inf; the others raise the maximum.
  void hide(const RowBlock& block, const Run& run) {
    const Floats d;
    const hn::RebindToSigned<Floats> di;
    const FloatVec hidden = hn::Set(d, kMinusInfinity);
    for (std::int64_t lane = run.first_vector * kLanes; lane < run.end_vector * kLanes; lane += kLanes) {
      const auto first = hn::Load(di, block.first_key + lane), end = hn::Load(di, block.end_key + lane);
      FloatVec largest = hn::Load(d, maximum + lane);
      for (std::int64_t j = run.begin; j < run.end; ++j) {
        const auto key = hn::Set(di, static_cast<std::int32_t>(keys.begin + j));
        float* const at = scores + j * block.width() + lane;
        const FloatVec kept = hn::IfThenElse(hn::RebindMask(d, hn::Lt(key, end)), hn::Load(d, at), hidden);
        const FloatVec visible = hn::IfThenElse(hn::RebindMask(d, hn::Lt(key, first)), hidden, kept);
        largest = hn::Max(largest, visible);
        hn::Store(visible, d, at);
      }
      hn::Store(largest, d, maximum + lane);
    }
  }

  /// The step's maximum becomes the block's, and is from here on what is taken off the scores, and the sums shrink accordingly.
  void raise_maximum_of(const RowBlock& block) {
    const Floats d;
    for (std::int64_t lane = 0; lane < block.width(); lane += kLanes) {
      const FloatVec largest = hn::Load(d, maximum + lane);
      // A row that has seen no key yet has the maximum -inf; -inf - -inf would be NaN.
      const FloatVec origin = hn::IfThenZeroElse(hn::Eq(largest, hn::Set(d, kMinusInfinity)), largest);
      const FloatVec factor = exp2_non_positive(d, hn::Sub(hn::Load(d, block.maximum + lane), origin));
      hn::Store(hn::Mul(hn::Load(d, block.sum + lane), factor), d, block.sum + lane);
      hn::Store(factor, d, block.factor + lane);
      hn::Store(largest, d, block.maximum + lane);
      hn::Store(origin, d, maximum + lane);
    }
  }

  void exponentiate_run(const RowBlock& block, const Run& run) {
    for (int v = run.first_vector; v < run.end_vector; ++v) {
      const std::int64_t lane = v * kLanes;
      exponentiate(scores + run.begin * block.width() + lane, run.n_keys(), {block.width(), maximum + lane, block.sum + lane});
    }
  }

  void rescale(const RowBlock& block) {
    const Floats d;
    const std::int64_t width = block.width();
    for (std::int64_t lane = 0; lane < width; lane += kLanes) {
      const FloatVec factor = hn::Load(d, block.factor + lane);
      for (std::int64_t c = 0; c < d_head; ++c) {
        float* const out = block.out + c * width + lane;
        hn::Store(block.has_out ? hn::Mul(hn::Load(d, out), factor) : hn::Zero(d), d, out);
      }
    }
  }

  void add_values(const RowBlock& block, const Run& run, Start start) {
    const std::int64_t lane = run.first_vector * kLanes;
    ValuePanel panel{.probs = scores_at(block, run),
                     .values = value_rows.data() + run.begin,
                     .n_keys = run.n_keys(),
                     .d_head = d_head,
                     .stride = block.width(),
                     .out = block.out + lane,
                     .factor = block.factor + lane,
                     .start = start,
                     .fetch = &fetch};
    std::array<const float*, kKeysPerStep> finite;
    bool is_finite = true;
    for (std::int64_t j = 0; adds_apart && run.is_mixed && j < panel.n_keys; ++j) {
      const bool is_row_finite = is_finite_row(panel.values[j], d_head);
      finite[static_cast<std::size_t>(j)] = is_row_finite ? panel.values[j] : zeros;
      is_finite = is_finite && is_row_finite;
    }
    const float* const* const values = panel.values;
    if (!is_finite) panel.values = finite.data();
    switch (run.n_vectors()) {
      case 1:
        multiply_values<1>(panel);
        break;
      case 2:
        multiply_values<2>(panel);
        break;
      default:
        multiply_values<3>(panel);
    }
    for (std::int64_t j = 0; !is_finite && j < panel.n_keys; ++j) {
      if (panel.values[j] == zeros) add_to_seeing_rows(block, run, j, values[j]);
    }
  }

  void add_to_seeing_rows(const RowBlock& block, const Run& run, std::int64_t j, const float* value) {
    for (std::int64_t r = run.first_vector * kLanes; r < run.end_vector * kLanes; ++r) {
      const std::int64_t key = keys.begin + run.begin + j;
      if (key < block.first_key[r] || key >= block.end_key[r]) continue;
      for (std::int64_t c = 0; c < d_head; ++c) {
        block.out[c * block.width() + r] += scores[(run.begin + j) * block.width() + r] * value[c];
      }
    }
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
