#pragma once

#include <functional>
#include <memory>

#include "core/figure/figure.h"

namespace headroom {

/// Values of attention tiles without waiting for them: from the snapshot's thumbnails where those hold them, evaluated at once where that is
/// cheap, else on a thread of its own.
///
/// Threads  the painter's; the worker only evaluates.
class TileStore {
 public:
  explicit TileStore(std::function<void()> wake);
  ~TileStore();

  /// Forgets what has not been asked for lately, takes what the worker finished, and grants a new frame's budget.
  void begin_frame();
  /// The tile, or while it is being evaluated the best stand-in that there is: the same head's cells read from a coarser or an older tile.
  /// Null when there is nothing at all yet. The same pointer as long as the answer is the same. `is_pruned` or empty values: nothing to draw.
  std::shared_ptr<const Tile> find(const std::shared_ptr<const Snapshot>& snapshot, const TileRequest& request);
  /// Whether a tile asked for since begin_frame was not exact.
  bool is_waiting() const;
  /// Until the worker has nothing left to do.
  void finish();
  int take_evaluated();  ///< tiles evaluated since the last call

  /// Multiply-adds that one frame may spend on its own thread, and that one tile may: beyond it the worker evaluates.
  static constexpr double kFrameBudget = 4e6, kTileBudget = 2e6;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// `wanted`'s cells as `source` shows them (the cell that holds each cell's middle), NaN where source does not reach.
Tile resample_tile(const Tile& source, const TileRequest& wanted);
/// The exact answer read from `source`, if it can be: the same request, or a part of one that pools nothing.
bool can_read_exactly(const Tile& source, const TileRequest& wanted);

}  // namespace headroom
