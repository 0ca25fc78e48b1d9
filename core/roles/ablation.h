#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/roles/report.h"

namespace headroom {

/// What switching one head off costs, on the same rows and questions. Of the self-attention (of the decoder).
struct Ablation {
  HeadRef head;
  std::int64_t tokens = 0;  ///< of the report that it is held against
  double loss_before = 0, loss_after = 0;
  std::vector<BehaviourScore> before, after;  ///< the same behaviours and cases in both

  double loss_change() const { return loss_after - loss_before; }
  /// accuracy after - before; 0 when it was not measured.
  double change(Behaviour behaviour) const;
};

/// `before`: the report of the same parameters on the same probes.
/// Errors  ShapeError when the head does not exist; Cancelled.
Ablation measure_ablation(Network& network, const RoleProbes& probes, const HeadReport& before, HeadRef head,
                          std::stop_token stop = {});

/// How far a long measurement is, and how it is stopped.
struct AblationWatch {
  std::function<void(std::int64_t done, std::int64_t total)> on_progress = {};
  std::stop_token stop = {};
};
/// Every head of the self-attention, each alone. Shape  [n_layers * n_heads].
std::vector<Ablation> measure_ablations(Network& network, const RoleProbes& probes, const HeadReport& before,
                                        const AblationWatch& watch = {});

/// What a picture of attention does not say, as sentences: "L1 H0 looks at the subject in 0.98 of 61 cases, yet agreement across a
/// distractor stays at 1.00 without it." Empty list when the head has no role and its absence changes nothing worth saying.
std::vector<std::string> cause_sentences(const HeadReport& report, const Ablation& ablation);

}  // namespace headroom
