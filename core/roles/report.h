#pragma once

#include <array>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/roles/probes.h"
#include "core/roles/roles.h"

namespace headroom {

/// "L1 H0"; of an encoder-decoder's other stacks "encoder L1 H0", "cross L1 H0".
std::string name_of(HeadRef head, AttentionStack stack = AttentionStack::kSelf);

/// What the heads of a model do of one role.
struct RoleScore {
  const Role* role = nullptr;  ///< of roles(kind): never null in a report
  double score = 0;            ///< of the best head, in [0, 1]
  double baseline = 0;         ///< of the best fixed offset on the same cases; 0 where the role has none
  std::int64_t offset = 0;     ///< that offset: how many tokens before (of an encoder also after: negative) the reading position
  double chance = 0;           ///< of attention spread evenly over what is visible
  std::int64_t n_cases = 0;    ///< 0: nothing was measured
  HeadRef head;                ///< the best one; the first of equals
  std::int64_t n_heads = 0;    ///< of a layer of the role's stack
  std::vector<float> by_head;  ///< [n_layers * n_heads]; empty when nothing was measured

  float of(HeadRef which) const { return by_head.at(static_cast<std::size_t>(which.layer * n_heads + which.head)); }
  /// A fixed offset alone is right in kFixedDistance of the cases or more.
  bool is_fixed_distance() const;
  /// Whether a head with this score has the role: at or above the threshold, kBaselineMargin above the baseline, of enough cases,
  /// at no fixed distance.
  bool names(double score) const;
  /// names(score) of the best head.
  bool names_head() const { return names(score); }
  /// One sentence: which head does it and against what it was held; or why none is named.
  std::string why() const;
};

/// A question with a known answer, answered by the model's probabilities.
enum class Behaviour { kAgreement, kAgreementAcrossDistractor, kCoreference, kCopying, kSurname, kRandomCopying, kTokens };
inline constexpr std::array kBehaviours{Behaviour::kAgreement,   Behaviour::kAgreementAcrossDistractor,
                                        Behaviour::kCoreference, Behaviour::kCopying,
                                        Behaviour::kSurname,     Behaviour::kRandomCopying,
                                        Behaviour::kTokens};
std::string_view behaviour_id(Behaviour behaviour);          ///< "agreement_across_distractor": stable, used in JSON
std::string_view behaviour_name(Behaviour behaviour);        ///< "agreement across a distractor"
std::string_view behaviour_definition(Behaviour behaviour);  ///< one sentence: when an answer counts as right

struct BehaviourScore {
  Behaviour behaviour = Behaviour::kAgreement;
  double accuracy = 0;       ///< share of cases answered right
  double chance = 0;         ///< of guessing evenly among the answers offered
  std::int64_t n_cases = 0;  ///< never 0 in a report
};

/// Random sequences are copied as well as this, while no head gives as much as that to what followed the last mention: the
/// positional shortcut.
inline constexpr double kShortcutCopying = 0.4;
inline constexpr double kShortcutInduction = 0.3;

/// Everything measured of a model at one moment. Immutable once made.
struct HeadReport {
  std::int64_t tokens = 0;   ///< seen in training so far; set by who trains
  double held_out_loss = 0;  ///< nats a target
  double floor = 0;          ///< of the same targets: what nothing that knows only the grammar can beat on average, nats
  bool has_floor = false;
  std::vector<RoleScore> roles;  ///< in the order of roles(kind); those without a case have n_cases 0
  std::vector<BehaviourScore> behaviours;
  /// Random repeated sequences are copied, but by no induction head.
  bool has_shortcut = false;

  /// Null when there is none of it, or no case.
  const RoleScore* role(std::string_view id) const;
  const BehaviourScore* behaviour(Behaviour which) const;
  /// A sentence on induction: proved, not there, or the shortcut. Empty where it was not measured.
  std::string induction_sentence() const;
};

/// All heads' attention and all answers on the probes, in as few evaluations as the kind allows (causal: two).
/// Errors  ShapeError when the probes are longer than the model can read or of another kind; Cancelled.
HeadReport measure_roles(Network& network, const RoleProbes& probes, std::stop_token stop = {});

/// Roles as one JSON object, in the order of the report, without those that have no case:
/// {"subject":{"score","baseline","chance","cases","head":"L1 H1","threshold","passed","why"}, ...}. "head" is the best one, named or
/// not (name_of with its stack); "baseline" is null where the role has none.
std::string roles_json(const HeadReport& report);
/// {"agreement":{"accuracy","chance","cases"}, ...}
std::string behaviours_json(const HeadReport& report);

}  // namespace headroom
