#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "core/figure/figure.h"

namespace headroom {

/// Values of attention tiles without waiting for them: from the snapshot's thumbnails where those hold them, evaluated at once where that is
/// cheap, else on threads of their own, from coarse to exact:
///
///   stand-in   read from what is known of the head: its thumbnail, coarser, finer or older tiles; of scores a few sampled rows
///   sampled    kSampledRows rows for each cell row, a few milliseconds; left away where the exact tile takes no longer
///   exact      every pair
///
/// What is known stays until the next is there. Exact and sampled tiles are kept, the least recently used ones forgotten beyond a bound on
/// memory: moving a picture evaluates only what came into view.
///
/// Threads  the painter's.
class TileStore {
 public:
  struct Options {
    std::function<void()> wake;  ///< called from any thread when something became better and a new frame should be drawn
    int n_threads = 0;           ///< 0: as many as there are processors
    std::size_t most_bytes = kMostBytes;
    double frame_budget = kFrameBudget;
    double sampled_from = kSampledFrom;
  };
  explicit TileStore(Options options);
  explicit TileStore(std::function<void()> wake) : TileStore(Options{.wake = std::move(wake)}) {}
  ~TileStore();

  /// Forgets the least recently used, ends work that the last frame did not want, takes what was finished, grants a new frame's budget.
  void begin_frame();
  /// The best there is of the tile. Null when there is nothing at all yet. The same pointer as long as the answer is the same.
  /// `is_pruned` or empty values: nothing to draw.
  std::shared_ptr<const Tile> find(const std::shared_ptr<const Snapshot>& snapshot, const TileRequest& request);
  /// What the tile's cell rows span over all keys, for colours by row that agree between the blocks of one picture; null until known.
  std::shared_ptr<const std::vector<RowExtent>> find_extents(const std::shared_ptr<const Snapshot>& snapshot,
                                                             const TileRequest& request);

  /// Whether anything asked for since begin_frame was not exact.
  bool is_waiting() const;
  /// Of the work for what was asked for since begin_frame, in [0, 1], counted in pairs.
  double progress() const;
  /// Until the threads have nothing left to do.
  void finish();

  struct Counters {
    int evaluated = 0;  ///< exact tiles
    int sampled = 0;    ///< sampled tiles
    int stood_in = 0;   ///< tiles that had to be made from others
    int extents = 0;    ///< row extents, exact
    int forgotten = 0;  ///< tiles dropped for the bound on memory
  };
  Counters take_counters();  ///< since the last call
  int take_evaluated() { return take_counters().evaluated; }
  std::size_t bytes() const;  ///< held by what is kept

  /// Multiply-adds that one frame may spend on its own thread, and that one tile may: beyond it the threads evaluate.
  static constexpr double kFrameBudget = 4e6, kTileBudget = 2e6;
  /// Tiles of more multiply-adds are sampled first.
  static constexpr double kSampledFrom = 2e8;
  static constexpr std::int64_t kSampledRows = 2;
  static constexpr std::size_t kMostBytes = std::size_t{64} << 20U;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headroom
