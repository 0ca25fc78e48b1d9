#include "core/cost/plan_model.h"

#include <algorithm>
#include <set>

#include "core/cost/thousands.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

std::int64_t round_up(std::int64_t tokens, std::int64_t page) { return page > 0 ? (tokens + page - 1) / page * page : tokens; }

void set_kv_heads(CardStack& stack, std::int64_t n_kv_heads, const std::string& name) {
  if (!stack.n_heads) return;
  if (n_kv_heads > *stack.n_heads || *stack.n_heads % n_kv_heads != 0)
    throw Error(grouped_digits(n_kv_heads) + " K/V heads do not divide the " + grouped_digits(*stack.n_heads) + " heads of " +
                name + ".");
  stack.n_kv_heads = n_kv_heads;
}

}  // namespace

PlanModel::PlanModel(const ModelCard& card, const CostPlan& plan, std::vector<std::string>* notices) : card_(card) {
  const auto notice = [&](const std::string& sentence) {
    if (notices != nullptr) notices->push_back(sentence);
  };
  if (plan.n_kv_heads > 0) {
    set_kv_heads(card_.decoder, plan.n_kv_heads, card.name);
    set_kv_heads(card_.encoder, plan.n_kv_heads, card.name);
  }
  if (plan.window > 0 && card_.decoder.n_layers) {
    // A layer with a shorter window of its own keeps it.
    std::vector<std::int64_t>& windows = card_.decoder.windows;
    windows.resize(static_cast<std::size_t>(*card_.decoder.n_layers), 0);
    for (std::int64_t& window : windows)
      window = window > 0 ? std::min(window, plan.window) : plan.window;
  }
  totals_ = card_totals(card_);
  if (!writes() && (plan.window > 0 || plan.page_rows > 0))
    notice(card.name + " is an encoder: it keeps no cache, so windows and pages change nothing.");
  if (card.context && plan.context > *card.context)
    notice(card.name + " was made for " + grouped_digits(*card.context) + " tokens; " + grouped_digits(plan.context) +
           " are planned as if it could read them.");
  const CardStack& stack = card_.main_stack();
  const std::int64_t devices = plan.tensor_parallel;
  if (devices > 1 && *stack.n_heads % devices != 0)
    notice(grouped_digits(*stack.n_heads) + " heads do not divide evenly over " + grouped_digits(devices) +
           " devices: the figures are those of the fullest one.");
  if (*stack.n_kv_heads < devices)
    notice("With " + grouped_digits(*stack.n_kv_heads) + " K/V heads on " + grouped_digits(devices) +
           " devices each K/V head is kept on several of them.");
}

PassPlan PlanModel::pass(PassKind kind, const CostPlan& plan) {
  return {.kind = kind,
          .context = plan.context,
          .batch = kind == PassKind::kDecode ? plan.batch : 1,
          .weights = plan.weights,
          .kv = plan.kv,
          .activations = plan.weights == KvType::kFloat32 ? KvType::kFloat32 : KvType::kFloat16,
          .tensor_parallel = plan.tensor_parallel};
}

PassCost PlanModel::decode(const CostPlan& plan) const {
  if (!writes()) return {};
  const PassPlan step = pass(PassKind::kDecode, plan);
  return pass_cost(pass_terms(card_, totals_, step), step);
}

PassCost PlanModel::prefill(const CostPlan& plan) const {
  const PassPlan whole = pass(PassKind::kPrefill, plan);
  return pass_cost(pass_terms(card_, totals_, whole), whole);
}

std::int64_t PlanModel::reserved_tokens(const CostPlan& plan) const {
  if (plan.page_rows > 0) return round_up(plan.context, plan.page_rows);
  return std::max(plan.context, card_.context.value_or(plan.context));
}

double PlanModel::kv_of_text(const CostPlan& plan) const {
  CostPlan one = plan;
  one.batch = 1;
  return decode(one).kv_bytes;
}

double PlanModel::reserved_of_text(const CostPlan& plan) const {
  if (!writes()) return 0;
  CostPlan reserved = plan;
  reserved.batch = 1;
  reserved.context = reserved_tokens(plan);
  const PassPlan step = pass(PassKind::kDecode, reserved);
  const PassTerms terms = pass_terms(card_, totals_, step);
  const auto row = static_cast<double>(kv_row_bytes(plan.kv, terms.d_head));
  double bytes = 0;
  for (const MapTerm& map : terms.maps) {
    const auto rows = static_cast<double>(round_up(static_cast<std::int64_t>(map.held), plan.page_rows));
    bytes += static_cast<double>(map.count * map.kv_heads) * 2 * rows * row;
  }
  return bytes;
}

double PlanModel::activations(const CostPlan& plan) const {
  PassPlan piece = pass(PassKind::kPrefill, plan);
  if (!writes()) {
    piece.batch = plan.batch;
  } else if (card_.kind != CardKind::kEncoderDecoder) {
    piece.context = std::min(piece.context, kPrefillPiece);
  }
  const double reading = pass_cost(pass_terms(card_, totals_, piece), piece).activation_bytes;
  return std::max(reading, decode(plan).activation_bytes);
}

PlanMemory PlanModel::memory(const CostPlan& plan, const Device& device) const {
  PlanMemory memory;
  const auto texts = static_cast<double>(plan.batch);
  memory.usable = device.memory_bytes * device.usable_share;
  memory.weights = prefill(plan).weight_bytes;
  memory.kv = texts * reserved_of_text(plan);
  memory.kv_used = texts * kv_of_text(plan);
  memory.activations = activations(plan);
  return memory;
}

bool PlanModel::fits(const CostPlan& plan, const Device& device) const {
  const PlanMemory taken = memory(plan, device);
  return taken.total() <= taken.usable;
}

std::int64_t PlanModel::largest_batch(CostPlan plan, const Device& device) const {
  return largest_that(kMaxPlanBatch, [&](std::int64_t batch) {
    plan.batch = batch;
    return fits(plan, device);
  });
}

std::int64_t PlanModel::largest_context(CostPlan plan, const Device& device) const {
  return largest_that(kMaxCardContext, [&](std::int64_t context) {
    plan.context = context;
    return fits(plan, device);
  });
}

PassTime pass_time(const PassCost& cost, KvType weights, const Device& device) {
  const double peak = peak_flops(device, weights);
  if (!(peak > 0) || !(device.bandwidth > 0)) return {};
  const double linear_bytes = cost.weight_read_bytes + cost.row_bytes;
  return {.bandwidth = cost.traffic() / device.bandwidth,
          .compute = cost.flops() / peak,
          .exchange = device.link > 0 ? cost.exchange_bytes / device.link : 0,
          .linear = std::max(linear_bytes / device.bandwidth, cost.linear_flops / peak),
          .attention = std::max((cost.traffic() - linear_bytes) / device.bandwidth, cost.attention_flops / peak)};
}

std::int64_t largest_that(std::int64_t most, const std::function<bool(std::int64_t)>& holds) {
  if (!holds(1)) return 0;
  std::int64_t known = 1, beyond = 2;
  while (beyond <= most && holds(beyond)) {
    known = beyond;
    beyond *= 2;
  }
  beyond = std::min(beyond, most + 1);
  while (beyond - known > 1) {
    const std::int64_t middle = known + (beyond - known) / 2;
    (holds(middle) ? known : beyond) = middle;
  }
  return known;
}

namespace {

PlanPoint point(const PlanModel& model, const CostPlan& plan, const Device& device) {
  const PassTime step = pass_time(model.decode(plan), plan.weights, device);
  const auto texts = static_cast<double>(plan.batch);
  const auto rate = [&](double seconds) { return seconds > 0 ? texts / seconds : 0; };
  const PlanMemory memory = model.memory(plan, device);
  return {.kv_bytes = memory.kv,
          .fits = memory.total() <= memory.usable,
          .tokens_per_s = rate(step.total()),
          .tokens_per_s_bandwidth = rate(step.bandwidth),
          .tokens_per_s_compute = rate(step.compute),
          .first_token_s = pass_time(model.prefill(plan), plan.weights, device).total()};
}

/// Doublings from `least` up to `most`, and the two that are asked for.
std::set<std::int64_t> marks(std::int64_t least, std::int64_t most, std::int64_t asked, std::int64_t largest) {
  std::set<std::int64_t> at{asked};
  if (largest > 0) at.insert(largest);
  for (std::int64_t mark = least; mark <= most; mark *= 2)
    at.insert(mark);
  return at;
}

}  // namespace

std::vector<PlanPoint> batch_curve(const PlanModel& model, const CostPlan& plan, const Device& device) {
  constexpr std::int64_t kUsual = 1024;
  const std::int64_t largest = model.largest_batch(plan, device);
  std::vector<PlanPoint> curve;
  CostPlan at = plan;
  for (const std::int64_t batch : marks(1, std::max({kUsual, 2 * plan.batch, 2 * largest}), plan.batch, largest)) {
    if (batch > kMaxPlanBatch) break;
    at.batch = batch;
    curve.push_back(point(model, at, device));
    curve.back().at = batch;
  }
  return curve;
}

std::vector<PlanPoint> context_curve(const PlanModel& model, const CostPlan& plan, const Device& device) {
  constexpr std::int64_t kFirst = 128, kUsual = 32768;
  const std::int64_t largest = model.largest_context(plan, device);
  std::vector<PlanPoint> curve;
  CostPlan at = plan;
  for (const std::int64_t context : marks(kFirst, std::max({kUsual, 2 * plan.context, 2 * largest}), plan.context, largest)) {
    if (context > kMaxCardContext) break;
    at.context = context;
    curve.push_back(point(model, at, device));
    curve.back().at = context;
  }
  return curve;
}

}  // namespace headroom
