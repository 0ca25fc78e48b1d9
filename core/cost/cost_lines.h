#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/cost/pass_cost.h"

namespace headroom {

/// A figure's value as a reader wants it, by its unit: "128.00 MiB" (B), "28.1 TFLOP", "34.5 ms" (s), "1,234" (""), "12.3 FLOP/B".
std::string figure_text(double value, const std::string& unit);

/// Figures in the order in which they are told.
class CostLines {
 public:
  struct Figure {
    const char *key, *label;
    double value = 0;
    const char* unit = "";
    Basis basis = Basis::kComputed;
  };
  CostLine& add(const Figure& figure, std::string formula);
  std::vector<CostLine> take() { return std::move(lines_); }

 private:
  std::vector<CostLine> lines_;
};

}  // namespace headroom
