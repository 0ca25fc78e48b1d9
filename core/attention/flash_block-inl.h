// The rows of one register panel, and which keys of a step they see. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_ATTENTION_FLASH_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_ATTENTION_FLASH_BLOCK_INL_H_
#undef HEADROOM_CORE_ATTENTION_FLASH_BLOCK_INL_H_
#else
#define HEADROOM_CORE_ATTENTION_FLASH_BLOCK_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/attention/flash_plan.h"
#include "core/tensor/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {

inline constexpr std::int64_t kBlockRows = kMaxVectors * kLanes;
inline constexpr std::int64_t kKeysPerStep = 128;

/// A row of a set, moved on without dividing: its query, and its head within the group.
struct RowPosition {
  RowPosition(std::int64_t row, std::int64_t group_size) : n_heads(group_size), query(row / group_size), head(row % group_size) {}
  void move_on() {
    if (++head < n_heads) return;
    head = 0;
    ++query;
  }
  std::int64_t n_heads, query, head;
};

/// Rows side by side in the lanes of up to three vectors, and what they have gathered so far.
struct RowBlock {
  std::int64_t row_begin = 0, n_rows = 0;
  int n_vectors = 0;
  bool has_out = false;               // out holds a sum; before, it holds nothing
  float* q = nullptr;                 // [d_head, width] times scale * log2(e)
  float* out = nullptr;               // [d_head, width]
  float* maximum = nullptr;           // [width] of the scores, in base 2
  float* sum = nullptr;               // [width]
  float* factor = nullptr;            // [width] what the last step's maximum does to older terms
  std::int32_t* first_key = nullptr;  // [width] each row's visible run of the segment; lanes beyond the rows repeat the last row
  std::int32_t* end_key = nullptr;
  std::int32_t* position = nullptr;  // [width] of the row's query among the keys; these two only where scores have a bias
  std::int32_t* bias_row = nullptr;  // [width] where the biases of the row's head begin
  /// Of a vector: the keys that some row sees, and those that all see.
  struct Bounds {
    std::int64_t first = 0, end = 0, full_first = 0, full_end = 0;
  };
  std::array<Bounds, kMaxVectors> bounds;

  std::int64_t width() const { return n_vectors * kLanes; }
};

/// Rows of the next block when n_left are left: never a last block of one vector where it can be helped, which would leave most registers
/// idle.
HWY_INLINE std::int64_t next_block_rows(std::int64_t n_left) {
  const bool splits_evenly = n_left > kBlockRows && n_left <= kBlockRows + kLanes;
  return splits_evenly ? 2 * kLanes : std::min(n_left, kBlockRows);
}

/// Neighbouring tiles of a step that the same vectors see, all of each or not.
struct Run {
  std::int64_t begin = 0, end = 0;  // keys, counted from the step's first
  int first_vector = 0, end_vector = 0;
  bool is_mixed = false;

  std::int64_t n_keys() const { return end - begin; }
  int n_vectors() const { return end_vector - first_vector; }
  bool continues(const Run& last) const {
    return last.end == begin && last.first_vector == first_vector && last.end_vector == end_vector && last.is_mixed == is_mixed;
  }
};

/// At most one for each tile.
struct Runs {
  Runs() {}  // nothing need be set
  void add(const Run& run) {
    if (n > 0 && run.continues(runs[n - 1])) {
      runs[n - 1].end = run.end;
    } else {
      runs[n++] = run;
    }
  }
  const Run* begin() const { return runs.data(); }
  const Run* end() const { return runs.data() + n; }

  std::size_t n = 0;
  union {
    std::array<Run, kKeysPerStep / kTileRows + 1> runs;
  };
};

HWY_INLINE void find_runs(const RowBlock& block, KeyRange step, Runs& runs) {
  const auto sees_all = [&](const RowBlock::Bounds& bounds) {
    return bounds.full_first <= step.begin && bounds.full_end >= step.end;
  };
  if (std::all_of(block.bounds.begin(), block.bounds.begin() + block.n_vectors, sees_all)) {
    runs.add({0, step.end - step.begin, 0, block.n_vectors, false});
    return;
  }
  std::int64_t first = step.end, end = step.begin;
  for (int v = 0; v < block.n_vectors; ++v) {
    const RowBlock::Bounds& bounds = block.bounds[static_cast<std::size_t>(v)];
    if (bounds.first >= bounds.end) continue;
    first = std::min(first, std::max(bounds.first, step.begin));
    end = std::max(end, std::min(bounds.end, step.end));
  }
  for (std::int64_t j = first; j < end; j += kTileRows) {
    const std::int64_t tile_end = std::min<std::int64_t>(end, j + kTileRows);
    Run run{j - step.begin, tile_end - step.begin, block.n_vectors, 0, false};
    for (int v = 0; v < block.n_vectors; ++v) {
      const RowBlock::Bounds& bounds = block.bounds[static_cast<std::size_t>(v)];
      if (bounds.first >= tile_end || bounds.end <= j) continue;
      run.first_vector = std::min(run.first_vector, v);
      run.end_vector = v + 1;
    }
    for (int v = run.first_vector; v < run.end_vector; ++v) {
      const RowBlock::Bounds& bounds = block.bounds[static_cast<std::size_t>(v)];
      run.is_mixed = run.is_mixed || bounds.full_first > j || bounds.full_end < tile_end;
    }
    if (run.n_vectors() > 0) runs.add(run);
  }
}

/// Addresses of a list's rows [begin, end), `stride` elements apart from the first of all.
template <typename T, typename Address>
HWY_INLINE void list_rows(const flash_detail::IndexList& list, KeyRange range, const T* first, std::int64_t stride, Address* rows) {
  if (list.index == nullptr) {
    const T* row = first + list[range.begin] * stride;
    for (std::int64_t i = range.begin; i < range.end; ++i, row += list.step * stride)
      *rows++ = row;
    return;
  }
  for (std::int64_t i = range.begin; i < range.end; ++i)
    *rows++ = first + list[i] * stride;
}

/// Memory that will be read soon, asked for a few lines at a time between the tiles: rows often lie far apart, all heads between them, where
/// the processor does not look ahead by itself.
class Fetch {
 public:
  Fetch() {}  // the rows need not be set
  /// Begins anew, with rows of `bytes` each to be added.
  void start(std::int64_t bytes) {
    n_rows_ = row_ = 0;
    bytes_ = bytes;
  }
  /// Where the addresses of n more rows go.
  const void** add(std::int64_t n) {
    n_rows_ += n;
    return rows_.data() + (n_rows_ - n);
  }
  /// Asks for all of them in about `n_turns` turns.
  void spread(std::int64_t n_turns) { rows_per_turn_ = (n_rows_ + n_turns - 1) / n_turns; }

  HWY_INLINE void turn() {
    const std::int64_t end = std::min(n_rows_, row_ + rows_per_turn_), bytes = bytes_;
    for (; row_ < end; ++row_) {
      const char* const row = static_cast<const char*>(rows_[static_cast<std::size_t>(row_)]);
      for (std::int64_t at = 0; at < bytes; at += kLine)
        __builtin_prefetch(row + at, 0, 2);  // into the second-level cache
    }
  }

 private:
  static constexpr std::int64_t kRows = 2 * kKeysPerStep + 4 * kBlockRows, kLine = 64;
  std::int64_t n_rows_ = 0, row_ = 0, bytes_ = 0, rows_per_turn_ = 0;
  union {
    std::array<const void*, kRows> rows_;
  };
};

}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
