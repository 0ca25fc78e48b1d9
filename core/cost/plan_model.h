#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/cost/pass_terms.h"
#include "core/cost/plan_cost.h"

namespace headroom {

/// A card as a plan changes it, with what its many passes need.
class PlanModel {
 public:
  /// `notices` gets what the plan asks for in vain. Errors  Error in one sentence when the card does not tell enough, or the plan's K/V
  /// heads do not divide its heads.
  PlanModel(const ModelCard& card, const CostPlan& plan, std::vector<std::string>* notices = nullptr);

  const ModelCard& card() const { return card_; }
  bool writes() const { return card_.kind != CardKind::kEncoder; }

  static PassPlan pass(PassKind kind, const CostPlan& plan);
  /// One step for all texts. Of an encoder: empty.
  PassCost decode(const CostPlan& plan) const;
  /// The whole context of one text.
  PassCost prefill(const CostPlan& plan) const;
  /// K and V of one text on one device, for its own tokens and as they are reserved.
  double kv_of_text(const CostPlan& plan) const;
  double reserved_of_text(const CostPlan& plan) const;
  std::int64_t reserved_tokens(const CostPlan& plan) const;
  PlanMemory memory(const CostPlan& plan, const Device& device) const;
  bool fits(const CostPlan& plan, const Device& device) const;
  std::int64_t largest_batch(CostPlan plan, const Device& device) const;
  std::int64_t largest_context(CostPlan plan, const Device& device) const;

 private:
  double activations(const CostPlan& plan) const;

  ModelCard card_;
  CardTotals totals_;
};

PassTime pass_time(const PassCost& cost, KvType weights, const Device& device);

/// The largest number in [1, most] for which `holds` is true, which it is of all below that one; 0: of none.
std::int64_t largest_that(std::int64_t most, const std::function<bool(std::int64_t)>& holds);

/// Texts and tokens that a curve is drawn at: doublings from `least`, what the plan asks for, and what fits.
std::vector<PlanPoint> batch_curve(const PlanModel& model, const CostPlan& plan, const Device& device);
std::vector<PlanPoint> context_curve(const PlanModel& model, const CostPlan& plan, const Device& device);

std::vector<PlanChoice> plan_choices(const ModelCard& card, const CostPlan& plan, const Device& device);

/// Fills `sections` of a plan whose figures are there.
std::vector<PlanSection> plan_sections(const PlanModel& model, const PlanCost& cost);

/// Tokens of a prompt that are read at once; a longer one is read in pieces.
inline constexpr std::int64_t kPrefillPiece = 2048;

}  // namespace headroom
