#include "core/runs/runner_worker.h"

#include <algorithm>
#include <new>
#include <variant>

#include "core/runs/checkpoint.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr double kPublishSeconds = 1.0 / 30;

}  // namespace

RunnerWorker::RunnerWorker(RunnerShared& shared)
    : shared_(shared),
      pool_(shared.options.n_threads),
      measuring_(shared.options.measuring_share * kMeasuringPart),
      frame_making_(shared.options.measuring_share * kFramePart),
      ablating_(shared.options.measuring_share * kAblationPart) {}

double RunnerWorker::now() const {
  if (shared_.options.clock) return shared_.options.clock();
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool RunnerWorker::wants_attention() const {
  return shared_.is_closing || !shared_.wishes.empty() || shared_.look_version != look_version_;
}

void RunnerWorker::work() {
  while (true) {
    std::deque<RunnerWish> wishes;
    {
      std::unique_lock lock(shared_.mutex);
      if (!is_running()) {
        if (!wants_attention()) {
          shared_.is_idle = true;
          shared_.idle.notify_all();
        }
        shared_.changed.wait(lock, [this] { return wants_attention(); });
      } else if (is_resting()) {
        shared_.changed.wait_until(lock, rest_until_, [this] { return wants_attention(); });
      }
      if (shared_.is_closing) return;
      wishes.swap(shared_.wishes);
      if (!wishes.empty()) shared_.stop = std::stop_source();
      stop_ = shared_.stop.get_token();
      speed_ = shared_.speed;
      look_is_new_ = look_is_new_ || look_version_ != shared_.look_version;
      look_ = shared_.look;
      look_version_ = shared_.look_version;
    }
    for (const RunnerWish& wish : wishes)
      std::visit([this](const auto& each) { fulfil(each); }, wish);
    if (is_running() && !is_resting()) train();
    serve_look();
    publish(is_running() ? Publish::kWhenDue : Publish::kNow);
  }
}

void RunnerWorker::train() {
  try {
    const double begin = now();
    const TrainStep step = run_->trainer->step();
    const double seconds = now() - begin;
    run_->record.add_step(*run_->trainer, step, seconds);
    after_step(step);
    rest_from(seconds);
  } catch (const Cancelled&) {
    // What stopped it is the next wish.
  } catch (const std::bad_alloc&) {
    fail("There is not enough memory for a training step: lower rows a pass, d_model or layers.");
  } catch (const Error& error) {
    fail(error.what());
  }
}

void RunnerWorker::after_step(const TrainStep& step) {
  if (!step.divergence.empty()) {
    go_back_from_divergence(step.divergence);
  } else if (run_->trainer->is_finished()) {
    come_to_rest(RunPhase::kFinished);
  } else if (steps_to_go_ > 0 && --steps_to_go_ == 0) {
    come_to_rest(RunPhase::kPaused);
  } else {
    measure_when_due();
  }
}

void RunnerWorker::rest_from(double seconds) {
  // The rest is of the clock on the wall: a person waits for it.
  const double working = std::min(seconds, 10.0);
  paced_seconds_ += working / speed_;
  if (speed_ < 1)
    rest_until_ = std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                                         std::chrono::duration<double>(working * (1 - speed_) / speed_));
}

void RunnerWorker::come_to_rest(RunPhase phase) {
  phase_ = phase;
  steps_to_go_ = 0;
  const HeadReport* newest = run_->record.report().newest();
  if (newest == nullptr || newest->tokens != run_->trainer->tokens()) measure();
}

void RunnerWorker::go_back_from_divergence(const std::string& sentence) {
  failure_ = sentence;
  phase_ = RunPhase::kFailed;
  if (const auto good = run_->last_good()) {
    run_->go_back_to(good);
    failure_ += " The model is back at its last good state, " + std::to_string(good->tokens) + " tokens.";
  }
}

void RunnerWorker::fail(const std::string& sentence) {
  failure_ = sentence;
  phase_ = RunPhase::kFailed;
}

void RunnerWorker::publish(Publish when) {
  const double time = now();
  if (when == Publish::kWhenDue && time - last_published_ < kPublishSeconds && time >= last_published_) return;
  last_published_ = time;
  auto report = std::make_shared<RunReport>(run_ ? run_->record.finished(speed_) : RunReport{});
  report->phase = phase_;
  report->failure = failure_;
  report->doing = doing_;
  report->share = share_done_;
  {
    const std::lock_guard lock(shared_.mutex);
    shared_.report = std::move(report);
    shared_.frames = frames_;
    if (run_) {
      const auto states = run_->timeline.states();
      shared_.kept.assign(states.begin(), states.end());
    }
  }
  if (shared_.wake) shared_.wake();
}

}  // namespace headroom
