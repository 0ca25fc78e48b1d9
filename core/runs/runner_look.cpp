#include <algorithm>

#include "core/roles/ablation.h"
#include "core/runs/runner_worker.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Eyes see no more; the budget may allow fewer.
constexpr double kFrameSeconds = 1.0 / 16;
constexpr double kLeastMeasureSeconds = 0.1;

}  // namespace

void RunnerWorker::measure() {
  const double begin = now();
  const auto report = std::make_shared<const HeadReport>(run_->trainer->measure(ProbeSize::kQuick, stop_));
  const double seconds = now() - begin;
  measuring_.spend(seconds - std::min(seconds, std::max(0.0, early_seconds_left_)));
  early_seconds_left_ -= seconds;
  run_->record.add_other_seconds(seconds);
  run_->record.add_report(report);
  run_->keep(report);
  last_measured_ = now();
}

void RunnerWorker::measure_when_due() {
  const double since = now() - last_measured_;
  const bool is_due = (since < 0 || since >= kLeastMeasureSeconds) && measuring_.affords(paced_seconds_);
  if (!is_due && !is_early_one_due()) return;
  measure();
  if (look_.head && !look_.at && can_remove(*look_.head) && ablating_.affords(paced_seconds_))
    remove_head(run_->trainer->network(), *run_->record.report().newest());
}

bool RunnerWorker::is_early_one_due() const {
  const TrainPlan& plan = run_->trainer->plan();
  const std::int64_t tokens = run_->trainer->tokens();
  const HeadReport* const newest = run_->record.report().newest();
  return early_seconds_left_ > 0 && tokens <= plan.tokens / 4 &&
         (newest == nullptr || tokens - newest->tokens >= plan.tokens / kEarlyMeasurements / 4);
}

bool RunnerWorker::can_remove(const HeadRef& head) const {
  const ModelShape& shape = run_->trainer->config().shape;
  return head.layer >= 0 && head.layer < shape.n_layers && head.head >= 0 && head.head < shape.n_heads;
}

void RunnerWorker::remove_head(Network& network, const HeadReport& before) {
  const double begin = now();
  const Ablation ablation = measure_ablation(network, run_->trainer->probes(), before, *look_.head, stop_);
  const double seconds = now() - begin;
  ablating_.spend(seconds);
  run_->record.add_other_seconds(seconds);
  ablated_ = {*look_.head, before.tokens};
  RunReport& report = run_->record.report();
  report.causes = cause_sentences(before, ablation);
  report.ablation = ablation;
}

void RunnerWorker::measure_ablation_of_look() {
  RunReport& report = run_->record.report();
  if (!look_.head || !can_remove(*look_.head)) {
    report.ablation.reset();
    report.causes.clear();
    ablated_.reset();
    return;
  }
  const auto is_done = [&](std::int64_t tokens) { return ablated_ == std::pair(*look_.head, tokens); };
  if (look_.at) {
    const auto state = run_->timeline.nearest(*look_.at);
    if (state != nullptr && state->report != nullptr && !is_done(state->tokens))
      remove_head(run_->network_of(*state, pool_), *state->report);
    return;
  }
  if (is_running()) return;  // with the next measurement
  // A run that was paused between two measurements is measured where it stands, so that removing the head is held against that.
  if (report.newest() == nullptr || report.newest()->tokens != run_->trainer->tokens()) measure();
  const HeadReport* newest = report.newest();
  if (!is_done(newest->tokens)) remove_head(run_->trainer->network(), *newest);
}

void RunnerWorker::show_live() {
  const std::int64_t tokens = run_->trainer->tokens();
  const bool is_shown = frames_.shown && frames_.shown->is_live && frames_.shown->tokens == tokens && !look_is_new_;
  if (is_shown) return;
  const double time = now();
  const bool is_due = look_is_new_ || !is_running() ||
                      ((time - last_frame_ >= kFrameSeconds || time < last_frame_) && frame_making_.affords(paced_seconds_));
  if (!is_due) return;
  frames_.shown = run_->live_frames.make(run_->trainer->network(), look_.sentence, {.tokens = tokens, .is_live = true});
  const double seconds = now() - time;
  frame_making_.spend(seconds);
  run_->record.add_other_seconds(seconds);
  last_frame_ = time;
}

std::shared_ptr<const TrainFrame> RunnerWorker::kept_frame(std::int64_t tokens) {
  const auto state = run_->timeline.nearest(tokens);
  if (state == nullptr) return nullptr;
  return run_->kept_frames.make(run_->network_of(*state, pool_), look_.sentence, {.tokens = state->tokens, .is_live = false});
}

void RunnerWorker::serve_look() {
  if (run_ == nullptr) {
    look_is_new_ = false;
    return;
  }
  try {
    if (look_.sentence.empty()) {
      frames_ = {};
    } else {
      if (!look_.at) show_live();
      if (look_is_new_ && look_.at) frames_.shown = kept_frame(*look_.at);
      if (look_is_new_) frames_.compared = look_.compared ? kept_frame(*look_.compared) : nullptr;
    }
    if (look_is_new_ || !is_running()) measure_ablation_of_look();
  } catch (const Cancelled&) {
    // What stopped it is the next wish.
  } catch (const Error& error) {
    fail(error.what());
  }
  look_is_new_ = false;
}

}  // namespace headroom
