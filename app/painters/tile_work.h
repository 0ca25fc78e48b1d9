#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include "core/analysis/tile.h"

namespace headroom {

/// One evaluation: a tile's cells, or the extents of its cell rows.
struct TileJob {
  enum class Kind { kCells, kRowExtents };
  std::shared_ptr<const ForwardTrace> trace;
  TileRequest request;
  Kind kind = Kind::kCells;
  int order = 0;  ///< lower ones are done first, whatever came earlier

  // Answers, each valid once the job is done.
  std::shared_ptr<Tile> tile;
  std::shared_ptr<std::vector<RowExtent>> extents;

 private:
  friend class TileWork;
  std::vector<TileRequest> strips_;  ///< the request, cut into pieces that take milliseconds
  std::size_t n_taken_ = 0, n_done_ = 0;
  std::stop_source stop_;
};

/// Multiply-adds that a job takes, without the row sums that it may have to learn.
double cost_of(const ForwardTrace& trace, const TileRequest& request, TileJob::Kind kind);

/// Threads that evaluate tiles, each job cut into strips of rows so that several threads share a large one and one that is no longer wanted
/// ends within milliseconds.
///
/// Threads  add, drop, take_done and share_done from one thread; `wake` is called from any.
class TileWork {
 public:
  /// n_threads 0: as many as the machine has processors.
  explicit TileWork(std::function<void()> wake, int n_threads = 0);
  ~TileWork();

  void add(const std::shared_ptr<TileJob>& job);
  /// Ends a job's work; it will not be answered any more.
  void drop(const TileJob& job);
  /// Jobs that were done since the last call, oldest first. A request that the trace cannot answer is done with no values.
  std::vector<std::shared_ptr<TileJob>> take_done();
  /// Of a job's strips, in [0, 1].
  double share_done(const TileJob& job) const;
  /// Waits until every job is done.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headroom
