#pragma once

#include <cstdint>
#include <string>

#include "core/figure/canvas.h"
#include "core/session/decode_requests.h"

namespace headroom {

/// One way to lay the memory of a simulated batch out, and what the columns of both ways share, so that they can be compared.
struct BatchPart {
  const BatchRun& run;
  const BatchSide& side;
  std::int64_t step = 0;           ///< looked at, from 0; this side may have ended before it
  std::int64_t n_steps = 1;        ///< of the axis
  double most_bytes = 1;           ///< of the axis
  std::int64_t most_requests = 1;  ///< likewise

  double memory() const { return run.plan.memory_mib * 1048576.0; }
  bool is_paged() const { return side.layout == CacheLayout::kPaged; }
  bool has_ended() const { return step >= static_cast<std::int64_t>(side.steps.size()); }
  /// The step looked at; once all is done: nothing in memory.
  BatchStep now() const;
  /// "batch/pages " or "batch/reserved ": names of what can be pointed at begin so.
  std::string prefix() const { return is_paged() ? "batch/pages " : "batch/reserved "; }
};
/// The column of a way, both axes around all that either way needs. `step` is brought into the axis.
BatchPart batch_part(const BatchRun& run, CacheLayout layout, std::int64_t step);

/// "PAGES  of 16 tokens · …", and what keeps requests out. Returns the height used.
double draw_batch_title(Canvas& canvas, const Rect& area, const BatchPart& part);
/// How many requests fit at once, large, and three more such numbers.
inline constexpr double kBatchFactsHeight = 52;
void draw_batch_facts(Canvas& canvas, const Rect& area, const BatchPart& part);
/// Bytes over the steps: used, reserved but empty, and what sharing saves.
void draw_batch_memory(Canvas& canvas, const Rect& area, const BatchPart& part);
/// Requests that run and that wait over the steps.
void draw_batch_queue(Canvas& canvas, const Rect& area, const BatchPart& part);
/// Each page of the step looked at: whose it is, how full, how often shared.
void draw_batch_pages(Canvas& canvas, const Rect& area, const BatchPart& part);

/// Both ways number by number.
void draw_batch_table(Canvas& canvas, const Rect& area, const BatchRun& run);
inline constexpr int kBatchTableRows = 7;  ///< with its head
/// What the simulation takes for granted: as many sentences as have room, all of them for the pointer.
void draw_batch_assumptions(Canvas& canvas, const Rect& area, const BatchPlan& plan);

/// Tells requests apart; a number goes with it wherever there is room.
Color request_tint(const Theme& theme, std::int64_t request);

}  // namespace headroom
