#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/cost/plan_cost.h"
#include "core/session/cards.h"
#include "core/session/session.h"

namespace headroom {

/// What decides the figures of the Cost stage; equal requests need no new computation.
struct CostRequest {
  CostPlan plan;
  std::optional<CostPlan> beside;
  ModelSource model_source = ModelSource::kBundled;  ///< with `model`: the open model, where a plan is of that
  std::string model;
  std::optional<Device> this_machine;  ///< once it was measured

  bool operator==(const CostRequest&) const = default;
};

/// A plan with the card that it is of.
struct PlannedCost {
  std::shared_ptr<const ShownCard> card;
  PlanCost cost;  ///< its `problem` says what is wrong with the card or the device, too
};

/// What the Cost stage shows, kept beside the session, never in it.
struct CostState {
  std::shared_ptr<const std::vector<LibraryCard>> cards;
  std::shared_ptr<const std::vector<Device>> devices;  ///< of the library
  std::string library_problem;                         ///< one sentence when cards or devices could not be read
  std::optional<Device> this_machine;                  ///< as it was measured
  std::string measure_problem;                         ///< why it could not be
  CostRequest request;                                 ///< of what follows
  std::shared_ptr<const PlannedCost> plan, beside;     ///< null: not computed yet; beside: none asked for
  bool is_measuring = false;

  bool operator==(const CostState&) const = default;
};

/// `known` has this machine, where it was measured.
CostRequest cost_request(const Session& session, const CostState& known);

/// Reads the libraries and cards (those that `known` has are not read again) and computes both plans. Reads files: call it off the
/// interface's thread. Never throws for what lies there; what is wrong is in the answer.
CostState compute_costs(const CostRequest& request, const std::filesystem::path& assets, const CostState& known = {});

/// Whether a shown plan is of this machine, which is measured only when it is asked for.
bool needs_this_machine(const Session& session);

/// "NVIDIA H100 SXM", "this machine", or the id in quotes where there is no such device.
std::string device_name(const CostState& state, const std::string& id);
/// "LLaMA 2 70B", "the open model", or the end of a path.
std::string plan_card_name(const CostState& state, const std::string& card);

/// The curves of both plans over the batch and the context, and every figure with its formula: a line each.
std::string cost_csv(const CostState& state);

}  // namespace headroom
