#include "core/formats/plan_json.h"

#include <nlohmann/json.hpp>

namespace headroom {
namespace {

using Json = nlohmann::ordered_json;

Json of_plan(const CostPlan& plan) {
  return {{"context", plan.context},     {"batch", plan.batch},   {"weights", kv_type_name(plan.weights)},
          {"kv", kv_type_name(plan.kv)}, {"device", plan.device}, {"tensor_parallel", plan.tensor_parallel},
          {"kv_heads", plan.n_kv_heads}, {"window", plan.window}, {"page_rows", plan.page_rows}};
}

Json of_device(const Device& device) {
  Json json{{"id", device.id},
            {"name", device.name},
            {"memory_bytes", device.memory_bytes},
            {"usable_share", device.usable_share},
            {"bandwidth_bytes_per_s", device.bandwidth},
            {"flops_float32", device.flops_float32},
            {"flops_16_bits", device.flops_16}};
  json["flops_int8"] = device.flops_int8 > 0 ? Json(device.flops_int8) : Json(nullptr);
  json["link_bytes_per_s"] = device.link > 0 ? Json(device.link) : Json(nullptr);
  json["basis"] = basis_name(device.basis);
  json["source"] = device.source;
  if (!device.note.empty()) json["note"] = device.note;
  return json;
}

Json of_sections(const std::vector<PlanSection>& sections) {
  Json list = Json::array();
  for (const PlanSection& section : sections) {
    Json lines = Json::array();
    for (const CostLine& line : section.lines) {
      Json value = line.value;
      if (line.result == "never") value = nullptr;
      lines.push_back({{"key", line.key},
                       {"label", line.label},
                       {"value", value},
                       {"unit", line.unit},
                       {"text", line.result},
                       {"formula", line.formula},
                       {"basis", basis_name(line.basis)}});
    }
    list.push_back({{"title", section.title}, {"figures", lines}});
  }
  return list;
}

Json of_points(const std::vector<PlanPoint>& points, const char* axis, bool writes) {
  Json list = Json::array();
  for (const PlanPoint& point : points) {
    Json json{{axis, point.at}, {"kv_bytes", point.kv_bytes}, {"fits", point.fits}, {"first_token_s", point.first_token_s}};
    if (writes) {
      json["tokens_per_s"] = point.tokens_per_s;
      json["tokens_per_s_bandwidth"] = point.tokens_per_s_bandwidth;
      json["tokens_per_s_compute"] = point.tokens_per_s_compute;
    }
    list.push_back(std::move(json));
  }
  return list;
}

Json of_choices(const std::vector<PlanChoice>& choices) {
  Json list = Json::array();
  for (const PlanChoice& choice : choices)
    list.push_back({{"axis", plan_axis_name(choice.axis)},
                    {"name", choice.name},
                    {"is_current", choice.is_current},
                    {"weight_bytes", choice.weight_bytes},
                    {"kv_bytes", choice.kv_bytes},
                    {"saved_bytes", choice.saved_bytes},
                    {"fits", choice.fits},
                    {"largest_batch", choice.largest_batch},
                    {"tokens_per_s", choice.tokens_per_s},
                    {"most_tokens_per_s", choice.most_tokens_per_s},
                    {"plan", of_plan(choice.plan)}});
  return list;
}

Json of_cost(const PlanCost& cost) {
  Json json{{"model", cost.card_name}, {"plan", of_plan(cost.plan)}, {"device", of_device(cost.device)}};
  json["notices"] = cost.notices;
  if (!cost.problem.empty()) {
    json["problem"] = cost.problem;
    return json;
  }
  json["fits"] = cost.fits();
  if (!cost.refusal.empty()) json["refusal"] = cost.refusal;
  json["reserved_tokens"] = cost.reserved_tokens;
  json["sections"] = of_sections(cost.sections);
  const bool writes = cost.tokens_per_s > 0;
  json["choices"] = of_choices(cost.choices);
  json["by_batch"] = of_points(cost.by_batch, "batch", writes);
  json["by_context"] = of_points(cost.by_context, "context", writes);
  json["assumptions"] = cost.assumptions;
  return json;
}

Json of_differences(const PlanCost& first, const PlanCost& second) {
  Json list = Json::array();
  for (const PlanDifference& difference : compare_plans(first, second)) {
    Json json{{"key", difference.key}, {"label", difference.label}, {"first", difference.first}, {"second", difference.second}};
    json["ratio"] = difference.ratio > 0 ? Json(difference.ratio) : Json(nullptr);
    list.push_back(std::move(json));
  }
  return list;
}

std::string text_of(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string plan_json(const PlanCost& plan, const PlanCost* beside) {
  Json json = of_cost(plan);
  if (beside != nullptr) {
    json["beside"] = of_cost(*beside);
    if (plan.problem.empty() && beside->problem.empty()) json["differences"] = of_differences(plan, *beside);
  }
  return text_of(json);
}

std::string devices_json(const std::vector<Device>& devices) {
  Json list = Json::array();
  for (const Device& device : devices)
    list.push_back(of_device(device));
  return text_of(list);
}

}  // namespace headroom
