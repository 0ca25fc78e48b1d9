#pragma once

#include "app/views/model.h"

namespace headroom {

/// The status chip and its reason, from the model's snapshot: "CPU · flash · AVX-512 · 2 threads".
void describe_backend(AppModel& model);

inline constexpr std::size_t kTimingRuns = 120;
/// Adds the snapshot's pass to the history, dropping the oldest beyond kTimingRuns. Edge  a pass whose other part is looked at (the decoder after
/// the encoder) is not added again.
void remember_timing(AppModel& model);

}  // namespace headroom
