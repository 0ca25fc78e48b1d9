#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/speed/cases.h"

namespace headroom {

enum class BenchFormat { kText, kMarkdown, kJson, kCsv };

/// A row of the table, and what belongs to this case alone: {"draw_calls", 12}.
struct BenchRow {
  SpeedRow row;
  std::vector<std::pair<std::string, double>> more = {};
};

/// The machine, in words above a table; nothing where every row names it (JSON, CSV).
std::string bench_head(const MachineFacts& machine, BenchFormat format);
/// Lines for people, to be printed as they come. Empty for JSON and CSV.
std::string bench_lines(const std::vector<BenchRow>& rows, BenchFormat format);
/// The whole table for programs: a JSON list, its rows beginning with case, backend, threads, ms, gflops, percent_of_limit, limit; or CSV.
/// Empty for text and Markdown.
std::string bench_document(const std::vector<BenchRow>& rows, const MachineFacts& machine, BenchFormat format);

}  // namespace headroom
