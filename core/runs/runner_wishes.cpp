#include <new>

#include "core/runs/checkpoint.h"
#include "core/runs/runner_worker.h"
#include "core/tensor/error.h"

namespace headroom {

template <typename Make>
void RunnerWorker::begin(const Make& make, RunPhase then) {
  // A run that is there ends now, but can be looked at until the new one is ready.
  const RunPhase before = run_ == nullptr ? RunPhase::kIdle : is_running() ? RunPhase::kStopped : phase_;
  phase_ = RunPhase::kPreparing;
  failure_.clear();
  publish(Publish::kNow);
  TrainWatch watch;
  watch.stop = stop_;
  watch.on_progress = [this](const std::string& doing, double share) {
    doing_ = doing;
    share_done_ = share;
    publish(Publish::kWhenDue);
  };
  const RunSource source{.assets = shared_.options.assets,
                         .pool = pool_,
                         .id = ++last_run_,
                         .kept_bytes = shared_.options.kept_bytes,
                         .free_bytes = shared_.options.free_bytes,
                         .present = run_.get()};
  try {
    std::unique_ptr<Run> fresh = make(source, watch);
    run_ = std::move(fresh);
    paced_seconds_ = 0;
    steps_to_go_ = 0;
    ablated_.reset();
    frames_ = {};
    look_is_new_ = true;
    measuring_ = CostBudget(shared_.options.measuring_share * kMeasuringPart);
    early_seconds_left_ = kEarlySeconds;
    frame_making_ = CostBudget(shared_.options.measuring_share * kFramePart);
    ablating_ = CostBudget(shared_.options.measuring_share * kAblationPart);
    measure();
    phase_ = run_->trainer->is_finished() ? RunPhase::kFinished : then;
  } catch (const Cancelled&) {
    phase_ = before;
  } catch (const std::bad_alloc&) {
    fail("There is not enough memory for this model: lower d_model, layers, the vocabulary or rows a pass.");
  } catch (const Error& error) {
    fail(error.what());
  }
  doing_.clear();
  share_done_ = 0;
}

void RunnerWorker::fulfil(const StartWish& wish) {
  begin([&](const RunSource& source, const TrainWatch& watch) { return prepare_run(wish.plan, source, watch); },
        RunPhase::kRunning);
}

void RunnerWorker::fulfil(const OpenWish& wish) {
  begin([&](const RunSource& source, const TrainWatch& watch) { return open_run(wish.folder, source, watch); }, RunPhase::kPaused);
}

void RunnerWorker::fulfil(const PauseWish&) {
  if (is_running()) phase_ = RunPhase::kPaused;
}

void RunnerWorker::fulfil(const ResumeWish&) {
  if (run_ == nullptr || run_->trainer->is_finished() || (phase_ != RunPhase::kPaused && phase_ != RunPhase::kStopped)) return;
  phase_ = RunPhase::kRunning;
  steps_to_go_ = 0;
}

void RunnerWorker::fulfil(const StepWish& wish) {
  if (run_ == nullptr || run_->trainer->is_finished() || (phase_ != RunPhase::kPaused && phase_ != RunPhase::kStopped)) return;
  phase_ = RunPhase::kRunning;
  steps_to_go_ = wish.n;
}

void RunnerWorker::fulfil(const StopWish&) {
  if (run_ == nullptr || (phase_ != RunPhase::kRunning && phase_ != RunPhase::kPaused)) return;
  try {
    come_to_rest(RunPhase::kStopped);
  } catch (const Cancelled&) {
    // A newer wish is more urgent than this last measurement.
  }
}

void RunnerWorker::fulfil(const ResetWish&) {
  if (run_ == nullptr) return;
  const auto states = run_->timeline.states();
  const TrainPlan plan = run_->trainer->plan();
  if (states.empty() || states.front()->tokens != 0) {  // a checkpoint was opened: its beginning is not there
    begin([&](const RunSource& source, const TrainWatch& watch) { return prepare_run(plan, source, watch); }, RunPhase::kPaused);
    return;
  }
  const std::shared_ptr<const KeptState> first = states.front();
  const std::optional<HealReport> heal = run_->record.report().heal;
  const std::vector<std::string> notices = run_->record.report().notices;
  run_->go_back_to(first);
  run_->record = RunRecord(*run_->trainer, ++last_run_, pool_.n_threads());
  run_->record.report().heal = heal;
  run_->record.report().notices = notices;
  run_->record.report().kept_budget_bytes = shared_.options.kept_bytes;
  run_->record.report().kept = run_->timeline.tokens();
  run_->record.report().kept_bytes = run_->timeline.bytes();
  if (first->report) run_->record.add_report(first->report);
  paced_seconds_ = 0;
  steps_to_go_ = 0;
  ablated_.reset();
  look_is_new_ = true;
  failure_.clear();
  phase_ = RunPhase::kPaused;
}

void RunnerWorker::fulfil(const SaveWish& wish) {
  SaveAnswer answer;
  answer.folder = wish.folder;
  try {
    if (run_ == nullptr) throw Error("there is nothing to save yet: train a model first");
    save_shown(wish.folder, answer);
  } catch (const std::bad_alloc&) {
    answer.failure = "there is not enough memory to write the model";
  } catch (const Error& error) {
    answer.failure = error.what();
  }
  const std::lock_guard lock(shared_.mutex);
  shared_.saves.push_back(std::move(answer));
}

void RunnerWorker::save_shown(const std::filesystem::path& folder, SaveAnswer& answer) {
  const Trainer& trainer = *run_->trainer;
  const auto kept = look_.at ? run_->timeline.nearest(*look_.at) : nullptr;
  if (kept == nullptr || kept->tokens == trainer.tokens()) {
    const HeadReport* newest = run_->record.report().newest();
    const bool is_measured = newest != nullptr && newest->tokens == trainer.tokens();
    save_checkpoint(trainer, is_measured ? newest : nullptr, folder);
    answer.tokens = trainer.tokens();
    return;
  }
  const ModelParams params = unflatten(run_->trainer->network().layout(), kept->parameters);
  save_run({.plan = trainer.plan(),
            .material = trainer.material(),
            .params = params,
            .state = std::nullopt,
            .report = kept->report.get(),
            .floats = SavedFloats::kFloat32,
            .command = {}},
           folder);
  answer.tokens = kept->tokens;
}

}  // namespace headroom
