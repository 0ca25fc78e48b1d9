#include "core/cost/plan_cost.h"

#include <algorithm>
#include <functional>

#include "core/cost/plan_model.h"
#include "core/cost/thousands.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Texts at once from which on arithmetic takes longer than reading. Both grow with the batch, reading from a start of its own and never
/// faster than in a line, so once arithmetic has caught up it stays ahead.
std::optional<std::int64_t> turn(const PlanModel& model, CostPlan plan,
                                 const std::function<bool(const PassCost&)>& computes_longer) {
  const std::int64_t below = largest_that(kMaxPlanBatch, [&](std::int64_t batch) {
    plan.batch = batch;
    return !computes_longer(model.decode(plan));
  });
  if (below == kMaxPlanBatch) return std::nullopt;
  return below + 1;
}

void fill_turns(const PlanModel& model, PlanCost& cost) {
  const CostPlan& plan = cost.plan;
  const double peak = peak_flops(cost.device, plan.weights), bandwidth = cost.device.bandwidth;
  cost.turning_batch = turn(model, plan, [&](const PassCost& step) { return step.flops() / peak >= step.traffic() / bandwidth; });
  cost.matrices_turning_batch = turn(model, plan, [&](const PassCost& step) {
    return step.linear_flops / peak >= (step.weight_read_bytes + step.row_bytes) / bandwidth;
  });
}

std::string tokens_text(std::int64_t n) { return grouped_digits(n) + (n == 1 ? " token" : " tokens"); }
std::string texts_text(std::int64_t n) { return grouped_digits(n) + (n == 1 ? " text" : " texts"); }

std::string refusal_text(const PlanCost& cost) {
  const CostPlan& plan = cost.plan;
  const PlanMemory& memory = cost.memory;
  std::string text = texts_text(plan.batch) + " of " + tokens_text(plan.context) + (plan.batch == 1 ? " needs " : " need ") +
                     bytes_amount(memory.total()) +
                     (plan.tensor_parallel > 1 ? " on each of " + grouped_digits(plan.tensor_parallel) + " devices" : "") + " (" +
                     bytes_amount(memory.weights) + " weights, " + bytes_amount(memory.kv) + " K and V, " +
                     bytes_amount(memory.activations) + " activations), and " + cost.device.name + " has " +
                     bytes_amount(memory.usable) + " for them: ";
  if (cost.largest_batch > 0) {
    text += "at most " + texts_text(cost.largest_batch) + " of that length fit";
    if (cost.largest_context > 0) text += ", or that many texts of at most " + tokens_text(cost.largest_context);
  } else if (cost.largest_context > 0) {
    text += "at most " + tokens_text(cost.largest_context) + " of each fit";
  } else {
    text += memory.weights > memory.usable ? "the weights alone do not fit" : "not one token fits";
  }
  if (cost.fewest_devices > 0) text += "; it fits when it is split over " + grouped_digits(cost.fewest_devices) + " devices";
  return text + ".";
}

std::int64_t fewest_devices(const PlanModel& model, CostPlan plan, const Device& device) {
  while (!model.fits(plan, device)) {
    plan.tensor_parallel *= 2;
    if (plan.tensor_parallel > kMaxPlanDevices) return 0;
  }
  return plan.tensor_parallel;
}

std::vector<std::string> assumptions(const PlanModel& model, const PlanCost& cost) {
  const CostPlan& plan = cost.plan;
  std::vector<std::string> said = pass_assumptions(model.card(), PlanModel::pass(PassKind::kDecode, plan));
  said.push_back(
      "Times are the least that the device's peak and bandwidth allow: each matrix product and each attention takes the longer of "
      "its "
      "arithmetic and its reading, one after another. Real programs reach a part of either.");
  if (plan.weights != KvType::kFloat32)
    said.push_back(
        "Weights and K and V are widened to 16 bits where they are used: arithmetic runs at the rate of 16-bit numbers.");
  if (cost.device.usable_share < 1)
    said.push_back(decimal_text(100 * cost.device.usable_share, 0) +
                   " % of the device's memory is planned with; the rest is left to the driver and the runtime.");
  if (model.writes()) {
    said.push_back(plan.page_rows > 0 ? "Each text takes whole pages of " + tokens_text(plan.page_rows) + " as it grows."
                                      : "Without pages each text's memory is reserved at once: " +
                                            tokens_text(cost.reserved_tokens) + ", since no one knows how long it will become.");
    if (model.card().kind != CardKind::kEncoderDecoder)
      said.push_back("Prompts are read in pieces of " + grouped_digits(kPrefillPiece) + " tokens, whose activations are held.");
  }
  if (plan.tensor_parallel > 1 && cost.device.link <= 0)
    said.push_back("How fast such devices send to each other is not told: the exchange between them takes no time here.");
  return said;
}

std::string device_problem(const Device& device, KvType weights) {
  if (device.memory_bytes > 0 && device.bandwidth > 0 && peak_flops(device, weights) > 0) return "";
  return (device.name.empty() ? "The device" : device.name) + " tells no memory, bandwidth or rate of arithmetic to plan with.";
}

void fill(const PlanModel& model, PlanCost& cost) {
  const CostPlan& plan = cost.plan;
  const Device& device = cost.device;
  cost.reserved_tokens = model.writes() ? model.reserved_tokens(plan) : plan.context;
  cost.memory = model.memory(plan, device);
  cost.prefill = model.prefill(plan);
  cost.decode = model.decode(plan);
  cost.prefill_time = pass_time(cost.prefill, plan.weights, device);
  cost.decode_time = pass_time(cost.decode, plan.weights, device);
  cost.first_token_s = cost.prefill_time.total();
  cost.prompt_tokens_per_s = static_cast<double>(plan.context) / cost.first_token_s;
  if (model.writes()) {
    const auto texts = static_cast<double>(plan.batch);
    cost.tokens_per_s = texts / cost.decode_time.total();
    cost.tokens_per_s_bandwidth = texts / cost.decode_time.bandwidth;
    cost.tokens_per_s_compute = texts / cost.decode_time.compute;
    fill_turns(model, cost);
  }
  cost.largest_batch = model.largest_batch(plan, device);
  cost.largest_context = model.largest_context(plan, device);
  cost.fewest_devices = fewest_devices(model, plan, device);
  if (cost.memory.total() > cost.memory.usable) cost.refusal = refusal_text(cost);
  cost.by_batch = batch_curve(model, plan, device);
  cost.by_context = context_curve(model, plan, device);
  cost.assumptions = assumptions(model, cost);
  cost.sections = plan_sections(model, cost);
}

}  // namespace

const CostLine* PlanCost::find(const std::string& key) const {
  for (const PlanSection& section : sections)
    for (const CostLine& line : section.lines)
      if (line.key == key) return &line;
  return nullptr;
}

PlanCost plan_costs(const ModelCard& card, const CostPlan& plan, const Device& device) {
  PlanCost cost;
  std::string changed;
  cost.plan = settle(plan, &changed);
  if (!changed.empty()) cost.notices.push_back(changed);
  cost.device = device;
  cost.card_name = card.name;
  cost.problem = device_problem(device, cost.plan.weights);
  if (!cost.problem.empty()) return cost;
  try {
    fill(PlanModel(card, cost.plan, &cost.notices), cost);
    cost.choices = plan_choices(card, cost.plan, device);
  } catch (const Error& error) {
    PlanCost refused;
    refused.plan = cost.plan;
    refused.device = device;
    refused.card_name = card.name;
    refused.problem = error.what();
    return refused;
  }
  return cost;
}

}  // namespace headroom
