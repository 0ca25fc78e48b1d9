#include <string>
#include <vector>

#include "core/session/costs.h"
#include "core/speed/text.h"

namespace headroom {
namespace {

/// RFC 4180: quoted where it must be, quotes doubled.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text)
    quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

/// The long table: a line a value.
class PlanTable {
 public:
  PlanTable() { text_ = "plan,card,device,series,at,quantity,value,unit,basis,formula\r\n"; }

  struct Line {
    std::string series, at, quantity, value, unit, basis, formula;
  };
  void add(const std::string& plan, const PlanCost& cost, const Line& line) {
    for (const std::string& one :
         {plan, cost.card_name, cost.device.name, line.series, line.at, line.quantity, line.value, line.unit, line.basis})
      text_ += csv_field(one) + ",";
    text_ += csv_field(line.formula) + "\r\n";
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void add_curve(PlanTable& table, const std::string& plan, const PlanCost& cost, const char* series) {
  const bool is_batch = std::string(series) == "batch";
  for (const PlanPoint& point : is_batch ? cost.by_batch : cost.by_context) {
    const auto add = [&](const char* quantity, double value, const char* unit, Basis basis) {
      table.add(plan, cost, {series, std::to_string(point.at), quantity, number(value), unit, basis_name(basis), ""});
    };
    add("fits", point.fits ? 1 : 0, "", Basis::kComputed);
    add("kv_bytes", point.kv_bytes, "B", Basis::kComputed);
    if (point.tokens_per_s > 0) {
      add("tokens_per_s", point.tokens_per_s, "tokens/s", Basis::kEstimated);
      add("tokens_per_s_bandwidth", point.tokens_per_s_bandwidth, "tokens/s", Basis::kEstimated);
      add("tokens_per_s_compute", point.tokens_per_s_compute, "tokens/s", Basis::kEstimated);
    }
    add("first_token_s", point.first_token_s, "s", Basis::kEstimated);
  }
}

void add_plan(PlanTable& table, const std::string& plan, const PlanCost& cost) {
  add_curve(table, plan, cost, "batch");
  add_curve(table, plan, cost, "context");
  for (const PlanSection& section : cost.sections)
    for (const CostLine& line : section.lines)
      table.add(plan, cost,
                {"figure: " + section.title, "", line.key.empty() ? line.label : line.key, number(line.value), line.unit,
                 basis_name(line.basis), line.formula});
}

}  // namespace

std::string cost_csv(const CostState& state) {
  PlanTable table;
  if (state.plan) add_plan(table, "first", state.plan->cost);
  if (state.beside) add_plan(table, "second", state.beside->cost);
  return table.text();
}

}  // namespace headroom
