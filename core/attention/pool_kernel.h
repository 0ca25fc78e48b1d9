#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "core/attention/score_block.h"

namespace headroom::score_detail {

/// Keys cut into cells: cell c covers the offsets [c * size / n, (c + 1) * size / n) from keys.begin.
struct CellColumns {
  KeyRange keys;
  std::int64_t n = 0;

  std::int64_t begin_of(std::int64_t cell) const { return keys.begin + cell * (keys.end - keys.begin) / n; }
  std::int64_t cell_of(std::int64_t key) const { return ((key - keys.begin + 1) * n - 1) / (keys.end - keys.begin); }
};

enum class CellValue { kScore, kProb };
enum class CellPooling { kMax, kMean };

/// What was found for some rows of cells: the largest value, or the sum and the number of the visible pairs of each.
struct CellSums {
  CellSums(CellPooling pooling, std::int64_t n_rows, std::int64_t n_columns);

  std::int64_t n_columns = 0;
  std::vector<float> largest;         ///< -inf where nothing is visible; pooling max only
  std::vector<double> sums, n_pairs;  ///< pooling mean only
};

/// How one head's pairs go into cells.
struct PoolJob {
  CellColumns columns;
  CellValue value = CellValue::kProb;
  CellPooling pooling = CellPooling::kMax;
};

/// Where a block's rows go: lane_rows[lane] is a row of `cells`.
struct CellTarget {
  std::span<const std::int32_t> lane_rows;
  CellSums& cells;
};

/// Pools a chunk of keys that lies within the columns. State 0 of the block: each row's logsumexp (0 where it sees no key), when the values
/// are probabilities.
void pool_chunk(const ChunkCall& call, const PoolJob& job, const CellTarget& target);

/// Probabilities of rows whose log-sum-exps are not known yet, in one pass over all their keys: sums them as add_chunk does and keeps what
/// the cells need meanwhile.
class RowCells {
 public:
  RowCells(const PoolJob& job, const LaneBlock& block);
  /// Floats that it keeps of each row.
  static std::int64_t size(const PoolJob& job) { return job.columns.n * (job.pooling == CellPooling::kMean ? 3 : 1); }

  /// In place of score_detail::add_chunk. begin_sums was called on the block.
  void add_chunk(const ChunkCall& call);
  /// When all keys went by. State 0: logsumexp, as for pool_chunk; state 6: log2 of state 1.
  void finish(LaneBlock& block, const CellTarget& target, float* scratch) const;

  const PoolJob& job() const { return job_; }
  // [cells, width] each: max: the largest score, nats. Mean: the sum of 2^(score * log2(e) - origin); that origin; the number of pairs.
  float* kept(std::int64_t cell) { return kept_.data() + cell * width_; }
  const float* kept(std::int64_t cell) const { return kept_.data() + cell * width_; }
  float* origin(std::int64_t cell) { return kept(job_.columns.n + cell); }
  const float* origin(std::int64_t cell) const { return kept(job_.columns.n + cell); }
  float* n_pairs(std::int64_t cell) { return kept(2 * job_.columns.n + cell); }
  const float* n_pairs(std::int64_t cell) const { return kept(2 * job_.columns.n + cell); }

 private:
  PoolJob job_;
  std::int64_t width_ = 0;
  AlignedBuffer<float> kept_;
};

}  // namespace headroom::score_detail
