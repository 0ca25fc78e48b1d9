#pragma once

#include <functional>
#include <stop_token>

#include "core/attention/backend.h"
#include "core/tensor/parallel.h"

namespace headroom {

/// Linear attention of a shape, checked and ready to be timed. It is another function than the backends compute, with a reference of its own.
struct LinearRun {
  std::function<void()> run;
  AttentionWork work;        ///< of one call, counted as it ran
  double largest_error = 0;  ///< against its reference, on the small sibling
};

/// Errors  Error when it is wrong (it must not be timed) or cannot run this shape.
LinearRun prepare_linear_attention(const AttentionConfig& config, ThreadPool& pool, std::stop_token stop);

}  // namespace headroom
