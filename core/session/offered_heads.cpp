#include "core/session/offered_heads.h"

#include "core/model/shape.h"
#include "core/model/surgery.h"

namespace headroom {
namespace {

/// Whether the snapshot's configuration is that of the parameters which would be sliced.
bool tells_of(const Snapshot& snapshot, const Compute& compute) {
  const Compute& asked = snapshot.compute;
  return !snapshot.is_untrained && !snapshot.capture && asked.model_source == compute.model_source &&
         asked.model == compute.model && asked.trained == compute.trained;
}

}  // namespace

OfferedHeads offered_heads(const Compute& compute, const Snapshot* snapshot) {
  if (compute.parameters == ParameterSource::kLab) return {valid_lab_heads(compute.d_model, compute.trained.positions), {}};
  OfferedHeads offered;
  if (snapshot != nullptr && tells_of(*snapshot, compute)) offered.why = find_slice_problem(snapshot->config);
  if (offered.why.empty()) {
    offered.values = valid_heads(compute.trained, compute.trained.positions);
  } else {
    offered.values = {compute.trained.n_heads};
  }
  return offered;
}

}  // namespace headroom
