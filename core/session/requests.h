#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/model/lens.h"
#include "core/session/session.h"

namespace headroom {

// What is computed when a person asks for it, beside the picture.

/// The logit lens of one token of a snapshot.
struct TokenLens {
  std::shared_ptr<const ForwardTrace> trace;  ///< of the snapshot that it was asked for: whose it is
  LogitLens lens;
};

/// A wish that the model writes on after all that `compute` has read.
struct WriteRequest {
  Compute compute;
  WritePlan plan;
};

/// What it wrote.
struct Written {
  Compute compute;                ///< as asked
  std::vector<std::int32_t> ids;  ///< what was written before, then the new tokens: for ContinuationSet
  std::size_t n_new = 0;          ///< fewer than asked for where the model ended its text
};

/// Most words in each layer of a TokenLens.
inline constexpr std::size_t kLensWords = 10;

}  // namespace headroom
