#include "core/attention/cached_kernel.h"

#include <algorithm>
#include <array>

#include "core/tensor/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/attention/cached_kernel.cpp"
#include <hwy/foreach_target.h>

#include "core/attention/cached_run-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
bool HasCachedKernel() { return false; }
std::size_t CachedScratchSize(const CachedTask&, std::int64_t) { return 0; }
void RunCachedItem(const CachedTask&, const CachedItem&, float*, float*, AttentionWork&) {}  // never called
void FinishProbs(float*, std::size_t, float) {}
#else
bool HasCachedKernel() { return true; }

std::size_t CachedScratchSize(const CachedTask& task, std::int64_t n_queries) {
  std::int64_t rows = 0;
  for (const HeadGroup& group : task.groups)
    rows += n_blocks(n_queries * group.size()) * kMostRows;
  return static_cast<std::size_t>(2 * rows * padded(task.call.config.d_head) + kTileKeys * kMostRows + 2 * kLanes);
}

void RunCachedItem(const CachedTask& task, const CachedItem& item, float* partial, float* scratch, AttentionWork& work) {
  switch (task.call.pages.layout.format) {
    case RowFormat::kFloat32:
      return CachedRun<RowFormat::kFloat32>(task, item, scratch).run(partial, work);
    case RowFormat::kFloat16:
      return CachedRun<RowFormat::kFloat16>(task, item, scratch).run(partial, work);
    case RowFormat::kBFloat16:
      return CachedRun<RowFormat::kBFloat16>(task, item, scratch).run(partial, work);
    case RowFormat::kInt8:
      return CachedRun<RowFormat::kInt8>(task, item, scratch).run(partial, work);
    case RowFormat::kInt4:
      return CachedRun<RowFormat::kInt4>(task, item, scratch).run(partial, work);
  }
}

void FinishProbs(float* scores, std::size_t n, float log2_sum) {
  const Floats d;
  const FloatVec sum = hn::Set(d, log2_sum), hidden = hn::Set(d, kMinusInfinity);
  const auto prob = [&](FloatVec score)
                        HWY_ATTR { return hn::IfThenZeroElse(hn::Eq(score, hidden), exp2_non_positive(d, hn::Sub(score, sum))); };
  const auto lanes = static_cast<std::size_t>(kLanes);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(prob(hn::LoadU(d, scores + i)), d, scores + i);
  if (i == n) return;
  HWY_ALIGN std::array<float, static_cast<std::size_t>(kLanes)> tail{};
  std::copy_n(scores + i, n - i, tail.data());
  hn::Store(prob(hn::Load(d, tail.data())), d, tail.data());
  std::copy_n(tail.data(), n - i, scores + i);
}
#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
HWY_EXPORT(HasCachedKernel);
HWY_EXPORT(CachedScratchSize);
HWY_EXPORT(RunCachedItem);
HWY_EXPORT(FinishProbs);

namespace cached_detail {

bool has_cached_kernel() { return HWY_DYNAMIC_DISPATCH(HasCachedKernel)(); }
std::size_t cached_scratch_size(const CachedTask& task, std::int64_t n_queries) {
  return HWY_DYNAMIC_DISPATCH(CachedScratchSize)(task, n_queries);
}
void run_cached_item(const CachedTask& task, const CachedItem& item, std::span<float> partial, std::span<float> scratch,
                     AttentionWork& work) {
  HWY_DYNAMIC_DISPATCH(RunCachedItem)(task, item, partial.data(), scratch.data(), work);
}
void finish_probs(std::span<float> scores, float log2_sum) {
  HWY_DYNAMIC_DISPATCH(FinishProbs)(scores.data(), scores.size(), log2_sum);
}

}  // namespace cached_detail
}  // namespace headroom
#endif
