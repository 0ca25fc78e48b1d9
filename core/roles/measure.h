#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "core/roles/probe_set.h"
#include "core/roles/report.h"

namespace headroom::roles_detail {

/// Whether attention is looked at too; answers and the loss always are.
enum class Looks { kNotAtAttention, kAtAttention };

struct MeasureRequest {
  Looks looks = Looks::kAtAttention;
  std::span<const HeadRef> off = {};
  std::stop_token stop = {};
};

/// What one look at the probes gives; roles are empty unless attention was looked at.
HeadReport measure(Network& network, const RoleProbes& probes, const MeasureRequest& request);

/// Adds answers up: a case is right when the first id is likelier than every other that is offered. Equal is not right.
class AnswerCount {
 public:
  /// `logits` of one position. Shapes  [vocab_size].
  void add(const Answer& answer, std::span<const float> logits);
  /// Those with cases, in the order of Behaviour.
  std::vector<BehaviourScore> scores() const;

 private:
  struct Sum {
    std::int64_t right = 0, n = 0;
    double chance = 0;
  };
  std::array<Sum, kBehaviours.size()> sums_{};
};

}  // namespace headroom::roles_detail
