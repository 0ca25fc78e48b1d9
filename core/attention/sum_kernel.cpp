#include "core/attention/sum_kernel.h"

#include <algorithm>
#include <cmath>

#include "core/tensor/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/attention/sum_kernel.cpp"
#include <hwy/foreach_target.h>

#include "core/attention/sum_step-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

using score_detail::ChunkCall;
using score_detail::ScoreSource;

std::int64_t Lanes() { return kLanes; }
std::size_t ScratchSize() { return static_cast<std::size_t>((4 * score_detail::kKeysPerStep + kTileRows) * kMaxVectors * kLanes); }

void PackQueries(const ScoreSource& source, std::span<const std::int64_t> rows, std::int64_t width, float* packed) {
  const auto q = [&](std::int64_t lane) { return source.q + rows[static_cast<std::size_t>(lane)] * source.q_stride; };
  const std::int64_t n_rows = std::ssize(rows);
  std::int64_t lane = 0;
  for (; lane + 4 <= n_rows; lane += 4) {
    const float* const four[4] = {q(lane), q(lane + 1), q(lane + 2), q(lane + 3)};
    transpose_four(four, source.d_head, packed + lane, width);
  }
  for (; lane < width; ++lane) {
    for (std::int64_t c = 0; c < source.d_head; ++c) {
      packed[c * width + lane] = lane < n_rows ? q(lane)[c] : 0.0F;
    }
  }
  const Floats d;
  const FloatVec scale = hn::Set(d, source.scale);
  for (std::int64_t at = 0; at < source.d_head * width; at += kLanes) {
    hn::Store(hn::Mul(hn::Load(d, packed + at), scale), d, packed + at);
  }
}

void AddChunk(const ChunkCall& call) {
  with_width(call.block.width(), [&](auto vectors) HWY_ATTR {
    ScoreSteps<vectors()> steps(call.source, call.block, call.scratch);
    steps.for_each(call.chunk, [&](KeyRange keys, TileVisibility visibility) HWY_ATTR {
      if (visibility == TileVisibility::kAll) {
        add_step<vectors(), false, false>(call.block, keys, call.scratch);
      } else {
        add_step<vectors(), true, false>(call.block, keys, call.scratch);
      }
    });
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
HWY_EXPORT(Lanes);
HWY_EXPORT(ScratchSize);
HWY_EXPORT(PackQueries);
HWY_EXPORT(AddChunk);

namespace score_detail {

std::int64_t lanes() { return HWY_DYNAMIC_DISPATCH(Lanes)(); }
std::size_t scratch_size() { return HWY_DYNAMIC_DISPATCH(ScratchSize)(); }

void pack_queries(const ScoreSource& source, std::span<const std::int64_t> rows, std::int64_t width, float* packed) {
  HWY_DYNAMIC_DISPATCH(PackQueries)(source, rows, width, packed);
}

void begin_sums(LaneBlock& block) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float start[] = {-infinity, 0, infinity, infinity, -infinity, -infinity};
  for (std::int64_t i = 0; i < 6; ++i)
    std::fill_n(block.state(i), block.width(), start[i]);
}

void add_chunk(const ChunkCall& call) { HWY_DYNAMIC_DISPATCH(AddChunk)(call); }

RowSummary end_sums(LaneBlock& block, std::int64_t lane) {
  const float sum = block.state(1)[lane];
  const double logsumexp = (static_cast<double>(block.state(5)[lane]) + std::log2(static_cast<double>(sum))) * 0.6931471805599453;
  return {.logsumexp = sum == 0 ? -std::numeric_limits<float>::infinity() : static_cast<float>(logsumexp),
          .smallest = block.state(2)[lane],
          .largest = block.state(0)[lane],
          .smallest_later = block.state(3)[lane],
          .largest_later = block.state(4)[lane]};
}

}  // namespace score_detail
}  // namespace headroom
#endif
