#include "core/attention/meter_kernel.h"

#include <algorithm>
#include <cmath>

#include "core/tensor/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/attention/meter_kernel.cpp"
#include <hwy/foreach_target.h>

#include "core/attention/score_step-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

using score_detail::ChunkCall;
using score_detail::KeyMeters;
using score_detail::LaneBlock;

template <int kVectors>
class ChunkMeter {
 public:
  static constexpr std::int64_t kWidth = kVectors * kLanes;

  ChunkMeter(const ChunkCall& call, KeyMeters& meters) : call_(call), block_(call.block), scores_(call.scratch), meters_(meters) {}

  void run() {
    ScoreSteps<kVectors> steps(call_.source, block_, scores_);
    steps.for_each(call_.chunk, [&](KeyRange keys, TileVisibility visibility) HWY_ATTR {
      count_rows(keys, visibility);
      add_rows(keys.end - keys.begin);
      for_each_own_key(keys, [](float& prob, double&) { prob = 0; });
      add_keys(keys);
    });
  }

 private:
  /// Calls body(score, rows of its key) for each row whose own key is among these.
  template <typename Body>
  void for_each_own_key(KeyRange keys, const Body& body) {
    const std::span<const std::int64_t> rows = block_.rows();
    auto row = std::lower_bound(rows.begin(), rows.end(), keys.begin);
    for (; row != rows.end() && *row < keys.end; ++row) {
      body(scores_[(*row - keys.begin) * kWidth + (row - rows.begin())], meters_.n_rows[static_cast<std::size_t>(*row)]);
    }
  }

  /// Rows that see each key, and keys that each row sees.
  void count_rows(KeyRange keys, TileVisibility visibility) {
    const Floats d;
    const FloatVec minus = hn::Set(d, kMinusInfinity), one = hn::Set(d, 1.0F);
    double* const n_rows = meters_.n_rows.data() + keys.begin;
    const std::int64_t n = keys.end - keys.begin;
    for (std::int64_t lane = 0; lane < kWidth; lane += kLanes) {
      FloatVec n_keys = hn::Load(d, block_.state(2) + lane);
      if (visibility == TileVisibility::kAll) {
        n_keys = hn::Add(n_keys, hn::Set(d, static_cast<float>(n)));
      } else {
        for (std::int64_t j = 0; j < n; ++j) {
          const auto is_hidden = hn::Eq(hn::Load(d, scores_ + j * kWidth + lane), minus);
          n_keys = hn::Add(n_keys, hn::IfThenZeroElse(is_hidden, one));
          n_rows[j] += static_cast<double>(kLanes) - static_cast<double>(hn::CountTrue(d, is_hidden));
        }
      }
      hn::Store(n_keys, d, block_.state(2) + lane);
    }
    for (std::int64_t j = 0; j < n && visibility == TileVisibility::kAll; ++j)
      n_rows[j] += static_cast<double>(block_.n_rows());
    for_each_own_key(keys, [](float& score, double& rows) { rows -= score == kMinusInfinity ? 0 : 1; });
  }

  /// Scores become probabilities; entropies take them in.
  void add_rows(std::int64_t n) {
    const Floats d;
    const FloatVec log2e = hn::Set(d, kLog2E), far = hn::Set(d, 1000.0F);
    for (std::int64_t lane = 0; lane < kWidth; lane += kLanes) {
      const FloatVec logsumexp = hn::Load(d, block_.state(0) + lane);
      FloatVec entropy = hn::Zero(d);
      for (std::int64_t j = 0; j < n; ++j) {
        float* const score = scores_ + j * kWidth + lane;
        // -log p = logsumexp - score: exact also where p is too small for a logarithm. Beyond `far` p is 0, and 0 * inf would be NaN.
        const FloatVec surprise = hn::Min(hn::Sub(logsumexp, hn::Load(d, score)), far);
        const FloatVec prob = exp2_non_positive(d, hn::Neg(hn::Mul(surprise, log2e)));
        entropy = hn::MulAdd(prob, surprise, entropy);
        hn::Store(prob, d, score);
      }
      hn::Store(hn::Add(hn::Load(d, block_.state(1) + lane), entropy), d, block_.state(1) + lane);
    }
  }

  void add_keys(KeyRange keys) {
    const Floats d;
    for (std::int64_t j = keys.begin; j < keys.end; ++j) {
      const float* const probs = scores_ + (j - keys.begin) * kWidth;
      FloatVec sum = hn::Load(d, probs);
      for (std::int64_t lane = kLanes; lane < kWidth; lane += kLanes)
        sum = hn::Add(sum, hn::Load(d, probs + lane));
      meters_.probs[static_cast<std::size_t>(j)] += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sum)));
    }
  }

  const ChunkCall& call_;
  LaneBlock& block_;
  float* scores_;
  KeyMeters& meters_;
};

void MeterChunk(const ChunkCall& call, KeyMeters& keys) {
  with_width(call.block.width(), [&](auto vectors) HWY_ATTR { ChunkMeter<vectors()>(call, keys).run(); });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
HWY_EXPORT(MeterChunk);

namespace score_detail {

void begin_meters(LaneBlock& block) {
  std::fill_n(block.state(1), 2 * block.width(), 0.0F);
  // Lanes without a row get no probability.
  std::fill(block.state(0) + block.n_rows(), block.state(0) + block.width(), 1e30F);
}

void meter_chunk(const ChunkCall& call, KeyMeters& keys) { HWY_DYNAMIC_DISPATCH(MeterChunk)(call, keys); }

}  // namespace score_detail
}  // namespace headroom
#endif
