#pragma once

#include <cstdint>
#include <memory>
#include <string>
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

/// What is known of the lens, for views.
struct LensState {
  std::shared_ptr<const TokenLens> lens;  ///< the newest; null until something was looked through
  std::string failure;                    ///< one sentence when the newest wish failed

  /// The lens of this token of this pass, or null.
  const LogitLens* of(const std::shared_ptr<const ForwardTrace>& trace, std::int64_t position) const {
    return lens && lens->trace == trace && lens->lens.position == position ? &lens->lens : nullptr;
  }
  bool operator==(const LensState&) const = default;
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
