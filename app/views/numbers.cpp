#include "app/views/numbers.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace headroom {

std::string decimal(double value, int digits) {
  if (!std::isfinite(value)) return "–";
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

const HeldOutLoss* held_out_now(const Frame& frame) {
  const Snapshot* snapshot = frame.snapshot;
  if (snapshot == nullptr || !snapshot->held_out) return nullptr;
  // The held-out text does not depend on the sentence: a loss stands while only that changes.
  const Compute &now = frame.session.compute, &then = snapshot->compute;
  const bool is_same = now.model == then.model && now.model_source == then.model_source && now.parameters == then.parameters &&
                       now.lab_seed == then.lab_seed && now.n_heads == then.n_heads && now.n_kv_heads == then.n_kv_heads &&
                       now.d_model == then.d_model && now.mask == then.mask && now.pruned == then.pruned;
  return is_same ? &*snapshot->held_out : nullptr;
}

}  // namespace headroom
