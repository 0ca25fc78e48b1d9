#include "core/session/engine.h"

#include <utility>

#include "core/session/engine_state.h"

namespace headroom {

void Engine::State::loop() {
  // Made and destroyed on this thread: a GPU's context belongs to one thread.
  std::unique_ptr<Computer> computer;
  while (true) {
    std::optional<Job> job;
    std::shared_ptr<const Snapshot> measured, asked_of;
    std::optional<SpeedRequest> speed;
    std::stop_token stop;
    bool runs_stage = false;
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return is_closing || has_work(); });
      if (is_closing) return;
      if (pending) {
        job = std::move(pending);
        pending.reset();
      } else if (write_wish || lens_wish) {
        // Only of the newest request's picture: without one there is nothing to look through, and nothing to write after.
        if (last && last->id == newest) {
          asked_of = last;
        } else {
          write_wish.reset();
          lens_wish.reset();
        }
      } else if (has_stage_wish()) {
        runs_stage = true;
      } else if (speed_wish) {
        speed = std::move(speed_wish);
        speed_wish.reset();
      } else {
        measures_other_device = false;
        // Only a picture of the newest request is worth timing; without one there is nothing to do.
        if (last && last->id == newest) measured = last;
      }
      stop = running.get_token();
      is_busy = true;
      is_measuring_speed = speed.has_value();
      progress = {.is_busy = true, .stage = {}, .share = 0, .part = {}};
      last_report = {};
    }
    const std::uint64_t id = job ? job->id : measured ? measured->id : asked_of ? asked_of->id : 0;
    const auto part = speed && !speed->parts.empty() ? std::optional(speed->parts.front()) : std::nullopt;
    guarded({.id = id, .part = part}, stop, [&] {
      if (!computer) computer = std::make_unique<Computer>(options);
    });
    if (computer && job) run_job(*computer, *job, stop);
    if (computer && asked_of) run_wishes(*computer, asked_of, stop);
    if (computer && runs_stage) run_stage(*computer, stop);
    if (computer && measured) run_measure(*computer, measured, stop);
    if (computer && speed) run_speed(*computer, *speed, stop);
    {
      const std::lock_guard lock(mutex);
      is_busy = is_measuring_speed = false;
      if (!computer) forget_stage();  // it could not be made: that was told
      progress = {};
    }
    changed.notify_all();
    call_wake();
  }
}

Engine::Engine(EngineOptions options, std::function<void()> wake) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  state_->wake = std::move(wake);
  state_->worker = std::thread([state = state_.get()] { state->loop(); });
}

Engine::~Engine() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->is_closing = true;
    state_->stop_running();
  }
  state_->changed.notify_all();
  state_->worker.join();
}

std::uint64_t Engine::submit(const Compute& compute) {
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(state_->mutex);
    id = ++state_->newest;
    state_->stop_running();
    // All of them are older than this request; what was measured stays true.
    std::erase_if(state_->answers, [](const Answer& answer) { return !answer.part; });
    state_->forget_wishes();
    state_->pending = State::Job{id, compute, State::Clock::now()};
  }
  state_->changed.notify_all();
  return id;
}

void Engine::measure_other_device() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->measures_other_device = true;
  }
  state_->changed.notify_all();
}

void Engine::measure_speed(SpeedRequest request) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->is_measuring_speed) state_->stop_running();
    state_->speed_wish = std::move(request);
  }
  state_->changed.notify_all();
}

void Engine::look_through(std::int64_t position) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->lens_wish = position;
  }
  state_->changed.notify_all();
}

void Engine::write(WriteRequest request) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->is_measuring_speed) state_->stop_running();
    state_->write_wish = std::move(request);
  }
  state_->changed.notify_all();
}

void Engine::cancel() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->pending.reset();
    state_->forget_wishes();
    state_->stop_running();
  }
  state_->changed.notify_all();
}

std::vector<Answer> Engine::take_answers() {
  const std::lock_guard lock(state_->mutex);
  return std::exchange(state_->answers, {});
}

EngineProgress Engine::progress() const {
  const std::lock_guard lock(state_->mutex);
  EngineProgress progress = state_->progress;
  progress.is_busy = state_->is_busy || state_->has_work();
  return progress;
}

void Engine::wait() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return !state_->is_busy && !state_->has_work(); });
}

}  // namespace headroom
