#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "core/analysis/head_view.h"
#include "core/attention/pool_kernel.h"
#include "core/tensor/parallel.h"

namespace headroom {

/// Some rows of a head, each in a row of cells, and how their pairs are pooled.
struct CellRequest {
  std::vector<std::int64_t> rows;       ///< ascending
  std::vector<std::int32_t> cell_rows;  ///< one for each row, ascending
  std::int64_t n_cell_rows = 0;
  score_detail::PoolJob job;
};

/// Who works on it, and how it is stopped.
struct Effort {
  const std::stop_token& stop;
  ThreadPool* pool = nullptr;
};

/// Cells row-major [n_cell_rows, columns.n], NaN where nothing is visible. Rows whose log-sum-exps are not known are summed in the same pass
/// over their keys, and learnt. Scores are in nats.
/// Errors  Cancelled.
/// Threads Shared out over `pool` when given. Values do not depend on it; of pooling mean they may differ in the last digit between rows
///         that were known and rows that were not.
std::vector<float> pool_cells(const HeadView& head, const CellRequest& request, const Effort& effort);

}  // namespace headroom
