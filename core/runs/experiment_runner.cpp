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
  Status status;  ///< is_running is found when asked
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
        status = {};
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
        status.failure = failure;
      }
      changed.notify_all();
      if (wake) wake();
    }
  }

  void publish(const ExperimentResult& result) {
    auto shared = std::make_shared<const ExperimentResult>(result);
    {
      const std::lock_guard lock(mutex);
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

std::string experiment_csv(const ExperimentResult& result) {
  const auto cell = [](const std::string& text) {
    if (text.find_first_of(",\"\n") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char c : text)
      quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + "\"";
  };
  std::string csv;
  const auto line = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i)
      csv += (i == 0 ? "" : ",") + cell(cells[i]);
    csv += "\n";
  };
  line(result.columns);
  for (const auto& row : result.rows)
    line(row);
  csv += "\n";
  line({"series", result.x_name, "mean " + result.y_name, "lowest", "highest", "seeds"});
  for (const ExperimentResult::Series& series : result.series)
    for (const ExperimentResult::Spread& point : series.points)
      line({series.name, point.label.empty() ? std::to_string(point.x) : point.label, std::to_string(point.mean),
            std::to_string(point.lowest), std::to_string(point.highest), std::to_string(point.n_seeds)});
  return csv;
}

}  // namespace headroom
