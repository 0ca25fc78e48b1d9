#include "app/commands/cost_table.h"

#include <cmath>

#include "app/commands/text_columns.h"
#include "core/cost/thousands.h"
#include "core/formats/file.h"

namespace headroom {
namespace {

std::string plan_text(const PlanCost& cost) {
  const CostPlan& plan = cost.plan;
  std::string text = escape_for_display(cost.card_name) + ": " + grouped_digits(plan.batch) +
                     (plan.batch == 1 ? " text" : " texts") + " of " + grouped_digits(plan.context) + " tokens, weights " +
                     kv_type_name(plan.weights) + ", K and V " + kv_type_name(plan.kv);
  if (plan.n_kv_heads > 0) text += ", " + grouped_digits(plan.n_kv_heads) + " K/V heads";
  if (plan.window > 0) text += ", windows of " + grouped_digits(plan.window);
  text += plan.page_rows > 0 ? ", pages of " + grouped_digits(plan.page_rows) : ", reserved at once";
  text += ", on ";
  if (plan.tensor_parallel > 1) text += grouped_digits(plan.tensor_parallel) + " · ";
  return text + escape_for_display(cost.device.name);
}

/// Three digits at least, and no unit: the column has it.
std::string rate(double tokens_per_s) { return decimal_text(tokens_per_s, tokens_per_s < 99.95 ? 1 : 0); }

void add_choices(const PlanCost& cost, std::string& text) {
  if (cost.choices.empty()) return;
  TextColumns table;
  const bool writes = cost.tokens_per_s > 0;
  std::vector<std::string> head{"", "", "weights", "K and V", "saved", "texts that fit"};
  if (writes) head.insert(head.end(), {"tokens/s now", "tokens/s at most"});
  table.add(head);
  const PlanAxis* last = nullptr;
  for (const PlanChoice& choice : cost.choices) {
    const bool is_new = last == nullptr || *last != choice.axis;
    last = &choice.axis;
    std::vector<std::string> cells{
        is_new ? "  " + std::string(plan_axis_name(choice.axis)) : "",
        (choice.is_current ? "* " : "  ") + choice.name,
        bytes_amount(choice.weight_bytes),
        bytes_amount(choice.kv_bytes),
        choice.is_current ? "" : (choice.saved_bytes < 0 ? "-" : "") + bytes_amount(std::abs(choice.saved_bytes)),
        grouped_digits(choice.largest_batch)};
    if (writes) {
      cells.push_back(rate(choice.tokens_per_s));
      cells.push_back(choice.largest_batch > 0 ? rate(choice.most_tokens_per_s) : "");
    }
    table.add(cells);
  }
  text += "\nWhat each choice changes (* as planned; tokens a second are bounds: of this batch, and of as many texts as fit)\n" +
          table.text();
}

}  // namespace

std::string cost_text(const PlanCost& cost) {
  std::string text = plan_text(cost) + "\n";
  for (const PlanSection& section : cost.sections) {
    const bool is_of_one = cost.plan.tensor_parallel > 1 && section.title != "Fits" && section.title != "Speed";
    text += "\n" + section.title + (is_of_one ? ", of one device\n" : "\n");
    TextColumns table;
    for (const CostLine& line : section.lines)
      table.add({"  " + line.label, line.result, basis_name(line.basis), line.formula});
    text += table.text();
  }
  add_choices(cost, text);
  if (cost.assumptions.empty()) return text;
  text += "\nAssumed\n";
  for (const std::string& sentence : cost.assumptions)
    text += "  " + sentence + "\n";
  return text;
}

std::string comparison_text(const PlanCost& first, const PlanCost& second) {
  std::string text = "\nBeside it: " + plan_text(second) + "\n";
  TextColumns table;
  table.add({"", "planned", "beside", ""});
  for (const PlanDifference& difference : compare_plans(first, second))
    table.add({"  " + difference.label, difference.first, difference.second, difference.text});
  return text + table.text();
}

std::string devices_text(const std::vector<Device>& devices) {
  TextColumns table;
  table.add({"", "", "memory", "bandwidth", "float32", "16 bits", "int8", "link"});
  for (const Device& device : devices)
    table.add({device.id, escape_for_display(device.name), bytes_amount(device.memory_bytes), metric_text(device.bandwidth, "B/s"),
               metric_text(device.flops_float32, "FLOP/s"), metric_text(device.flops_16, "FLOP/s"),
               device.flops_int8 > 0 ? metric_text(device.flops_int8, "op/s") : "not told",
               device.link > 0 ? metric_text(device.link, "B/s") : "not told"});
  table.add({kThisMachine, "measured when it is asked for"});
  std::string text = table.text() + "\nSources\n";
  for (const Device& device : devices)
    text += "  " + device.id + ": " + escape_for_display(device.source, 400) + "\n";
  return text;
}

}  // namespace headroom
