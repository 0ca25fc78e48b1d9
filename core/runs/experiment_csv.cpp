#include <cstdio>

#include "core/runs/experiment.h"

namespace headroom {
namespace {

std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text)
    quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

std::string line(const std::vector<std::string>& cells) {
  std::string text;
  for (std::size_t i = 0; i < cells.size(); ++i)
    text += (i == 0 ? "" : ",") + cell(cells[i]);
  return text + "\n";
}

}  // namespace

std::string experiment_csv(const ExperimentResult& result) {
  std::string csv = line(result.columns);
  for (const auto& row : result.rows)
    csv += line(row);
  csv += "\n" + line({"series", result.x_name, "mean " + result.y_name, "lowest", "highest", "seeds"});
  for (const ExperimentResult::Series& series : result.series)
    for (const ExperimentResult::Spread& point : series.points)
      csv += line({series.name, point.label.empty() ? number(point.x) : point.label, number(point.mean), number(point.lowest),
                   number(point.highest), std::to_string(point.n_seeds)});
  return csv;
}

}  // namespace headroom
