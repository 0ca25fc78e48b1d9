#include <algorithm>
#include <functional>
#include <set>

#include "core/cost/plan_model.h"
#include "core/cost/thousands.h"

namespace headroom {
namespace {

std::string heads_name(std::int64_t heads, std::int64_t n_kv_heads) {
  const std::string count = grouped_digits(n_kv_heads) + (n_kv_heads == 1 ? " K/V head" : " K/V heads");
  if (n_kv_heads == heads) return "multi-head: " + count;
  return (n_kv_heads == 1 ? "multi-query: " : "grouped: ") + count;
}

std::string tokens(std::int64_t n) { return grouped_digits(n) + (n == 1 ? " token" : " tokens"); }

class Choices {
 public:
  Choices(const ModelCard& card, const CostPlan& plan, const Device& device)
      : card_(card), plan_(plan), device_(device), current_(measure(plan)) {}

  std::vector<PlanChoice> take() {
    const bool writes = card_.kind != CardKind::kEncoder;
    if (writes) heads();
    if (writes) types(PlanAxis::kKvType);
    types(PlanAxis::kWeights);
    if (writes) reserving();
    if (writes) windows();
    return std::move(choices_);
  }

 private:
  PlanChoice measure(const CostPlan& plan) const {
    const PlanModel model(card_, plan);
    const PlanMemory memory = model.memory(plan, device_);
    PlanChoice choice;
    choice.plan = plan;
    choice.weight_bytes = memory.weights;
    choice.kv_bytes = memory.kv;
    choice.fits = memory.total() <= memory.usable;
    choice.largest_batch = model.largest_batch(plan, device_);
    const auto rate = [&](CostPlan asked, std::int64_t batch) {
      asked.batch = batch;
      const double seconds = pass_time(model.decode(asked), asked.weights, device_).total();
      return seconds > 0 ? static_cast<double>(batch) / seconds : 0;
    };
    choice.tokens_per_s = rate(plan, plan.batch);
    if (choice.largest_batch > 0) choice.most_tokens_per_s = rate(plan, choice.largest_batch);
    return choice;
  }

  void add(PlanAxis axis, const std::string& name, const CostPlan& plan) {
    PlanChoice choice = plan == plan_ ? current_ : measure(plan);
    choice.axis = axis;
    choice.name = name;
    choice.is_current = plan == plan_;
    choice.saved_bytes = current_.weight_bytes + current_.kv_bytes - choice.weight_bytes - choice.kv_bytes;
    choices_.push_back(std::move(choice));
  }

  void heads() {
    const std::int64_t h = *card_.main_stack().n_heads, own = *card_.main_stack().n_kv_heads;
    constexpr std::int64_t kUsualGroups = 8;
    std::set<std::int64_t, std::greater<>> counts{h, own, 1};
    if (h % kUsualGroups == 0) counts.insert(kUsualGroups);
    if (plan_.n_kv_heads > 0) counts.insert(plan_.n_kv_heads);
    for (const std::int64_t count : counts) {
      CostPlan plan = plan_;
      // What the card has is the plan without a number of its own, and a plan that names it is no other.
      plan.n_kv_heads = count == own && plan_.n_kv_heads != own ? 0 : count;
      add(PlanAxis::kKvHeads, heads_name(h, count) + (count == own ? " (the card's)" : ""), plan);
    }
  }

  void types(PlanAxis axis) {
    KvType CostPlan::*const field = axis == PlanAxis::kKvType ? &CostPlan::kv : &CostPlan::weights;
    for (const KvType type : {KvType::kFloat32, KvType::kFloat16, KvType::kBFloat16, KvType::kInt8, KvType::kInt4}) {
      const bool is_usual = type != KvType::kFloat32 && type != KvType::kBFloat16;
      if (!is_usual && plan_.*field != type) continue;
      CostPlan plan = plan_;
      plan.*field = type;
      add(axis, kv_type_name(type), plan);
    }
  }

  void reserving() {
    constexpr std::int64_t kUsualPage = 16;
    std::set<std::int64_t> pages{0, kUsualPage, plan_.page_rows};
    for (const std::int64_t page : pages) {
      CostPlan plan = plan_;
      plan.page_rows = page;
      const std::int64_t reserved = PlanModel(card_, plan).reserved_tokens(plan);
      add(PlanAxis::kReserving, page == 0 ? "reserved at once: " + tokens(reserved) : "pages of " + tokens(page), plan);
    }
  }

  void windows() {
    std::set<std::int64_t, std::greater<>> sizes;
    for (const std::int64_t usual : {4096, 1024})
      if (usual < plan_.context) sizes.insert(usual);
    if (sizes.empty() && plan_.context > 4) sizes.insert(plan_.context / 4);
    if (plan_.window > 0) sizes.insert(plan_.window);
    CostPlan plan = plan_;
    plan.window = 0;
    const std::vector<std::int64_t>& own = card_.decoder.windows;
    const bool has_own = std::any_of(own.begin(), own.end(), [](std::int64_t window) { return window > 0; });
    add(PlanAxis::kWindow, has_own ? "the card's own windows" : "all tokens", plan);
    for (const std::int64_t size : sizes) {
      plan.window = size;
      add(PlanAxis::kWindow, "last " + tokens(size), plan);
    }
  }

  const ModelCard& card_;
  const CostPlan& plan_;
  const Device& device_;
  PlanChoice current_;
  std::vector<PlanChoice> choices_;
};

}  // namespace

const char* plan_axis_name(PlanAxis axis) {
  switch (axis) {
    case PlanAxis::kKvHeads:
      return "K/V heads";
    case PlanAxis::kKvType:
      return "K/V type";
    case PlanAxis::kWeights:
      return "weights";
    case PlanAxis::kReserving:
      return "reserving";
    case PlanAxis::kWindow:
      return "window";
  }
  return "";
}

std::vector<PlanChoice> plan_choices(const ModelCard& card, const CostPlan& plan, const Device& device) {
  return Choices(card, plan, device).take();
}

}  // namespace headroom
