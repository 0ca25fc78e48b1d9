#include "core/runs/runner.h"

#include <algorithm>
#include <thread>

#include "core/runs/runner_shared.h"
#include "core/runs/runner_worker.h"

namespace headroom {

struct Runner::State {
  RunnerShared shared;
  std::thread thread;

  /// Some wishes end what is going on, others wait for their turn.
  enum class Urgency { kInTurn, kAtOnce };
  void want(RunnerWish wish, Urgency urgency) {
    {
      const std::lock_guard lock(shared.mutex);
      shared.wishes.push_back(std::move(wish));
      shared.is_idle = false;
      if (urgency == Urgency::kAtOnce) shared.stop.request_stop();
    }
    shared.changed.notify_all();
  }
};

Runner::Runner(RunnerOptions options, std::function<void()> wake) : state_(std::make_unique<State>()) {
  state_->shared.options = std::move(options);
  state_->shared.wake = std::move(wake);
  state_->thread = std::thread([&shared = state_->shared] { RunnerWorker(shared).work(); });
}

Runner::~Runner() {
  {
    const std::lock_guard lock(state_->shared.mutex);
    state_->shared.is_closing = true;
    state_->shared.stop.request_stop();
  }
  state_->shared.changed.notify_all();
  state_->thread.join();
}

void Runner::start(const TrainPlan& plan) { state_->want(StartWish{plan}, State::Urgency::kAtOnce); }
void Runner::open(const std::filesystem::path& folder) { state_->want(OpenWish{folder}, State::Urgency::kAtOnce); }
void Runner::pause() { state_->want(PauseWish{}, State::Urgency::kInTurn); }
void Runner::resume() { state_->want(ResumeWish{}, State::Urgency::kInTurn); }
void Runner::step(std::int64_t n) { state_->want(StepWish{std::max<std::int64_t>(1, n)}, State::Urgency::kInTurn); }
void Runner::stop() { state_->want(StopWish{}, State::Urgency::kAtOnce); }
void Runner::reset() { state_->want(ResetWish{}, State::Urgency::kAtOnce); }
void Runner::save(const std::filesystem::path& folder) { state_->want(SaveWish{folder}, State::Urgency::kInTurn); }

void Runner::set_speed(double share) {
  const std::lock_guard lock(state_->shared.mutex);
  state_->shared.speed = share >= 0.01 ? std::min(share, 1.0) : 0.01;
}

void Runner::look(const TrainLook& look) {
  {
    const std::lock_guard lock(state_->shared.mutex);
    if (state_->shared.look == look) return;
    state_->shared.look = look;
    ++state_->shared.look_version;
    state_->shared.is_idle = false;
  }
  state_->shared.changed.notify_all();
}

std::vector<SaveAnswer> Runner::take_saves() {
  const std::lock_guard lock(state_->shared.mutex);
  return std::exchange(state_->shared.saves, {});
}

std::shared_ptr<const RunReport> Runner::report() const {
  const std::lock_guard lock(state_->shared.mutex);
  return state_->shared.report;
}

TrainFrames Runner::frames() const {
  const std::lock_guard lock(state_->shared.mutex);
  return state_->shared.frames;
}

std::shared_ptr<const KeptState> Runner::kept(std::optional<std::int64_t> tokens) const {
  const std::lock_guard lock(state_->shared.mutex);
  return nearest_state(state_->shared.kept, tokens);
}

void Runner::wait() {
  std::unique_lock lock(state_->shared.mutex);
  state_->shared.idle.wait(lock, [this] { return state_->shared.is_idle && state_->shared.wishes.empty(); });
}

}  // namespace headroom
