#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "app/commands/command.h"
#include "app/commands/progress_line.h"
#include "app/commands/text_columns.h"
#include "app/painters/cairo_painter.h"
#include "app/window/export.h"
#include "core/figure/train_figures.h"
#include "core/formats/file.h"
#include "core/runs/experiment.h"

namespace headroom {

namespace {

struct ExperimentOptions {
  ExperimentPlan plan{.id = ""};
  int threads = 0;  ///< 0: all processors
  bool as_json = false, as_csv = false;
  std::string out, theme = "dark";
};

struct ExperimentOutcome {
  ExperimentPlan plan;
  ExperimentResult result;
  int threads = 0;
  double seconds = 0;
};

std::int64_t tokens_of(const ExperimentPlan& plan) { return plan.tokens > 0 ? plan.tokens : find_experiment(plan.id).tokens; }

/// What there is, for people and as JSON.
void list_experiments(const ExperimentOptions& options) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  TextColumns columns;
  for (const ExperimentInfo& info : experiments()) {
    columns.add({info.id, info.title, info.sentence});
    list.push_back({{"id", info.id}, {"title", info.title}, {"sentence", info.sentence}, {"tokens", info.tokens}});
  }
  std::cout << (options.as_json ? list.dump(2) + "\n" : columns.text());
}

std::string json_text(const ExperimentOutcome& outcome) {
  using Json = nlohmann::ordered_json;
  const ExperimentResult& result = outcome.result;
  Json json;
  json["id"] = result.id;
  json["title"] = result.title;
  json["tokens"] = tokens_of(outcome.plan);
  json["seeds"] = outcome.plan.n_seeds;
  json["seed"] = outcome.plan.seed;
  json["threads"] = outcome.threads;
  json["seconds"] = outcome.seconds;
  json["x"] = result.x_name;
  json["y"] = result.y_name;
  json["floor"] = result.floor ? Json(*result.floor) : Json(nullptr);
  json["series"] = Json::array();
  for (const ExperimentResult::Series& series : result.series) {
    Json points = Json::array();
    for (const ExperimentResult::Spread& point : series.points)
      points.push_back({{"x", point.x},
                        {"label", point.label},
                        {"mean", point.mean},
                        {"lowest", point.lowest},
                        {"highest", point.highest},
                        {"seeds", point.n_seeds}});
    json["series"].push_back({{"name", series.name}, {"points", std::move(points)}});
  }
  json["columns"] = result.columns;
  json["rows"] = result.rows;
  json["conclusion"] = result.conclusion;
  return json.dump(2) + "\n";
}

std::string table_text(const ExperimentOutcome& outcome) {
  const ExperimentResult& result = outcome.result;
  char head[200];
  std::snprintf(head, sizeof head, "%lld tokens a model, %d seed%s from %llu, on %d thread%s: %.1f s (measured)\n",
                static_cast<long long>(tokens_of(outcome.plan)), outcome.plan.n_seeds, outcome.plan.n_seeds == 1 ? "" : "s",
                static_cast<unsigned long long>(outcome.plan.seed), outcome.threads, outcome.threads == 1 ? "" : "s",
                outcome.seconds);
  TextColumns columns;
  columns.add(result.columns);
  for (const auto& row : result.rows)
    columns.add(row);
  std::string text = result.title + "\n" + head + "\n" + columns.text() + "\nLoss is " + result.y_name;
  if (result.floor) {
    char floor[40];
    std::snprintf(floor, sizeof floor, "; the grammar's floor is %.3f", *result.floor);
    text += floor;
  }
  return text + ".\n" + result.conclusion + "\n";
}

/// Before minutes of training, not after them.
void check_out(const std::string& out) {
  if (out.empty()) return;
  if (!is_csv(out)) {
    try {
      export_format(out);
    } catch (const Error&) {
      throw UsageError("--out " + escape_for_display(out) +
                       ": the name should end in .png, .svg, .pdf or .csv, which says what is written");
    }
  }
  const std::filesystem::path folder = std::filesystem::absolute(out).parent_path();
  if (!std::filesystem::is_directory(folder) || ::access(folder.c_str(), W_OK) != 0)
    throw Error(shown_path(out) + " cannot be written: its folder is not there, or nothing may be written in it");
}

std::string file_text(const ExperimentResult& result, const ExperimentOptions& options) {
  if (is_csv(options.out)) return experiment_csv(result);
  const std::unique_ptr<TextMeasurer> measurer = make_cairo_measurer();
  const Theme& colors = theme(options.theme == "light" ? ThemeName::kLight : ThemeName::kDark);
  const Session session;
  const FigureInput input{.session = session,
                          .snapshot = nullptr,
                          .size = {1280, 800},
                          .theme = colors,
                          .measurer = *measurer,
                          .hovered_query = {},
                          .hovered_key = {}};
  return render_figure(train_experiment_figure(input, result), colors, export_format(options.out), 2);
}

ExperimentOutcome run(const ExperimentOptions& options, const std::filesystem::path& assets) {
  ThreadPool pool(options.threads);
  ProgressLine line(options.as_json || options.as_csv ? Progress::kQuiet : progress_on_terminal());
  const auto begin = std::chrono::steady_clock::now();
  ExperimentOutcome outcome{.plan = options.plan, .result = {}, .threads = pool.n_threads()};
  outcome.result = run_experiment(options.plan, assets, pool,
                                  {.on_result =
                                       [&](const ExperimentResult& result) {
                                         line.show(result.id + "  " + std::to_string(static_cast<int>(100 * result.progress)) +
                                                   " %  " + std::to_string(result.rows.size()) + " kinds of model measured");
                                       },
                                   .stop = {}});
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return outcome;
}

int experiment(const ExperimentOptions& options, const std::filesystem::path& assets) {
  if (options.plan.id.empty()) {
    if (!options.out.empty() || options.as_csv) throw UsageError("--out and --csv are of a result: name the experiment");
    list_experiments(options);
    return 0;
  }
  try {
    find_experiment(options.plan.id);
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
  check_out(options.out);
  const ExperimentOutcome outcome = run(options, assets);
  std::cout << (options.as_json ? json_text(outcome) : options.as_csv ? experiment_csv(outcome.result) : table_text(outcome));
  if (options.out.empty()) return 0;
  write_file_atomically(options.out, file_text(outcome.result, options));
  if (!options.as_json && !options.as_csv) std::cout << "Wrote " << options.out << '\n';
  return 0;
}

}  // namespace

void add_experiment_command(CommandLine& line) {
  CLI::App* command =
      line.app.add_subcommand("experiment", "Answer a question by training several models side by side, each from several seeds");
  auto options = std::make_shared<ExperimentOptions>();
  command->add_option("ID", options->plan.id, "Which one; without it they are listed");
  command->add_option("--tokens", options->plan.tokens, "How many tokens each model is trained on; by default the experiment's own")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000}))
      ->type_name("N");
  command->add_option("--seeds", options->plan.n_seeds, "From how many seeds each is trained; their spread is shown")
      ->check(CLI::Range(1, 20))
      ->capture_default_str()
      ->type_name("K");
  command->add_option("--seed", options->plan.seed, "The first of them")->capture_default_str()->type_name("S");
  command->add_option("--threads", options->threads, "Threads of the processor; by default all")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  CLI::Option* json = command->add_flag("--json", options->as_json, "Print the results as JSON");
  command->add_flag("--csv", options->as_csv, "Print the table and the points of every curve as CSV")->excludes(json);
  command->add_option("--out", options->out, "Also write the figure (.png, .svg, .pdf) or the numbers (.csv)")->type_name("FILE");
  command->add_option("--theme", options->theme, "dark or light")
      ->check(CLI::IsMember({"dark", "light"}))
      ->capture_default_str()
      ->type_name("T");
  command->footer(
      "The same plan at the same number of threads gives the same numbers; only the seconds differ. With their own tokens and\n"
      "3 seeds they take minutes.\n"
      "Examples:\n"
      "  headroom experiment\n"
      "  headroom experiment heads --seeds 5 --out heads.svg\n"
      "  headroom experiment sharing --tokens 200000 --seeds 1 --json");
  command->callback(
      [&line, options] { line.run = [options](const std::filesystem::path& assets) { return experiment(*options, assets); }; });
}

}  // namespace headroom
