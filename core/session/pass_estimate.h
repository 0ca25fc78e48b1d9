#pragma once

#include <string>

#include "core/session/snapshot.h"

namespace headroom {

/// Where a full pass over a long text would run, and how fast: measured on slices of it in this process.
struct LongPlan {
  bool is_on_gpu = false;
  BackendChoice cpu = BackendChoice::kFlash;  ///< of the processor, where it computes
  std::string reason;                         ///< why this device, as Snapshot::backend_reason
  double attention_flops = 0;                 ///< a second, of attention layers' softmax part
  double projection_flops = 0;                ///< a second, of q, k, v and W_O
  double dense_flops = 0;                     ///< a second, of the rest: MLPs, norms and logits
};

/// What a full pass takes on the device of the plan. The seconds are an estimate; flops and bytes follow from the shape.
/// Edge  refusal is set where bytes are more than free.
PassEstimate estimate_pass(const ModelParams& params, std::int64_t seq, const Mask& mask, const LongPlan& plan,
                           std::int64_t free_bytes);

}  // namespace headroom
