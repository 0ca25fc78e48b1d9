#include <algorithm>
#include <utility>

#include "app/window/program_state.h"
#include "core/formats/file.h"
#include "core/runs/checkpoint.h"
#include "core/session/model_text.h"
#include "core/session/train_text.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::int64_t kHealTokens = 150'000;
constexpr double kHealRate = 1e-3;
constexpr std::int64_t kHealWarmup = 10;

/// "agreement-180k": a folder's name that says what lies in it.
std::string name_of(const RunReport& report, std::int64_t tokens) {
  std::string name = report.plan.recipe.empty() ? "trained" : report.plan.recipe;
  std::string times = short_tokens(tokens);
  std::erase(times, ' ');
  return name + "-" + times;
}

/// What such a model was trained on: the plan beside it, else the recipe of a bundled one; nothing where neither is known.
std::optional<TrainPlan> plan_behind(const Compute& compute, const fs::path& assets) {
  const fs::path folder =
      compute.model_source == ModelSource::kBundled ? assets / "models" / compute.model : fs::path(compute.model);
  try {
    return read_checkpoint(folder).plan;
  } catch (const Error&) {
    // it was saved without training state
  }
  for (const RecipeInfo& recipe : recipes()) {
    if (recipe.name == bundled_recipe_name(compute.model)) return recipe.plan;
  }
  return std::nullopt;
}

/// The session's model as it stands, to be trained on for a little.
TrainPlan heal_plan(const TrainPlan& behind, const Compute& compute, const ModelConfig& config) {
  TrainPlan plan = behind;
  plan.recipe.clear();
  plan.data.repeats.from = plan.data.repeats.to = 0;  // it goes on with the mixture that the training ended with
  plan.form = {.kind = config.kind,
               .positions = config.positions,
               .n_layers = compute.trained.n_layers,
               .d_model = compute.trained.d_model,
               .n_heads = compute.n_heads,
               .n_kv_heads = compute.n_kv_heads,
               .mlp = compute.trained.d_ff > 0 ? MlpUse::kOn : MlpUse::kOff};
  plan.start = {.from = StartFrom::kModel, .model = compute.model, .at = {}, .pruned = compute.pruned};
  plan.teacher = {};
  plan.tokens = kHealTokens;
  plan.learning_rate = kHealRate;
  plan.warmup_steps = kHealWarmup;
  return plan;
}

}  // namespace

void Program::State::start_training() {
  Training::Options training_options;
  training_options.runner.assets = options.engine.assets;
  training_options.runner.n_threads = options.engine.n_threads;
  training_options.state_folder = options.folders.state;
  if (!options.folders.data.empty()) training_options.models = options.folders.data / "models";
  training = std::make_unique<Training>(std::move(training_options), options.wake);
  training->follow(session());
}

void Program::State::order_training(TrainOrder order) {
  if (order == TrainOrder::kStart) ordered_plan = session().train;
  training->order(order, session().train);
}

void Program::State::follow_session_in_training() {
  training->follow(session());
  // Another plan is another run: the one that is shown waits, so that undo can go on with it.
  if (model.training.is_running() && ordered_plan && session().train != *ordered_plan)
    training->order(TrainOrder::kPause, session().train);
}

void Program::State::take_training() {
  const std::shared_ptr<const RunReport> before = model.training.input.report;
  const std::string told = model.training.experiment.failure;
  for (const TrainedSaved& written : training->update(model.training))
    trained_saved(written);
  if (const std::string& failure = model.training.experiment.failure; failure != told) tell(Toast::Kind::kError, failure);
  const RunReport* now = model.training.report();
  if (now == nullptr || now == before.get()) return;
  const bool is_same_run = before != nullptr && before->run == now->run;
  if (now->phase == RunPhase::kFailed && !(is_same_run && before->phase == RunPhase::kFailed))
    tell(Toast::Kind::kError, now->failure);
  for (std::size_t i = is_same_run ? before->notices.size() : 0; i < now->notices.size(); ++i)
    tell(Toast::Kind::kWarning, now->notices[i]);
  if (adopts_plan && now->phase != RunPhase::kIdle && now->phase != RunPhase::kPreparing) {
    adopts_plan = false;
    if (now->phase != RunPhase::kFailed) {
      ordered_plan = now->plan;
      act(TrainPlanSet{now->plan});
    }
  }
}

void Program::State::trained_saved(const TrainedSaved& written) {
  if (!written.failure.empty()) {
    model.training.asks_to_close = false;
    tell(Toast::Kind::kError, written.failure);
    return;
  }
  switch (written.why) {
    case TrainedSaved::Why::kUse:
      open_trained(written.folder);
      break;
    case TrainedSaved::Why::kSave:
      tell(Toast::Kind::kInfo,
           "Saved the model at " + short_tokens(written.tokens) + " tokens as " + escape_for_display(written.folder.string()));
      break;
    case TrainedSaved::Why::kKeep:
      closes = true;
      effects.quits = true;
      break;
  }
}

void Program::State::open_trained(const fs::path& folder) {
  const fs::path assets = options.engine.assets;
  files.post(
      [this, folder, assets]() -> Background::Then {
        const OpenedPath opened = open_path(folder, assets);
        return [this, opened] {
          // One step of undo leads back to the training.
          constexpr const char* group = "use trained";
          act(opened.action, group);
          act(TextEdited{session().train_view.sentence}, group);
          act(StageViewSet{StageView::kHeads}, group);
          remember_recent(opened.path);
          tell(Toast::Kind::kInfo, "Every view now shows " + escape_for_display(opened.path.filename().string()));
        };
      },
      failing());
}

void Program::State::use_trained() {
  try {
    const RunReport* report = model.training.report();
    if (report == nullptr) throw Error("nothing has been trained yet");
    training->save_for_use(name_of(*report, session().train_view.at.value_or(report->tokens)));
  } catch (const Error& error) {
    tell(Toast::Kind::kError, error.what());
  }
}

void Program::State::save_trained(const fs::path& folder) {
  try {
    std::error_code error;
    fs::path path = fs::absolute(expand_home(folder), error).lexically_normal();
    if (error) path = folder;
    training->save(path);
  } catch (const Error& error) {
    tell(Toast::Kind::kError, error.what());
  }
}

void Program::State::save_train_plan(const fs::path& file) {
  files.post(
      [this, path = expand_home(file), json = plan_to_json(session().train)]() -> Background::Then {
        write_file_atomically(path, json);
        return [this, path] {
          tell(Toast::Kind::kInfo, "Saved the plan: headroom train --config " + escape_for_display(path.string()) + " --out DIR");
        };
      },
      failing());
}

void Program::State::heal_model() {
  if (model.snapshot == nullptr || model.snapshot->compute.model != session().compute.model) {
    tell(Toast::Kind::kWarning, "The model is still being read; heal it when its picture is there");
    return;
  }
  files.post(
      [this, compute = session().compute, config = model.snapshot->config, ours = session().train,
       assets = options.engine.assets]() -> Background::Then {
        const TrainPlan plan = heal_plan(plan_behind(compute, assets).value_or(ours), compute, config);
        return [this, plan] {
          constexpr const char* group = "heal";
          act(TrainPlanSet{plan}, group);
          act(TrainTimeSet{}, group);
          act(StageViewSet{StageView::kTrain}, group);
        };
      },
      failing());
}

void Program::State::run_experiment(const std::string& id) {
  try {
    find_experiment(id);
    training->run_experiment(id, session().train.seed);
    if (session().train_view.experiment != id) act(ExperimentChosen{id});
  } catch (const Error& error) {
    tell(Toast::Kind::kError, error.what());
  }
}

bool Program::State::may_close() {
  if (closes || !training->has_run()) return true;
  model.training.asks_to_close = true;
  return false;
}

void Program::State::answer_closing(ClosingAnswer answer) {
  if (answer == ClosingAnswer::kGoOn) {
    model.training.asks_to_close = false;
    return;
  }
  if (answer == ClosingAnswer::kQuit) {
    closes = true;
    effects.quits = true;
    return;
  }
  try {
    training->keep();
  } catch (const Error& error) {
    model.training.asks_to_close = false;
    tell(Toast::Kind::kError, error.what());
  }
}

void Program::State::answer_kept_run(KeptRunAnswer answer) {
  model.training.kept_run.clear();
  if (answer == KeptRunAnswer::kForget && !options.folders.state.empty()) {
    files.post(
        [kept = options.folders.state / kKeptRunFolder]() -> Background::Then {
          std::error_code ignored;
          fs::remove_all(kept, ignored);
          return {};
        },
        failing());
    return;
  }
  try {
    training->open_kept();
    adopts_plan = true;
    act(StageViewSet{StageView::kTrain}, "stage");
  } catch (const Error& error) {
    tell(Toast::Kind::kError, error.what());
  }
}

bool Program::may_close() { return state_->may_close(); }

}  // namespace headroom
