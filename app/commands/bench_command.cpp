#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/commands/bench_table.h"
#include "app/commands/bench_window.h"
#include "app/commands/command.h"
#include "app/window/gpu_provider.h"
#include "core/speed/cases.h"

namespace headroom {

namespace {

struct BenchOptions {
  std::vector<std::string> cases, backends;
  int threads = 0;  ///< 0: all processors
  SpeedBudget budget;
  bool as_json = false, as_markdown = false, as_csv = false;

  BenchFormat format() const {
    return as_json ? BenchFormat::kJson : as_markdown ? BenchFormat::kMarkdown : as_csv ? BenchFormat::kCsv : BenchFormat::kText;
  }
};

std::vector<std::string> speed_case_names() {
  std::vector<std::string> names;
  for (const SpeedCase& c : speed_cases())
    names.push_back(c.name);
  return names;
}

std::vector<BenchRow> measure(const std::string& name, const BenchOptions& options, const SpeedTools& tools,
                              const std::filesystem::path& assets) {
  if (name == "typing") return {bench_typing(assets)};
  if (name == "frame") return {bench_frame(assets)};
  std::vector<BenchRow> rows;
  for (SpeedRow& row : measure_case(find_speed_case(name), {.backends = options.backends}, tools))
    rows.push_back({std::move(row)});
  return rows;
}

void bench(const BenchOptions& options, const std::filesystem::path& assets) {
  const BenchFormat format = options.format();
  const GpuProvider provider = make_gpu_provider();
  MachineFacts machine = machine_facts();
  const GpuProvider::Facts gpu = provider.facts();
  machine.gpu = gpu.is_available ? gpu.name : "none (" + gpu.reason + ")";
  std::cout << bench_head(machine, format) << std::flush;

  ThreadPool pool(options.threads);
  std::optional<GpuKernels> opened;
  SpeedTools tools{.pool = pool, .budget = options.budget};
  if (gpu.is_available || !options.backends.empty()) {
    tools.open_gpu = [&] {
      if (!opened) opened = provider.open_kernels();
      return *opened;
    };
  }
  std::vector<BenchRow> rows;
  for (const std::string& name : options.cases.empty() ? speed_case_names() : options.cases) {
    const std::vector<BenchRow> measured = measure(name, options, tools, assets);
    std::cout << bench_lines(measured, format) << std::flush;
    rows.insert(rows.end(), measured.begin(), measured.end());
  }
  std::cout << bench_document(rows, machine, format);
}

}  // namespace

void add_bench_command(CommandLine& line) {
  CLI::App* command =
      line.app.add_subcommand("bench", "Measure this machine: attention and products, each beside the machine's own limit");
  auto options = std::make_shared<BenchOptions>();
  std::vector<std::string> cases = speed_case_names();
  cases.insert(cases.end(), {"typing", "frame"});
  command
      ->add_option("--case", options->cases,
                   "What to measure; by default all but typing (sentence to heatmaps) and frame (of the window)")
      ->check(CLI::IsMember(cases))
      ->delimiter(',')
      ->type_name("NAME");
  command
      ->add_option("--backend", options->backends,
                   "reference, naive, flash or gl; by default flash, naive and, where there is one, gl")
      ->check(CLI::IsMember(speed_backends()))
      ->delimiter(',')
      ->type_name("NAME");
  command->add_option("--threads", options->threads, "Threads of the processor; by default all")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command->add_option("--seconds", options->budget.seconds, "Time for each figure, its limit not counted")
      ->check(CLI::Range(0.001, 60.0))
      ->capture_default_str()
      ->type_name("S");
  command->add_option("--rounds", options->budget.rounds, "Turns that each figure takes with its limit; their median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str()
      ->type_name("N");
  CLI::Option* json = command->add_flag("--json", options->as_json, "Print a JSON list");
  CLI::Option* markdown = command->add_flag("--markdown", options->as_markdown, "Print a Markdown table")->excludes(json);
  command->add_flag("--csv", options->as_csv, "Print CSV")->excludes(json)->excludes(markdown);
  command->footer(
      "Every backend is compared with the reference before it is timed. With one thread its processor time counts, otherwise the "
      "wall\n"
      "clock. All cases take about a minute.\n"
      "Examples:\n"
      "  headroom bench --threads 1\n"
      "  headroom bench --case gpt2-1024 --case decode-4096 --backend flash --json");
  command->callback([&line, options] {
    line.run = [options](const std::filesystem::path& assets) {
      bench(*options, assets);
      return 0;
    };
  });
}

}  // namespace headroom
