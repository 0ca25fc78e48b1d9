#include "core/session/costs.h"

#include <utility>

#include "core/formats/card_library.h"
#include "core/formats/device_library.h"
#include "core/formats/file.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;

/// The card as it was read for the last answer, where that is the same one; else it is read now.
std::shared_ptr<const ShownCard> card_of(const CostPlan& plan, const CostRequest& request, const fs::path& assets,
                                         const CostState& known) {
  const bool is_same_model = request.model == known.request.model && request.model_source == known.request.model_source;
  for (const auto& planned : {known.plan, known.beside}) {
    if (planned && planned->card && planned->card->from == plan.card && (!plan.card.empty() || is_same_model)) return planned->card;
  }
  Compute compute;
  compute.model_source = request.model_source;
  compute.model = request.model;
  return read_shown_card(plan.card, compute, assets, *known.cards);
}

const Device* device_of(const CostState& state, const std::string& id) {
  if (id == kThisMachine) return state.this_machine ? &*state.this_machine : nullptr;
  return state.devices ? find_device(*state.devices, id) : nullptr;
}

std::shared_ptr<const PlannedCost> planned(const CostPlan& plan, std::shared_ptr<const ShownCard> card, const CostState& state) {
  auto made = std::make_shared<PlannedCost>();
  made->card = std::move(card);
  const Device* device = device_of(state, plan.device);
  if (!made->card->problem.empty() || device == nullptr) {
    made->cost.plan = settle(plan);
    made->cost.card_name = made->card->card.name;
    made->cost.problem = !made->card->problem.empty() ? made->card->problem
                         : plan.device == kThisMachine
                             ? "This machine is not measured yet: its arithmetic and its memory take about a second."
                             : "There is no device named " + in_quotes(plan.device) + " in the library.";
    if (device != nullptr) made->cost.device = *device;
    return made;
  }
  made->cost = plan_costs(made->card->card, plan, *device);
  return made;
}

template <typename Read>
auto read_library(CostState& state, const Read& read) {
  using Library = decltype(read());
  auto library = std::make_shared<Library>();
  try {
    *library = read();
  } catch (const std::exception& error) {
    if (state.library_problem.empty()) state.library_problem = error.what();
  }
  return std::shared_ptr<const Library>(std::move(library));
}

}  // namespace

CostRequest cost_request(const Session& session, const CostState& known) {
  CostRequest request{.plan = session.cost, .beside = {}, .model_source = {}, .model = {}, .this_machine = {}};
  if (session.view.cost_beside == CostBeside::kPlan) request.beside = session.beside;
  // Of other models nothing depends on the open one.
  if (request.plan.card.empty() || (request.beside && request.beside->card.empty())) {
    request.model_source = session.compute.model_source;
    request.model = session.compute.model;
  }
  if (needs_this_machine(session)) request.this_machine = known.this_machine;
  return request;
}

CostState compute_costs(const CostRequest& request, const fs::path& assets, const CostState& known) {
  CostState state = known;
  if (!state.cards) state.cards = read_library(state, [&] { return read_card_library(assets / "cards"); });
  if (!state.devices) state.devices = read_library(state, [&] { return read_device_library(assets / "devices"); });
  if (request.this_machine) state.this_machine = request.this_machine;
  const CostState read = state;
  state.plan = planned(request.plan, card_of(request.plan, request, assets, read), state);
  state.beside = request.beside ? planned(*request.beside, card_of(*request.beside, request, assets, read), state) : nullptr;
  state.request = request;
  return state;
}

bool needs_this_machine(const Session& session) {
  return session.cost.device == kThisMachine ||
         (session.view.cost_beside == CostBeside::kPlan && session.beside.device == kThisMachine);
}

std::string device_name(const CostState& state, const std::string& id) {
  if (id == kThisMachine) return "this machine";
  const Device* device = device_of(state, id);
  return device == nullptr ? in_quotes(id) : device->name;
}

std::string plan_card_name(const CostState& state, const std::string& card) {
  if (card.empty()) return "the open model";
  if (card.starts_with(kLibraryPrefix)) {
    const std::string id = card.substr(std::string_view(kLibraryPrefix).size());
    const LibraryCard* found = state.cards ? find_library_card(*state.cards, id) : nullptr;
    return found == nullptr ? escape_for_display(id) : found->card.name;
  }
  if (card.starts_with('{')) return "the pasted configuration";
  const fs::path path(card);
  return escape_for_display((path.filename() == "config.json" ? path.parent_path().filename() : path.filename()).native());
}

}  // namespace headroom
