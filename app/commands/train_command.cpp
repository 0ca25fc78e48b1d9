#include <CLI/CLI.hpp>
#include <cmath>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "app/commands/command.h"
#include "app/commands/token_count.h"
#include "app/commands/train_run.h"
#include "core/formats/file.h"
#include "core/runs/checkpoint.h"

namespace headroom {

namespace {

struct TrainOptions {
  std::string recipe, config, out, resume, text_file;
  std::vector<std::string> values;
  std::string tokens_text;  ///< as typed: "1.5M"
  double seconds = 0;
  std::int64_t tokens = 0;
  int threads = 0;
  std::uint64_t seed = 0;
  bool has_seconds = false, has_tokens = false, has_seed = false;
  bool as_json = false, as_half = false, is_model_only = false, lists_recipes = false;
};

/// The words of the command as a person could type them again.
std::string command_text(const TrainOptions& options) {
  std::string text = "headroom train";
  const auto add = [&](const char* flag, const std::string& value) {
    const bool is_plain =
        value.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/=") == std::string::npos;
    text += std::string(" ") + flag + " " + (is_plain ? value : "'" + value + "'");
  };
  if (!options.config.empty()) {
    add("--config", options.config);
  } else if (!options.recipe.empty()) {
    add("--recipe", options.recipe);
  }
  if (!options.text_file.empty()) add("--text-file", options.text_file);
  for (const std::string& value : options.values)
    add("--set", value);
  if (options.has_tokens) add("--tokens", std::to_string(options.tokens));
  if (options.has_seconds) {
    std::string seconds = std::to_string(options.seconds);
    seconds.erase(seconds.find_last_not_of('0') + 1);
    if (seconds.ends_with('.')) seconds.pop_back();
    add("--seconds", seconds);
  }
  if (options.threads > 0) add("--threads", std::to_string(options.threads));
  if (options.has_seed) add("--seed", std::to_string(options.seed));
  if (options.as_half) text += " --float16";
  if (options.is_model_only) text += " --model-only";
  if (!options.resume.empty()) add("--resume", options.resume);
  add("--out", options.out);
  return text;
}

TrainPlan plan_of(const TrainOptions& options) {
  TrainPlan plan;
  std::vector<std::string> notices;
  if (!options.config.empty()) {
    ParsedPlan parsed = load_plan(options.config);
    plan = std::move(parsed.plan);
    notices = std::move(parsed.notices);
  } else if (!options.resume.empty()) {
    plan = read_checkpoint(options.resume).plan;
  } else {
    try {
      plan = find_recipe(options.recipe.empty() ? options.text_file.empty() ? "agreement" : "text" : options.recipe).plan;
    } catch (const Error& error) {
      throw UsageError(error.what());
    }
  }
  for (const std::string& value : options.values) {
    const std::size_t equals = value.find('=');
    if (equals == std::string::npos)
      throw UsageError("--set takes KEY=VALUE, such as form.n_kv_heads=2, and not " + in_quotes(value));
    try {
      plan = set_plan_value(plan, value.substr(0, equals), value.substr(equals + 1));
    } catch (const Error& error) {
      throw UsageError(error.what());
    }
  }
  if (!options.text_file.empty()) {
    plan.data.kind = DataKind::kText;
    plan.data.path = options.text_file;
  }
  if (options.has_tokens) plan.tokens = options.tokens;
  if (options.has_seed) plan.seed = options.seed;
  SettledPlan settled = settle(plan);
  notices.insert(notices.end(), settled.reasons.begin(), settled.reasons.end());
  for (const std::string& notice : notices)
    print_note(notice);
  return std::move(settled.plan);
}

void check(const TrainOptions& options) {
  if (options.out.empty() && options.resume.empty()) throw UsageError("--out DIR is needed: where the trained model is written");
  if (options.has_seconds && !(options.seconds > 0 && std::isfinite(options.seconds)))
    throw UsageError("--seconds is how long to train and must be above 0");
  if (!options.resume.empty() && (!options.values.empty() || options.has_seed || !options.text_file.empty()))
    throw UsageError(
        "--resume goes on with the plan of the checkpoint: only --tokens, --seconds and --threads can be given with it");
}

void list_recipes() {
  for (const RecipeInfo& recipe : recipes())
    std::cout << recipe.name << std::string(recipe.name.size() < 20 ? 20 - recipe.name.size() : 1, ' ') << recipe.sentence << "\n";
}

int train(const TrainOptions& options, const std::filesystem::path& assets) {
  if (options.lists_recipes) {
    list_recipes();
    return 0;
  }
  check(options);
  TrainOptions typed = options;
  if (typed.has_tokens) typed.tokens = parse_token_count(typed.tokens_text, "--tokens");
  if (typed.out.empty()) typed.out = options.resume;
  TrainOrder order;
  order.plan = plan_of(typed);
  if (!options.resume.empty()) order.resumed = options.resume;
  order.seconds = options.has_seconds ? options.seconds : 0;
  order.threads = options.threads;
  order.out = typed.out;
  order.floats = options.as_half ? SavedFloats::kFloat16 : SavedFloats::kFloat32;
  order.saved = options.is_model_only ? TrainOrder::Saved::kModelOnly : TrainOrder::Saved::kWithState;
  order.progress = options.as_json ? Progress::kQuiet : progress_on_terminal();
  order.command = command_text(typed);
  const TrainOutcome outcome = run_training(order, assets);
  if (!outcome.note.empty()) print_note(outcome.note);
  std::cout << (options.as_json ? train_json(outcome, order.out) : train_table(outcome, order.out));
  if (outcome.divergence.empty()) return 0;
  throw Error(outcome.divergence + " The last good state, " + std::to_string(outcome.tokens) + " tokens, is saved in " +
              shown_path(order.out));
}

}  // namespace

void add_train_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand("train", "Train a small model, measure what its heads do, and save it");
  auto options = std::make_shared<TrainOptions>();
  CLI::Option* recipe =
      command->add_option("--recipe", options->recipe, "What to train; --list says what there is; agreement by default")
          ->type_name("NAME");
  command->add_option("--config", options->config, "A training plan as JSON, instead of a recipe")
      ->excludes(recipe)
      ->type_name("FILE");
  command->add_option("--text-file", options->text_file, "Train on this .txt file")->type_name("FILE");
  command->add_option("--set", options->values, "Another value of the plan, such as form.n_kv_heads=2 or learning_rate=0.005")
      ->type_name("KEY=VALUE");
  CLI::Option* seconds =
      command->add_option("--seconds", options->seconds, "How long to train; the schedule is made to end with the time")
          ->type_name("S");
  CLI::Option* tokens = command->add_option("--tokens", options->tokens_text, "How many tokens to train on, e.g. 1500000 or 1.5M")
                            ->excludes(seconds)
                            ->type_name("N");
  command->add_option("--threads", options->threads, "Threads of the processor; by default all")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  CLI::Option* seed = command->add_option("--seed", options->seed, "Of the parameters and of the data")->type_name("K");
  command->add_option("--out", options->out, "Folder to write: a Hugging Face model with the state of its training")
      ->type_name("DIR");
  command->add_option("--resume", options->resume, "Go on with a checkpoint; without --out it is written anew")->type_name("DIR");
  command->add_flag("--float16", options->as_half, "Save the model's parameters as float16");
  command->add_flag("--model-only", options->is_model_only, "Save no state of the training: it cannot be gone on with");
  command->add_flag("--json", options->as_json, "Print the results as JSON");
  command->add_flag("--list", options->lists_recipes, "Say which recipes there are");
  command->footer(
      "The same plan at the same number of threads gives the same model. Ctrl+C saves what is there.\n"
      "Examples:\n"
      "  headroom train --recipe induction --seconds 3 --out induction\n"
      "  headroom train --recipe agreement --seed 3 --out agreement --json\n"
      "  headroom train --recipe grammar --set form.n_kv_heads=2 --tokens 1200000 --out gqa\n"
      "  headroom train --text-file book.txt --seconds 60 --out book\n"
      "  headroom train --resume book --tokens 5000000");
  command->callback([&line, options, seconds, tokens, seed] {
    options->has_seconds = seconds->count() > 0;
    options->has_tokens = tokens->count() > 0;
    options->has_seed = seed->count() > 0;
    line.run = [options](const std::filesystem::path& assets) { return train(*options, assets); };
  });
}

}  // namespace headroom
