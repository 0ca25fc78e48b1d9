#include "core/runs/recorded.h"

#include <algorithm>
#include <utility>

#include "core/roles/ablation.h"
#include "core/runs/run.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// One run with what is shown of it.
class Recorder {
 public:
  Recorder(const TrainPlan& plan, const RecordOptions& options, const TrainWatch& watch)
      : options_(options), watch_(watch), pool_(options.n_threads) {
    const RunSource source{.assets = options.assets, .pool = pool_, .id = 1, .kept_bytes = kKeptBytes};
    run_ = prepare_run(plan, source, watch);
  }

  RecordedRun record() {
    Trainer& trainer = *run_->trainer;
    measure();
    const std::int64_t apart = std::max<std::int64_t>(1, trainer.steps_planned() / std::max(1, options_.n_measurements));
    while (!trainer.is_finished()) {
      if (watch_.stop.stop_requested()) throw Cancelled();
      const TrainStep step = trainer.step();
      if (!step.divergence.empty()) throw Error(step.divergence);
      run_->record.add_step(trainer, step, 0);
      if (trainer.steps() % apart != 0 && !trainer.is_finished()) continue;
      measure();
      if (watch_.on_progress)
        watch_.on_progress("training", static_cast<double>(trainer.steps()) / static_cast<double>(trainer.steps_planned()));
    }
    remove_head();
    RecordedRun recorded;
    recorded.frames = {.shown = frame(options_.look.at),
                       .compared = options_.look.compared ? frame(options_.look.compared) : nullptr};
    RunReport report = run_->record.finished(1);
    report.phase = RunPhase::kFinished;
    recorded.report = std::make_shared<const RunReport>(std::move(report));
    return recorded;
  }

 private:
  void measure() {
    const auto report = std::make_shared<const HeadReport>(run_->trainer->measure(ProbeSize::kQuick, watch_.stop));
    run_->record.add_report(report);
    run_->keep(report);
  }

  std::shared_ptr<const KeptState> state_at(const std::optional<std::int64_t>& tokens) const {
    return tokens ? run_->timeline.nearest(*tokens) : nullptr;
  }

  std::shared_ptr<const TrainFrame> frame(const std::optional<std::int64_t>& tokens) {
    if (options_.look.sentence.empty()) return nullptr;
    if (const auto state = state_at(tokens))
      return run_->kept_frames.make(run_->network_of(*state, pool_), options_.look.sentence,
                                    {.tokens = state->tokens, .is_live = false});
    return run_->live_frames.make(run_->trainer->network(), options_.look.sentence,
                                  {.tokens = run_->trainer->tokens(), .is_live = true});
  }

  void remove_head() {
    const ModelShape& shape = run_->trainer->config().shape;
    const auto& head = options_.look.head;
    if (!head || head->layer < 0 || head->layer >= shape.n_layers || head->head < 0 || head->head >= shape.n_heads) return;
    const auto state = state_at(options_.look.at);
    Network& network = state ? run_->network_of(*state, pool_) : run_->trainer->network();
    const HeadReport* before = state ? state->report.get() : run_->record.report().newest();
    if (before == nullptr) return;
    RunReport& report = run_->record.report();
    report.ablation = measure_ablation(network, run_->trainer->probes(), *before, *head, watch_.stop);
    report.causes = cause_sentences(*before, *report.ablation);
  }

  const RecordOptions& options_;
  const TrainWatch& watch_;
  ThreadPool pool_;
  std::unique_ptr<Run> run_;
};

}  // namespace

RecordedRun record_run(const TrainPlan& plan, const RecordOptions& options, const TrainWatch& watch) {
  return Recorder(settle(plan).plan, options, watch).record();
}

}  // namespace headroom
