#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "core/analysis/pooling.h"
#include "core/analysis/tile.h"
#include "core/model/forward.h"

namespace headroom {

/// One row of attention that was computed elsewhere, over all keys.
struct StoredRow {
  std::int64_t row = 0;
  std::span<const float> values;  ///< [seq_k] as they lie in the file, or their softmax; 0 where masked
  std::span<const std::uint8_t>
      is_masked;  ///< [seq_k] non-zero where the mask hides the pair, or the file's score is minus infinity
};

/// A head whose matrix lies in a file. Its rows are read when they are looked at, some at a time.
///
/// NaN     stays NaN, and what lies outside [0, 1] stays as it is: a file's mistakes are shown. A softmax over a NaN is NaN in its whole row.
/// Threads All members may be called from several threads at once.
class StoredHead {
 public:
  /// Head `index` of layer.stored. Errors  ShapeError when there is none; Error when scores are wanted of a file of probabilities.
  StoredHead(const LayerTrace& layer, std::int64_t index, Quantity quantity);

  std::int64_t seq_q() const { return stored_.seq_q(); }
  std::int64_t seq_k() const { return stored_.seq_k(); }

  /// Calls body for each of `rows` (ascending), in their order. Errors  Error when the file cannot be read; Cancelled.
  void for_each_row(std::span<const std::int64_t> rows, const std::stop_token& stop,
                    const std::function<void(const StoredRow&)>& body) const;

 private:
  void finish_row(std::int64_t row, std::span<float> values, std::span<std::uint8_t> is_masked) const;

  const LayerTrace& layer_;
  const StoredAttention& stored_;
  std::int64_t index_;
  Quantity quantity_;
};

struct StoredCells {
  std::vector<float> values;              ///< row-major, NaN where nothing is visible or a visible number is NaN
  std::vector<std::uint8_t> not_numbers;  ///< non-zero where a visible number is NaN; empty: nowhere
};
/// As pool_cells. Errors  also as for_each_row.
StoredCells pool_stored(const StoredHead& head, const CellRequest& request, const Effort& effort);

}  // namespace headroom
