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

#include "core/attention/flash_step-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

using flash_detail::Call;
using flash_detail::Item;
using flash_detail::KeySegment;
using flash_detail::Result;

constexpr std::int64_t kBlocks = 4;  // of an item: they share each step's keys and values while the nearer caches hold them
constexpr double kLog2e = 1.4426950408889634, kLn2 = 0.6931471805599453;

std::int64_t RowsPerItem() { return kBlocks * kBlockRows; }

std::size_t ScratchSize(const AttentionConfig& config) {
  const std::int64_t block = kBlockRows * (2 * config.d_head + 7);
  const std::int64_t step = kBlockRows * (kKeysPerStep + kTileRows + 1 + config.d_head) + config.d_head + kLanes;
  const std::int64_t wide = config.kv_storage == KvStorage::kFloat32 ? 0 : 2 * kKeysPerStep * config.d_head;
  return static_cast<std::size_t>(kBlocks * block + step + wide);
}

class ItemRun {
 public:
  ItemRun(const Call& call, const Item& item, float* scratch)
      : call_(call), item_(item), set_(call.plan.set(item)), heads_(call.plan.heads(call.plan.group(item))), scratch_(scratch) {}

  void run(Result result, AttentionWork& work) {
    step_.terms = ScoreTerms(call_.config, static_cast<float>(kLog2e));
    step_.has_terms = step_.terms.is_any();
    cut_blocks();
    step_.d_head = d_head_;
    step_.scores = take((kKeysPerStep + kTileRows) * kBlockRows);
    step_.maximum = take(kBlockRows);
    rows_ = take(kBlockRows * d_head_);
    float* const zeros = take(d_head_);
    std::fill_n(zeros, d_head_, 0.0F);
    step_.zeros = zeros;
    if (is_narrow()) {
      wide_k_ = take(kKeysPerStep * d_head_);
      wide_v_ = take(kKeysPerStep * d_head_);
    }
    run_segments(work);
    if (!is_finite_out()) {
      // A hidden pair's weight is 0, but 0 times an infinite value is not: once more, with such values added apart.
      step_.adds_apart = true;
      for (std::size_t i = 0; i < n_blocks_; ++i)
        clear(blocks_[i]);
      run_segments(work);
    }
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
  std::int64_t query_at(const RowPosition& row) const { return set_.queries[row.query]; }
  std::int64_t head_at(const RowPosition& row) const { return heads_[static_cast<std::size_t>(row.head)]; }

  void cut_blocks() {
    for (std::int64_t row = item_.row_begin; row < item_.row_end;) {
      const std::int64_t n_left = item_.row_end - row;
      RowBlock& block = blocks_[n_blocks_++];
      block = RowBlock{};
      block.row_begin = row;
      block.n_rows = next_block_rows(n_left);
      block.n_vectors = static_cast<int>((block.n_rows + kLanes - 1) / kLanes);
      const std::int64_t width = block.width();
      block.q = take(d_head_ * width);
      block.out = take(d_head_ * width);
      block.maximum = take(width);
      block.sum = take(width);
      block.factor = take(width);
      block.first_key = reinterpret_cast<std::int32_t*>(take(width));
      block.end_key = reinterpret_cast<std::int32_t*>(take(width));
      clear(block);
      pack(block);
      if (step_.terms.bias != nullptr) place_biases(block);
      row += block.n_rows;
    }
  }

  static void clear(RowBlock& block) {
    std::fill_n(block.maximum, block.width(), kMinusInfinity);
    std::fill_n(block.sum, block.width(), 0.0F);
    block.has_out = false;
  }

  bool is_finite_out() const {
    return std::all_of(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(n_blocks_),
                       [&](const RowBlock& block) { return !block.has_out || is_finite_row(block.out, d_head_ * block.width()); });
  }

  void run_segments(AttentionWork& work) {
    for (const KeySegment& segment : call_.plan.segments(set_))
      run_segment(segment, work);
  }

  void pack(const RowBlock& block) {
    const auto factor = static_cast<float>(static_cast<double>(call_.config.effective_scale()) * kLog2e);
    std::array<const float*, kBlockRows> rows;
    RowPosition row(block.row_begin, n_heads());
    for (std::int64_t r = 0; r < block.width(); ++r) {  // lanes beyond the rows repeat the last one
      rows[static_cast<std::size_t>(r)] = call_.inputs.q.row(item_.b, head_at(row), query_at(row));
      if (r + 1 < block.n_rows) row.move_on();
    }
    for (std::int64_t lane = 0; lane < block.width(); lane += kLanes) {
      pack_lanes(rows.data() + lane, d_head_, factor, block.q + lane, block.width());
    }
  }

  void place_biases(RowBlock& block) {
    block.position = reinterpret_cast<std::int32_t*>(take(block.width()));
    block.bias_row = reinterpret_cast<std::int32_t*>(take(block.width()));
    constexpr std::int64_t kFarthest = std::numeric_limits<std::int32_t>::max();
    const std::int64_t n_distances = 2 * call_.config.position_bias->reach + 1;
    RowPosition row(block.row_begin, n_heads());
    for (std::int64_t r = 0; r < block.width(); ++r) {
      block.position[r] = static_cast<std::int32_t>(std::min(call_.config.mask.query_offset + query_at(row), kFarthest));
      block.bias_row[r] = static_cast<std::int32_t>(head_at(row) * n_distances);
      if (r + 1 < block.n_rows) row.move_on();
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
      step_.keys = step;
      find_rows(segment, step);
      if (step.end < end) {
        fetch_keys(segment, {step.end, std::min(end, step.end + kKeysPerStep)});
      } else {
        fetch_out();
      }
      for (std::size_t i = 0; i < n_blocks_; ++i)
        run_step(segment, blocks_[i], work);
    }
    work.bytes_moved += (is_narrow() ? 4.0 : 8.0) * static_cast<double>(std::max<std::int64_t>(0, end - first) * d_head_);
  }

  /// Each row's visible run of the segment's list.
  void find_ranges(const KeySegment& segment, RowBlock& block) {
    const auto run_of = [&](const RowPosition& row) {
      const KeyRange seen = rule_range(call_.config, segment, item_.b, query_at(row));
      const KeyRange run{segment.keys.count_below(seen.begin), segment.keys.count_below(seen.end)};
      return run.begin < run.end ? run : KeyRange{0, 0};
    };
    RowPosition row(block.row_begin, n_heads());
    const RowPosition last(block.row_begin + block.n_rows - 1, n_heads());
    KeyRange run = run_of(row);
    const KeyRange last_run = run_of(last);
    // Later queries see runs that begin and end later: where the first and the last are equal, all are.
    const bool is_one_run = run.begin == last_run.begin && run.end == last_run.end;
    for (int v = 0; v < block.n_vectors; ++v) {
      RowBlock::Bounds& bounds = block.bounds[static_cast<std::size_t>(v)];
      if (is_one_run) {
        bounds = {run.begin, run.end, run.begin, run.end};
        continue;
      }
      bounds = {segment.keys.count, 0, 0, segment.keys.count};
      for (std::int64_t r = v * kLanes; r < (v + 1) * kLanes; ++r) {
        block.first_key[r] = static_cast<std::int32_t>(run.begin);
        block.end_key[r] = static_cast<std::int32_t>(run.end);
        bounds.full_first = std::max(bounds.full_first, run.begin);
        bounds.full_end = std::min(bounds.full_end, run.end);
        if (run.begin != run.end) {
          bounds.first = std::min(bounds.first, run.begin);
          bounds.end = std::max(bounds.end, run.end);
        }
        if (r + 1 >= block.n_rows) continue;
        const std::int64_t query = row.query;
        row.move_on();
        if (row.query != query) run = run_of(row);
      }
    }
    if (!is_one_run) return;
    std::fill_n(block.first_key, block.width(), static_cast<std::int32_t>(run.begin));
    std::fill_n(block.end_key, block.width(), static_cast<std::int32_t>(run.end));
  }

  /// Where the step's keys and values lie.
  void find_rows(const KeySegment& segment, KeyRange step) {
    const std::int64_t kv_head = call_.plan.group(item_).kv_head, n_keys = step.end - step.begin;
    const AttentionInputs& inputs = call_.inputs;
    if (!is_narrow()) {
      list_rows(segment.keys, step, inputs.k.row(item_.b, kv_head, 0), inputs.k.row_stride, step_.key_rows.data());
      list_rows(segment.keys, step, inputs.v.row(item_.b, kv_head, 0), inputs.v.row_stride, step_.value_rows.data());
      return;
    }
    for (std::int64_t i = 0; i < n_keys; ++i) {
      const std::int64_t key = segment.keys[step.begin + i];
      widen_row(inputs.k16.row(item_.b, kv_head, key), d_head_, call_.config.kv_storage, wide_k_ + i * d_head_);
      widen_row(inputs.v16.row(item_.b, kv_head, key), d_head_, call_.config.kv_storage, wide_v_ + i * d_head_);
    }
    list_rows({nullptr, 0, 1, n_keys}, {0, n_keys}, wide_k_, d_head_, step_.key_rows.data());
    list_rows({nullptr, 0, 1, n_keys}, {0, n_keys}, wide_v_, d_head_, step_.value_rows.data());
  }

  /// The tiles of this step will ask for the keys and values of another.
  void fetch_keys(const KeySegment& segment, KeyRange step) {
    const std::int64_t kv_head = call_.plan.group(item_).kv_head, n_keys = step.end - step.begin;
    const AttentionInputs& inputs = call_.inputs;
    step_.fetch.start(d_head_ * (is_narrow() ? 2 : 4));
    if (is_narrow()) {
      list_rows(segment.keys, step, inputs.k16.row(item_.b, kv_head, 0), inputs.k16.row_stride, step_.fetch.add(n_keys));
      list_rows(segment.keys, step, inputs.v16.row(item_.b, kv_head, 0), inputs.v16.row_stride, step_.fetch.add(n_keys));
    } else {
      list_rows(segment.keys, step, inputs.k.row(item_.b, kv_head, 0), inputs.k.row_stride, step_.fetch.add(n_keys));
      list_rows(segment.keys, step, inputs.v.row(item_.b, kv_head, 0), inputs.v.row_stride, step_.fetch.add(n_keys));
    }
    step_.fetch.spread(n_turns());
  }

  /// Where this item's rows will be written.
  void fetch_out() {
    step_.fetch.start(d_head_ * 4);
    RowPosition row(item_.row_begin, n_heads());
    for (std::int64_t r = item_.row_begin; r < item_.row_end; ++r, row.move_on()) {
      *step_.fetch.add(1) = call_.outputs.out.row(item_.b, head_at(row), query_at(row));
    }
    step_.fetch.spread(n_turns());
  }

  /// Tiles of a step, about.
  std::int64_t n_turns() const { return static_cast<std::int64_t>(n_blocks_) * (kKeysPerStep + d_head_) / kTileRows; }

  void run_step(const KeySegment& segment, RowBlock& block, AttentionWork& work) {
    Runs runs;
    find_runs(block, step_.keys, runs);
    if (runs.n == 0) return;
    std::copy_n(block.maximum, block.width(), step_.maximum);
    for (const Run& run : runs) {
      step_.score(block, run);
      if (step_.has_terms) step_.finish_scores(segment, block, run);
      if (run.is_mixed) step_.hide(block, run);
      work.flops += 4.0 * static_cast<double>(run.n_keys() * run.n_vectors() * kLanes * d_head_);
    }
    step_.raise_maximum_of(block);
    for (const Run& run : runs) {
      step_.exponentiate_run(block, run);
      if (call_.config.dropout) drop(segment, block, run);
    }
    const bool is_whole = runs.n == 1 && runs.begin()->n_vectors() == block.n_vectors;
    if (!is_whole) step_.rescale(block);
    for (const Run& run : runs)
      step_.add_values(block, run, is_whole ? (block.has_out ? Start::kScale : Start::kZero) : Start::kAdd);
    block.has_out = true;
  }

  void drop(const KeySegment& segment, const RowBlock& block, const Run& run) {
    const Dropout& dropout = *call_.config.dropout;
    const float factor = kept_factor(dropout);
    RowPosition row(block.row_begin, n_heads());
    for (std::int64_t r = 0; r < block.n_rows; ++r, row.move_on()) {
      if (r < run.first_vector * kLanes || r >= run.end_vector * kLanes) continue;
      DropoutCell cell{item_.b, head_at(row), query_at(row), 0};
      for (std::int64_t j = run.begin; j < run.end; ++j) {
        cell.j = segment.keys[step_.keys.begin + j];
        step_.scores[j * block.width() + r] *= is_kept(dropout, cell) ? factor : 0.0F;
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
  Step step_;
  float* rows_ = nullptr;    // [rows, d_head] finished, before they are merged
  float* wide_k_ = nullptr;  // [keys of a step, d_head], of 16-bit storage
  float* wide_v_ = nullptr;
};

/// Writes or merges one block's rows.
void ItemRun::write(const RowBlock& block, Result result) {
  const std::int64_t width = block.width();
  std::array<float*, kBlockRows> rows;
  RowPosition row(block.row_begin, n_heads());
  for (std::int64_t r = 0; r < width; ++r, row.move_on()) {
    const bool is_written = r < block.n_rows && result == Result::kWritten;
    rows[static_cast<std::size_t>(r)] =
        is_written ? call_.outputs.out.row(item_.b, head_at(row), query_at(row)) : rows_ + r * d_head_;
    // The largest term of a row that saw a key is 1, so only a masked row has no sum. (NaN has one: it is not hidden.)
    block.factor[r] = block.sum[r] == 0 ? 0.0F : 1.0F / block.sum[r];
  }
  if (!block.has_out) std::fill_n(block.out, d_head_ * width, 0.0F);
  for (std::int64_t lane = 0; lane < width; lane += kLanes) {
    unpack_lanes(block.out + lane, width, block.factor + lane, d_head_, rows.data() + lane);
  }
  row = RowPosition(block.row_begin, n_heads());
  for (std::int64_t r = 0; r < block.n_rows; ++r, row.move_on()) {
    const std::int64_t head = head_at(row), query = query_at(row);
    const std::int64_t place = (item_.b * call_.config.n_heads + head) * call_.config.seq_q + query;
    float& logsumexp = call_.outputs.logsumexp[static_cast<std::size_t>(place)];
    const float sum = block.sum[r];
    const double own = sum == 0 ? static_cast<double>(kMinusInfinity)
                                : (static_cast<double>(block.maximum[r]) + static_cast<double>(std::log2(sum))) * kLn2;
    if (result == Result::kWritten) {
      logsumexp = static_cast<float>(own);
    } else {
      flash_detail::merge_row({call_.outputs.out.row(item_.b, head, query), logsumexp}, {rows_ + r * d_head_, own}, d_head_);
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
