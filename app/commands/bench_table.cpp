#include "app/commands/bench_table.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/speed/report.h"

namespace headroom {

namespace {

using nlohmann::ordered_json;

std::string fixed(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

std::string rate(double value) { return value > 0 ? fixed(value < 10 ? "%.2f" : "%.1f", value) : "-"; }

std::string percent(const SpeedRow& row) { return row.percent_of_limit ? fixed("%.1f", *row.percent_of_limit) : "-"; }

std::string threads(const SpeedRow& row) { return row.threads > 0 ? std::to_string(row.threads) : "-"; }

/// "flash", "flash, float16 K/V"
std::string backend(const SpeedRow& row) {
  return row.storage.empty() || row.storage == "float32" ? row.backend : row.backend + ", " + row.storage + " K/V";
}

/// "FMA peak, 163.4 GFLOP/s"
std::string limit(const SpeedRow& row) {
  return row.percent_of_limit ? row.limit + ", " + rate(row.limit_value) + " " + row.limit_unit : "-";
}

std::string more_text(const BenchRow& row) {
  std::string text;
  for (const auto& [what, value] : row.more)
    text += "; " + what + " " + fixed("%.0f", value);
  return text;
}

std::vector<std::string> cells(const BenchRow& bench) {
  const SpeedRow& row = bench.row;
  return {row.name,         backend(row),
          threads(row),     fixed("%.3f", row.ms),
          rate(row.gflops), row.gbps ? rate(*row.gbps) : "-",
          percent(row),     limit(row) + more_text(bench)};
}

const std::vector<std::string> kTitles{"case", "backend", "threads", "ms", "GFLOP/s", "GB/s", "% of limit", "limit"};
const std::vector<int> kWidths{12, 19, 7, 10, 8, 7, 10, 0};
/// Numbers stand to the right.
const std::vector<bool> kIsNumber{false, false, true, true, true, true, true, false};

std::string text_line(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const auto width = static_cast<std::size_t>(kWidths[i]);
    const std::string space(cells[i].size() < width ? width - cells[i].size() : 0, ' ');
    line += (i == 0 ? "" : "  ") + (kIsNumber[i] ? space + cells[i] : cells[i] + (i + 1 < cells.size() ? space : ""));
  }
  return line + '\n';
}

std::string markdown_line(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells)
    line += " " + cell + " |";
  return line + '\n';
}

ordered_json json_of(const BenchRow& bench, const MachineFacts& machine) {
  const SpeedRow& row = bench.row;
  const auto or_null = [](bool is_known, const auto& value) { return is_known ? ordered_json(value) : ordered_json(); };
  ordered_json json{{"case", row.name},
                    {"backend", row.backend},
                    {"threads", row.threads},
                    {"ms", row.ms},
                    {"gflops", or_null(row.gflops > 0, row.gflops)},
                    {"percent_of_limit", or_null(row.percent_of_limit.has_value(), row.percent_of_limit.value_or(0))},
                    {"limit", or_null(row.percent_of_limit.has_value(), row.limit)},
                    {"limit_value", or_null(row.percent_of_limit.has_value(), row.limit_value)},
                    {"limit_unit", or_null(row.percent_of_limit.has_value(), row.limit_unit)},
                    {"storage", or_null(!row.storage.empty(), row.storage)},
                    {"gbps", or_null(row.gbps.has_value(), row.gbps.value_or(0))},
                    {"rounds", row.rounds},
                    {"clock", row.clock},
                    {"largest_error", row.largest_error}};
  for (const auto& [what, value] : bench.more)
    json[what] = value;
  json.update({{"version", HEADROOM_VERSION},
               {"commit", machine.commit},
               {"compiler", machine.compiler},
               {"cpu", machine.cpu},
               {"simd", machine.simd},
               {"gpu", machine.gpu}});
  return json;
}

}  // namespace

std::string bench_head(const MachineFacts& machine, BenchFormat format) {
  const std::string build = "headroom " HEADROOM_VERSION ", commit " + machine.commit + ", " + machine.compiler;
  const std::string where = machine.cpu + ", " + machine.simd + "; GPU: " + machine.gpu;
  if (format == BenchFormat::kText) return build + '\n' + where + "\n\n" + text_line(kTitles);
  if (format != BenchFormat::kMarkdown) return "";
  std::vector<std::string> rules;
  for (const bool is_number : kIsNumber)
    rules.emplace_back(is_number ? "---:" : "---");
  return build + "; " + where + ".\n\n" + markdown_line(kTitles) + markdown_line(rules);
}

std::string bench_lines(const std::vector<BenchRow>& rows, BenchFormat format) {
  std::string lines;
  for (const BenchRow& row : rows) {
    if (format == BenchFormat::kText) lines += text_line(cells(row));
    if (format == BenchFormat::kMarkdown) lines += markdown_line(cells(row));
  }
  return lines;
}

std::string bench_document(const std::vector<BenchRow>& rows, const MachineFacts& machine, BenchFormat format) {
  if (format == BenchFormat::kJson) {
    ordered_json list = ordered_json::array();
    for (const BenchRow& row : rows)
      list.push_back(json_of(row, machine));
    return list.dump(2) + '\n';
  }
  if (format != BenchFormat::kCsv) return "";
  std::vector<SpeedRow> plain;
  for (const BenchRow& row : rows)
    plain.push_back(row.row);
  return to_csv(plain, machine);
}

}  // namespace headroom
