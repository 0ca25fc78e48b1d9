#pragma once

#include <string>
#include <vector>

#include "core/speed/measuring.h"

namespace headroom {

/// One rung: the same layer, computed a better way than the rung before.
struct LadderStep {
  std::string name;                             ///< "per-head loops", "fused q k v", "flash", "GQA", "K/V cache"
  std::string what;                             ///< one sentence: what is done here
  double ms = 0;                                ///< median, measured
  double ratio = 0;                             ///< of the first step's ms to this one's: how many times faster
  double flops = 0;                             ///< counted by the kernels, projections included
  double bytes_moved = 0, bytes_allocated = 0;  ///< of the attention kernel, counted as it ran
  std::int64_t n_kv_heads = 0;
};

/// The optimisation ladder of one layer: q, k, v and attention (W_O is the same on every rung and left out).
struct Ladder {
  SpeedShape shape;  ///< as measured
  std::vector<LadderStep> steps;
  double largest_difference = 0;  ///< between the outputs of the first three steps, which compute the same
  double recompute_ms = 0;        ///< a new token without a cache: the GQA rung over all tokens again
  int threads = 1;
  std::string note;  ///< where the measured shape is not the asked one: why. Else empty.
};

/// Errors  Error when the first three outputs differ; Cancelled.
Ladder measure_ladder(const SpeedShape& shape, const SpeedTools& tools);

}  // namespace headroom
