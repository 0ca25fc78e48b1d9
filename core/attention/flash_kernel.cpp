#include "core/attention/flash_kernel.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/attention/dropout.h"
#include "core/tensor/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/attention/flash_kernel.cpp"
#include <hwy/foreach_target.h>

#include <hwy/cache_control.h>

#include "core/attention/flash_rows-inl.h"
#include "core/attention/flash_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

using flash_detail::Call;
using flash_detail::Item;
using flash_detail::KeySegment;
using flash_detail::Result;

constexpr std::int64_t kBlocks = 4;  // of an item: they share each step's keys and values while the nearer caches hold them
constexpr std::int64_t kBlockRows = kMaxVectors * kLanes;
constexpr std::int64_t kKeysPerStep = 128;
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr double kLog2e = 1.4426950408889634, kLn2 = 0.6931471805599453;

std::int64_t RowsPerItem() { return kBlocks * kBlockRows; }

std::size_t ScratchSize(const AttentionConfig& config) {
  const std::int64_t block = kBlockRows * (2 * config.d_head + 5);
  const std::int64_t step = kBlockRows * (kKeysPerStep + kTileRows + 1 + config.d_head) + config.d_head + kLanes;
  const std::int64_t wide = config.kv_storage == KvStorage::kFloat32 ? 0 : 2 * kKeysPerStep * config.d_head;
  return static_cast<std::size_t>(kBlocks * block + step + wide);
}

/// The rows of one register panel, one row a lane, and what they have gathered so far.
struct RowBlock {
  std::int64_t row_begin = 0, n_rows = 0;
  int n_vectors = 0;
  bool has_out = false;               // out holds a sum; before, it holds nothing
  float* q = nullptr;                 // [d_head, width] times scale * log2(e)
  float* out = nullptr;               // [d_head, width]
  float* maximum = nullptr;           // [width] of the scores, in base 2
  float* sum = nullptr;               // [width]
  float* factor = nullptr;            // [width] what the last step's maximum does to older terms
  std::int32_t* first_key = nullptr;  // [width] each row's visible run of the segment
  std::int32_t* end_key = nullptr;
  /// Per vector: the keys that some row sees, and those that all see.
  struct Bounds {
    std::int64_t first = 0, end = 0, full_first = 0, full_end = 0;
  };
  std::array<Bounds, kMaxVectors> bounds;

  std::int64_t width() const { return n_vectors * kLanes; }
};

/// Neighbouring tiles of a step that the same vectors see, all of each or not.
struct Run {
  std::int64_t begin = 0, end = 0;  // keys, counted from the step's first
  int first_vector = 0, end_vector = 0;
  bool is_mixed = false;
};

class ItemRun {
 public:
  ItemRun(const Call& call, const Item& item, float* scratch)
      : call_(call), item_(item), set_(call.plan.set(item)), heads_(call.plan.heads(call.plan.group(item))), scratch_(scratch) {}

  void run(Result result, AttentionWork& work) {
    cut_blocks();
    scores_ = take((kKeysPerStep + kTileRows) * kBlockRows);
    step_maximum_ = take(kBlockRows);
    rows_ = take(kBlockRows * d_head_);
    zeros_ = take(d_head_ + kLanes);
    std::fill_n(zeros_, d_head_, 0.0F);
    if (is_narrow()) {
      wide_k_ = take(kKeysPerStep * d_head_);
      wide_v_ = take(kKeysPerStep * d_head_);
    }
    for (const KeySegment& segment : call_.plan.segments(set_))
      run_segment(segment, work);
    for (std::size_t i = 0; i < n_blocks_; ++i)
      write(blocks_[i], result);
    work.bytes_moved += 8.0 * static_cast<double>((item_.row_end - item_.row_begin) * d_head_);
  }

 private:
  float* take(std::int64_t floats) {
    float* const taken = scratch_;
    scratch_ += (floats + kLanes - 1) / kLanes * kLanes;
    return taken;
  }

  bool is_narrow() const { return call_.config.kv_storage != KvStorage::kFloat32; }
  std::int64_t n_heads() const { return static_cast<std::int64_t>(heads_.size()); }
  std::int64_t query_of(std::int64_t row) const { return set_.queries[row / n_heads()]; }
  std::int64_t head_of(std::int64_t row) const { return heads_[static_cast<std::size_t>(row % n_heads())]; }

  void cut_blocks() {
    for (std::int64_t row = item_.row_begin; row < item_.row_end;) {
      const std::int64_t n_left = item_.row_end - row;
      RowBlock& block = blocks_[n_blocks_++];
      block = RowBlock{};
      block.row_begin = row;
      // Never a last block of one vector where it can be helped: it would leave most registers idle.
      const bool splits_evenly = n_left > kBlockRows && n_left <= kBlockRows + kLanes;
      block.n_rows = splits_evenly ? 2 * kLanes : std::min(n_left, kBlockRows);
      block.n_vectors = static_cast<int>((block.n_rows + kLanes - 1) / kLanes);
      const std::int64_t width = block.width();
      block.q = take(d_head_ * width);
      block.out = take(d_head_ * width);
      block.maximum = take(width);
      block.sum = take(width);
      block.factor = take(width);
      block.first_key = reinterpret_cast<std::int32_t*>(take(width));
      block.end_key = reinterpret_cast<std::int32_t*>(take(width));
      std::fill_n(block.maximum, width, kMinusInfinity);
      std::fill_n(block.sum, width, 0.0F);
      pack(block);
      row += block.n_rows;
    }
  }

  void pack(const RowBlock& block) {
    const auto factor = static_cast<float>(static_cast<double>(call_.config.effective_scale()) * kLog2e);
    std::array<const float*, kBlockRows> rows{};
    for (std::int64_t r = 0; r < block.width(); ++r) {  // lanes beyond the rows repeat the last one
      const std::int64_t row = block.row_begin + std::min(r, block.n_rows - 1);
      rows[static_cast<std::size_t>(r)] = call_.inputs.q.row(item_.b, head_of(row), query_of(row));
    }
    for (std::int64_t lane = 0; lane < block.width(); lane += kLanes) {
      pack_lanes(rows.data() + lane, d_head_, factor, block.q + lane, block.width());
    }
  }

  void run_segment(const KeySegment& segment, AttentionWork& work) {
    std::int64_t first = segment.keys.count, end = 0;
    for (std::size_t i = 0; i < n_blocks_; ++i) {
      find_ranges(segment, blocks_[i]);
      for (int v = 0; v < blocks_[i].n_vectors; ++v) {
        const RowBlock::Bounds& bounds = blocks_[i].bounds[static_cast<std::size_t>(v)];
        if (bounds.first >= bounds.end) continue;
        first = std::min(first, bounds.first);
        end = std::max(end, bounds.end);
      }
    }
    for (std::int64_t begin = first; begin < end; begin += kKeysPerStep) {
      const KeyRange step{begin, std::min(end, begin + kKeysPerStep)};
      find_rows(segment, step);
      for (std::size_t i = 0; i < n_blocks_; ++i)
        run_step(segment, step, blocks_[i], work);
    }
    work.bytes_moved += (is_narrow() ? 4.0 : 8.0) * static_cast<double>(std::max<std::int64_t>(0, end - first) * d_head_);
  }

  /// Each row's visible run of the segment's list.
  void find_ranges(const KeySegment& segment, RowBlock& block) {
    KeyRange run;
    std::int64_t known_query = -1;
    for (int v = 0; v < block.n_vectors; ++v) {
      RowBlock::Bounds& bounds = block.bounds[static_cast<std::size_t>(v)];
      bounds = {segment.keys.count, 0, 0, segment.keys.count};
      for (std::int64_t r = v * kLanes; r < (v + 1) * kLanes; ++r) {
        const std::int64_t query = query_of(block.row_begin + std::min(r, block.n_rows - 1));
        if (query != known_query) {
          const KeyRange seen = rule_range(call_.config, segment, item_.b, query);
          run = {segment.keys.count_below(seen.begin), segment.keys.count_below(seen.end)};
          if (run.begin >= run.end) run = {0, 0};
          known_query = query;
        }
        block.first_key[r] = static_cast<std::int32_t>(run.begin);
        block.end_key[r] = static_cast<std::int32_t>(run.end);
        bounds.full_first = std::max(bounds.full_first, run.begin);
        bounds.full_end = std::min(bounds.full_end, run.end);
        if (run.begin == run.end) continue;
        bounds.first = std::min(bounds.first, run.begin);
        bounds.end = std::max(bounds.end, run.end);
      }
    }
  }

  /// Where the step's keys and values lie.
  void find_rows(const KeySegment& segment, KeyRange step) {
    const std::int64_t kv_head = call_.plan.group(item_).kv_head;
    const AttentionInputs& inputs = call_.inputs;
    for (std::int64_t i = 0; i < step.end - step.begin; ++i) {
      const std::int64_t key = segment.keys[step.begin + i];
      const auto at = static_cast<std::size_t>(i);
      if (is_narrow()) {
        widen_row(inputs.k16.row(item_.b, kv_head, key), d_head_, call_.config.kv_storage, wide_k_ + i * d_head_);
        widen_row(inputs.v16.row(item_.b, kv_head, key), d_head_, call_.config.kv_storage, wide_v_ + i * d_head_);
        key_rows_[at] = wide_k_ + i * d_head_;
        value_rows_[at] = wide_v_ + i * d_head_;
      } else {
        key_rows_[at] = inputs.k.row(item_.b, kv_head, key);
        value_rows_[at] = inputs.v.row(item_.b, kv_head, key);
      }
    }
  }

  std::size_t find_runs(const RowBlock& block, KeyRange step, std::array<Run, kKeysPerStep / kTileRows + 1>& runs) const {
    std::size_t n_runs = 0;
    std::int64_t first = step.end, end = step.begin;
    for (int v = 0; v < block.n_vectors; ++v) {
      const RowBlock::Bounds& bounds = block.bounds[static_cast<std::size_t>(v)];
      if (bounds.first >= bounds.end) continue;
      first = std::min(first, std::max(bounds.first, step.begin));
      end = std::max(end, std::min(bounds.end, step.end));
    }
    for (std::int64_t j = first; j < end; j += kTileRows) {
      const std::int64_t tile_end = std::min(end, j + kTileRows);
      Run run{j - step.begin, tile_end - step.begin, block.n_vectors, 0, false};
      for (int v = 0; v < block.n_vectors; ++v) {
        const RowBlock::Bounds& bounds = block.bounds[static_cast<std::size_t>(v)];
        if (bounds.first >= tile_end || bounds.end <= j) continue;
        run.first_vector = std::min(run.first_vector, v);
        run.end_vector = v + 1;
      }
      if (run.first_vector >= run.end_vector) continue;
      for (int v = run.first_vector; v < run.end_vector; ++v) {
        const RowBlock::Bounds& bounds = block.bounds[static_cast<std::size_t>(v)];
        run.is_mixed = run.is_mixed || bounds.full_first > j || bounds.full_end < tile_end;
      }
      Run* const last = n_runs > 0 ? &runs[n_runs - 1] : nullptr;
      if (last != nullptr && last->end == run.begin && last->first_vector == run.first_vector &&
          last->end_vector == run.end_vector && last->is_mixed == run.is_mixed) {
        last->end = run.end;
      } else {
        runs[n_runs++] = run;
      }
    }
    return n_runs;
  }

  void run_step(const KeySegment& segment, KeyRange step, RowBlock& block, AttentionWork& work) {
    std::array<Run, kKeysPerStep / kTileRows + 1> runs;
    const std::size_t n_runs = find_runs(block, step, runs);
    if (n_runs == 0) return;
    step_begin_ = step.begin;
    std::copy_n(block.maximum, block.width(), step_maximum_);
    for (std::size_t i = 0; i < n_runs; ++i) {
      score(block, runs[i]);
      if (runs[i].is_mixed) hide(block, step, runs[i]);
      const std::int64_t pairs = (runs[i].end - runs[i].begin) * (runs[i].end_vector - runs[i].first_vector) * kLanes;
      work.flops += 4.0 * static_cast<double>(pairs * d_head_);
    }
    raise_maximum_of(block);
    for (std::size_t i = 0; i < n_runs; ++i) {
      const std::int64_t lane = runs[i].first_vector * kLanes;
      exponentiate_run(runs[i], scores_at(block, runs[i]), {block.width(), step_maximum_ + lane, block.sum + lane});
      if (call_.config.dropout) drop(segment, step, block, runs[i]);
    }
    const bool is_whole = n_runs == 1 && runs[0].end_vector - runs[0].first_vector == block.n_vectors;
    if (!is_whole) rescale(block);
    for (std::size_t i = 0; i < n_runs; ++i) {
      add_values(block, runs[i], is_whole ? (block.has_out ? Start::kScale : Start::kZero) : Start::kAdd);
    }
    block.has_out = true;
  }

  float* scores_at(const RowBlock& block, const Run& run) const {
    return scores_ + run.begin * block.width() + run.first_vector * kLanes;
  }

  void score(const RowBlock& block, const Run& run) {
    const std::int64_t lane = run.first_vector * kLanes;
    ScorePanel panel{.q = block.q + lane,
                     .keys = key_rows_.data() + run.begin,
                     .n_keys = (run.end - run.begin) / kTileRows * kTileRows,
                     .d_head = d_head_,
                     .stride = block.width(),
                     .scores = scores_at(block, run),
                     .maximum = run.is_mixed ? nullptr : step_maximum_ + lane};
    const auto multiply = [&](const ScorePanel& part) {
      switch (run.end_vector - run.first_vector) {
        case 1:
          return multiply_scores<1>(part);
        case 2:
          return multiply_scores<2>(part);
        default:
          return multiply_scores<3>(part);
      }
    };
    multiply(panel);
    const std::int64_t n_done = panel.n_keys, n_left = run.end - run.begin - n_done;
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

  /// Scores of hidden pairs become -inf; the others raise the maximum.
  void hide(const RowBlock& block, KeyRange step, const Run& run) {
    const Floats d;
    const hn::RebindToSigned<Floats> di;
    const FloatVec hidden = hn::Set(d, kMinusInfinity);
    for (std::int64_t lane = run.first_vector * kLanes; lane < run.end_vector * kLanes; lane += kLanes) {
      const auto first = hn::Load(di, block.first_key + lane), end = hn::Load(di, block.end_key + lane);
      FloatVec maximum = hn::Load(d, step_maximum_ + lane);
      for (std::int64_t j = run.begin; j < run.end; ++j) {
        const auto key = hn::Set(di, static_cast<std::int32_t>(step.begin + j));
        float* const at = scores_ + j * block.width() + lane;
        const FloatVec kept = hn::IfThenElse(hn::RebindMask(d, hn::Lt(key, end)), hn::Load(d, at), hidden);
        const FloatVec score = hn::IfThenElse(hn::RebindMask(d, hn::Lt(key, first)), hidden, kept);
        maximum = hn::Max(maximum, score);
        hn::Store(score, d, at);
      }
      hn::Store(maximum, d, step_maximum_ + lane);
    }
  }

  /// The step's maximum becomes the block's, step_maximum_ what is taken off the scores, and the sums shrink accordingly.
  void raise_maximum_of(const RowBlock& block) {
    const Floats d;
    for (std::int64_t lane = 0; lane < block.width(); lane += kLanes) {
      const FloatVec maximum = hn::Load(d, step_maximum_ + lane);
      // A row that has seen no key yet has the maximum -inf; -inf - -inf would be NaN.
      const FloatVec origin = hn::IfThenZeroElse(hn::Eq(maximum, hn::Set(d, kMinusInfinity)), maximum);
      const FloatVec factor = exp2_non_positive(d, hn::Sub(hn::Load(d, block.maximum + lane), origin));
      hn::Store(hn::Mul(hn::Load(d, block.sum + lane), factor), d, block.sum + lane);
      hn::Store(factor, d, block.factor + lane);
      hn::Store(maximum, d, block.maximum + lane);
      hn::Store(origin, d, step_maximum_ + lane);
    }
  }

  static void exponentiate_run(const Run& run, float* scores, const ExpPanel& panel) {
    const std::int64_t n_keys = run.end - run.begin;
    for (int v = run.first_vector; v < run.end_vector; ++v) {
      const std::int64_t lane = (v - run.first_vector) * kLanes;
      exponentiate(scores + lane, n_keys, {panel.stride, panel.origin + lane, panel.sum + lane});
    }
  }

  void drop(const KeySegment& segment, KeyRange step, const RowBlock& block, const Run& run) {
    const Dropout& dropout = *call_.config.dropout;
    const float factor = kept_factor(dropout);
    for (std::int64_t r = run.first_vector * kLanes; r < std::min<std::int64_t>(block.n_rows, run.end_vector * kLanes); ++r) {
      const std::int64_t row = block.row_begin + r;
      DropoutCell cell{item_.b, head_of(row), query_of(row), 0};
      for (std::int64_t j = run.begin; j < run.end; ++j) {
        cell.j = segment.keys[step.begin + j];
        scores_[j * block.width() + r] *= is_kept(dropout, cell) ? factor : 0.0F;
      }
    }
  }

  void rescale(const RowBlock& block) {
    const Floats d;
    const std::int64_t width = block.width();
    for (std::int64_t lane = 0; lane < width; lane += kLanes) {
      const FloatVec factor = hn::Load(d, block.factor + lane);
      for (std::int64_t c = 0; c < d_head_; ++c) {
        float* const out = block.out + c * width + lane;
        hn::Store(block.has_out ? hn::Mul(hn::Load(d, out), factor) : hn::Zero(d), d, out);
      }
    }
  }

  void add_values(const RowBlock& block, const Run& run, Start start) {
    const std::int64_t lane = run.first_vector * kLanes;
    ValuePanel panel{.probs = scores_at(block, run),
                     .values = value_rows_.data() + run.begin,
                     .n_keys = run.end - run.begin,
                     .d_head = d_head_,
                     .stride = block.width(),
                     .out = block.out + lane,
                     .factor = block.factor + lane,
                     .start = start};
    std::array<const float*, kKeysPerStep> finite;
    bool is_finite = true;
    for (std::int64_t j = 0; run.is_mixed && j < panel.n_keys; ++j) {
      // A hidden pair's weight is 0, but 0 times an infinite value would not be: such values are added apart.
      const bool is_row_finite = is_finite_row(panel.values[j], d_head_);
      finite[static_cast<std::size_t>(j)] = is_row_finite ? panel.values[j] : zeros_;
      is_finite = is_finite && is_row_finite;
    }
    const float* const* const values = panel.values;
    if (!is_finite) panel.values = finite.data();
    switch (run.end_vector - run.first_vector) {
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
      if (panel.values[j] == zeros_) add_to_seeing_rows(block, run, j, values[j]);
    }
  }

  void add_to_seeing_rows(const RowBlock& block, const Run& run, std::int64_t j, const float* value) {
    for (std::int64_t r = run.first_vector * kLanes; r < run.end_vector * kLanes; ++r) {
      const std::int64_t key = step_begin_ + run.begin + j;
      if (key < block.first_key[r] || key >= block.end_key[r]) continue;
      for (std::int64_t c = 0; c < d_head_; ++c) {
        block.out[c * block.width() + r] += scores_[(run.begin + j) * block.width() + r] * value[c];
      }
    }
  }

  void write(const RowBlock& block, Result result);

  const Call& call_;
  const Item& item_;
  const flash_detail::QuerySet& set_;
  std::span<const std::int64_t> heads_;
  std::int64_t d_head_ = call_.config.d_head;
  float* scratch_;
  std::array<RowBlock, kBlocks> blocks_;
  std::size_t n_blocks_ = 0;
  std::array<const float*, kKeysPerStep> key_rows_{}, value_rows_{};  // of the step
  std::int64_t step_begin_ = 0;
  float* scores_ = nullptr;        // [keys of a step and one tile, width], base-2 exponents, then probabilities
  float* step_maximum_ = nullptr;  // [width]
  float* rows_ = nullptr;          // [rows, d_head] finished, before they are merged
  float* zeros_ = nullptr;         // [d_head]
  float* wide_k_ = nullptr;        // [keys of a step, d_head], of 16-bit storage
  float* wide_v_ = nullptr;
};

/// Writes or merges one block's rows.
void ItemRun::write(const RowBlock& block, Result result) {
  const std::int64_t width = block.width();
  std::array<float*, kBlockRows> rows{};
  for (std::int64_t r = 0; r < width; ++r) {
    const std::int64_t row = block.row_begin + r;
    const bool is_written = r < block.n_rows && result == Result::kWritten;
    rows[static_cast<std::size_t>(r)] =
        is_written ? call_.outputs.out.row(item_.b, head_of(row), query_of(row)) : rows_ + r * d_head_;
    // The largest term of a row that saw a key is 1, so only a masked row has no sum. (NaN has one: it is not hidden.)
    block.factor[r] = block.sum[r] == 0 ? 0.0F : 1.0F / block.sum[r];
  }
  if (!block.has_out) std::fill_n(block.out, d_head_ * width, 0.0F);
  for (std::int64_t lane = 0; lane < width; lane += kLanes) {
    unpack_lanes(block.out + lane, width, block.factor + lane, d_head_, rows.data() + lane);
  }
  for (std::int64_t r = 0; r < block.n_rows; ++r) {
    const std::int64_t row = block.row_begin + r, head = head_of(row), query = query_of(row);
    float& place =
        call_.outputs.logsumexp[static_cast<std::size_t>((item_.b * call_.config.n_heads + head) * call_.config.seq_q + query)];
    const double sum = static_cast<double>(block.sum[r]);
    const double logsumexp =
        sum == 0 ? static_cast<double>(kMinusInfinity) : (static_cast<double>(block.maximum[r]) + std::log2(sum)) * kLn2;
    if (result == Result::kWritten) {
      place = static_cast<float>(logsumexp);
    } else if (sum != 0) {
      flash_detail::merge_row({call_.outputs.out.row(item_.b, head, query), place}, {rows_ + r * d_head_, logsumexp}, d_head_);
    }
  }
}

void RunItem(const Call& call, const Item& item, Result result, float* scratch, AttentionWork& work) {
  ItemRun(call, item, scratch).run(result, work);
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
HWY_EXPORT(RowsPerItem);
HWY_EXPORT(ScratchSize);
HWY_EXPORT(RunItem);
HWY_EXPORT(Exp2Each);

namespace flash_detail {

std::int64_t rows_per_item() { return HWY_DYNAMIC_DISPATCH(RowsPerItem)(); }
std::size_t scratch_size(const AttentionConfig& config) { return HWY_DYNAMIC_DISPATCH(ScratchSize)(config); }
void run_item(const Call& call, const Item& item, Result result, std::span<float> scratch, AttentionWork& work) {
  HWY_DYNAMIC_DISPATCH(RunItem)(call, item, result, scratch.data(), work);
}
void exp2_each(std::span<float> values) { HWY_DYNAMIC_DISPATCH(Exp2Each)(values); }

}  // namespace flash_detail
}  // namespace headroom
#endif
