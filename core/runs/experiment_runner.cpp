#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "core/runs/experiment.h"
#include "core/tensor/error.h"

namespace headroom {

struct ExperimentRunner::State {
  std::filesystem::path assets;
  int n_threads = 0;
  std::function<void()> wake;

  std::mutex mutex;
  std::condition_variable_any changed;
  std::optional<ExperimentPlan> wanted;
  bool is_busy = false;
  std::stop_source running;
  Status status;        ///< is_running is found when asked
  std::jthread thread;  ///< last: it ends before what it uses

  void work(const std::stop_token& stop) {
    ThreadPool pool(n_threads);
    while (true) {
      ExperimentPlan plan;
      std::stop_token cancelled;
      {
        std::unique_lock lock(mutex);
        if (!changed.wait(lock, stop, [this] { return wanted.has_value(); })) return;
        plan = *std::exchange(wanted, std::nullopt);
        running = {};
        cancelled = running.get_token();
        is_busy = true;
      }
      const std::stop_callback at_end(stop, [this] {
        const std::lock_guard lock(mutex);
        running.request_stop();
      });
      std::string failure;
      try {
        run_experiment(plan, assets, pool,
                       {.on_result = [this](const ExperimentResult& result) { publish(result); }, .stop = cancelled});
      } catch (const Cancelled&) {
      } catch (const std::bad_alloc&) {
        failure = "The experiment does not fit in memory.";
      } catch (const std::exception& error) {
        failure = error.what();
      }
      {
        const std::lock_guard lock(mutex);
        is_busy = false;
        if (!cancelled.stop_requested()) status.failure = failure;
      }
      changed.notify_all();
      if (wake) wake();
    }
  }

  void publish(const ExperimentResult& result) {
    auto shared = std::make_shared<const ExperimentResult>(result);
    {
      const std::lock_guard lock(mutex);
      if (running.stop_requested()) return;  // another was asked for since
      status.result = std::move(shared);
    }
    if (wake) wake();
  }
};

ExperimentRunner::ExperimentRunner(std::filesystem::path assets, int n_threads, std::function<void()> wake)
    : state_(std::make_unique<State>()) {
  state_->assets = std::move(assets);
  state_->n_threads = n_threads;
  state_->wake = std::move(wake);
  state_->thread = std::jthread([state = state_.get()](const std::stop_token& stop) { state->work(stop); });
}

ExperimentRunner::~ExperimentRunner() = default;

void ExperimentRunner::start(const ExperimentPlan& plan) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->wanted = plan;
    state_->running.request_stop();
    state_->status = {};
  }
  state_->changed.notify_all();
}

void ExperimentRunner::cancel() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->wanted.reset();
    state_->running.request_stop();
  }
  state_->changed.notify_all();
}

ExperimentRunner::Status ExperimentRunner::status() const {
  const std::lock_guard lock(state_->mutex);
  Status status = state_->status;
  status.is_running = state_->is_busy || state_->wanted.has_value();
  return status;
}

void ExperimentRunner::wait() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return !state_->is_busy && !state_->wanted; });
}

}  // namespace headroom
