#include "core/cost/cost_lines.h"

#include <string_view>
#include <utility>

#include "core/cost/thousands.h"

namespace headroom {

std::string figure_text(double value, const std::string& unit) {
  if (unit == "B") return bytes_amount(value);
  if (unit == "s") return duration_text(value);
  if (unit == "FLOP") return flop_text(value);
  if (unit == "%") return decimal_text(value, 1) + " %";
  if (unit == "FLOP/B" || unit == "tokens/s") return decimal_text(value, value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2) + " " + unit;
  if (unit.empty()) return whole_text(value);
  if (unit.ends_with("/s")) return metric_text(value, unit);
  return whole_text(value) + " " + unit;
}

CostLine& CostLines::add(const Figure& figure, std::string formula) {
  lines_.push_back({.key = figure.key,
                    .label = figure.label,
                    .formula = std::move(formula),
                    .result = figure_text(figure.value, figure.unit),
                    .value = figure.value,
                    .unit = figure.unit,
                    .basis = figure.basis});
  return lines_.back();
}

}  // namespace headroom
