#include "app/commands/train_run.h"

#include <csignal>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <deque>
#include <iostream>

#include "app/commands/command.h"
#include "app/commands/progress_line.h"
#include "core/runs/checkpoint.h"
#include "core/runs/run.h"
#include "core/runs/step_clock.h"
#include "core/tensor/memory.h"

namespace headroom {
namespace {

using Clock = std::chrono::steady_clock;

double now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

std::atomic<bool> is_interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set by a signal");

/// Ctrl+C asks for an end after the present step; a second one ends the program as ever.
class InterruptWatch {
 public:
  InterruptWatch() {
    is_interrupted = false;
    struct sigaction action = {};
    action.sa_handler = [](int) { is_interrupted = true; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(SIGINT, &action, &old_interrupt_);
    ::sigaction(SIGTERM, &action, &old_terminate_);
  }
  ~InterruptWatch() {
    ::sigaction(SIGINT, &old_interrupt_, nullptr);
    ::sigaction(SIGTERM, &old_terminate_, nullptr);
  }
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

 private:
  struct sigaction old_interrupt_ = {}, old_terminate_ = {};
};

std::string progress_text(const Trainer& trainer, double loss, double tokens_per_second) {
  const double share = static_cast<double>(trainer.tokens()) / static_cast<double>(trainer.plan().tokens);
  const double left = static_cast<double>(trainer.plan().tokens - trainer.tokens()) / std::max(1.0, tokens_per_second);
  char text[160];
  std::snprintf(text, sizeof text, "%s  %3.0f %%  %.2f of %.2f M tokens  loss %.3f  %.0f tokens/s  %.0f s left",
                trainer.plan().recipe.c_str(), 100 * share, static_cast<double>(trainer.tokens()) / 1e6,
                static_cast<double>(trainer.plan().tokens) / 1e6, loss, tokens_per_second, std::max(0.0, left));
  return text;
}

/// A state to go back to when the numbers get out of hand, and what is on the disk while a long run goes on.
struct Safety {
  static constexpr double kStateSeconds = 2, kSaveSeconds = 300;
  TrainState good;
  double last_state = 0, last_save = 0;
};

class Training {
 public:
  Training(const TrainOrder& order, const std::filesystem::path& assets)
      : order_(order), assets_(assets), pool_(order.threads), line_(order.progress) {}

  TrainOutcome run() {
    check_model_folder_to_write(order_.out);
    open();
    outcome_.heal = trainer_->measure_heal();
    train();
    line_.clear();
    outcome_.report = trainer_->measure(ProbeSize::kFull);
    save(&outcome_.report);
    outcome_.plan = trainer_->plan();
    outcome_.threads = pool_.n_threads();
    outcome_.tokens = trainer_->tokens();
    outcome_.parameters = trainer_->n_parameters();
    return std::move(outcome_);
  }

 private:
  TrainWatch watch() {
    TrainWatch watch;
    watch.on_progress = [this](const std::string& doing, double share) {
      line_.show(doing + "  " + std::to_string(static_cast<int>(100 * share)) + " %");
    };
    return watch;
  }

  RunSource source() {
    return {.assets = assets_, .pool = pool_, .id = 1, .kept_bytes = 0, .free_bytes = free_bytes(), .present = nullptr};
  }

  void open() {
    if (!order_.resumed) {
      trainer_ = make_trainer(order_.plan, open_material(order_.plan, assets_, watch()), source());
      return;
    }
    Checkpoint checkpoint = read_checkpoint(*order_.resumed);
    // A longer (or shorter) plan than it began with is the one thing that may change on the way.
    checkpoint.plan.tokens = order_.plan.tokens;
    TrainMaterial material = open_material(checkpoint.plan, assets_, watch());
    trainer_ = continue_training(std::move(checkpoint), std::move(material), pool_);
  }

  /// Makes the schedule end when the time does, by the speed so far; in the last part of the time it stays as it is, so that the learning rate
  /// comes down evenly.
  void plan_for_seconds(double seconds, double tokens_per_second, std::int64_t first) {
    constexpr double kSettled = 0.7;
    if (order_.seconds <= 0 || seconds > kSettled * order_.seconds) return;
    trainer_->set_tokens(std::max(trainer_->tokens() + 1, first + static_cast<std::int64_t>(tokens_per_second * order_.seconds)));
  }

  void train() {
    StepClock clock;
    std::deque<double> losses;
    const std::int64_t first = trainer_->tokens();
    Safety safety;
    safety.last_save = now();
    const InterruptWatch interrupts;
    double speed = 0;
    while (!trainer_->is_finished()) {
      if (clock.total() - safety.last_state >= Safety::kStateSeconds || safety.good.parameters.empty()) {
        safety.good = trainer_->state();
        safety.last_state = clock.total();
      }
      const double begin = now();
      const TrainStep step = trainer_->step();
      clock.add(now() - begin);
      if (!step.divergence.empty()) {
        trainer_->restore(safety.good);
        outcome_.divergence = step.divergence;
        break;
      }
      losses.push_back(step.loss);
      if (losses.size() > 20) losses.pop_front();
      speed = static_cast<double>(trainer_->tokens() - first) / std::max(1e-9, clock.total());
      plan_for_seconds(clock.total(), speed, first);
      line_.show(progress_text(*trainer_, step.loss, speed));
      if (is_interrupted) {
        outcome_.note = "interrupted after " + std::to_string(trainer_->tokens()) + " tokens; what was there is saved";
        break;
      }
      if (order_.seconds > 0 && clock.total() >= order_.seconds) {
        if (!trainer_->is_finished())
          outcome_.note = "the time was over after " + std::to_string(trainer_->tokens()) + " of " +
                          std::to_string(trainer_->plan().tokens) + " tokens that it was thought to be enough for";
        break;
      }
      if (now() - safety.last_save >= Safety::kSaveSeconds) {
        save(nullptr);
        safety.last_save = now();
      }
    }
    outcome_.seconds = clock.total();
    outcome_.tokens_per_second = speed;
    for (const double loss : losses)
      outcome_.training_loss += loss / static_cast<double>(losses.size());
  }

  void save(const HeadReport* report) {
    const ModelParams params = trainer_->params();
    SavedRun run{.plan = trainer_->plan(),
                 .material = trainer_->material(),
                 .params = params,
                 .state = std::nullopt,
                 .report = report,
                 .floats = order_.floats,
                 .command = order_.command};
    if (order_.saved == TrainOrder::Saved::kWithState) run.state = trainer_->state();
    save_run(run, order_.out);
  }

  const TrainOrder& order_;
  const std::filesystem::path& assets_;
  ThreadPool pool_;
  ProgressLine line_;
  std::unique_ptr<Trainer> trainer_;
  TrainOutcome outcome_;
};

}  // namespace

TrainOutcome run_training(const TrainOrder& order, const std::filesystem::path& assets) { return Training(order, assets).run(); }

}  // namespace headroom
