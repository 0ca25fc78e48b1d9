#include "core/runs/run_record.h"

#include <algorithm>

namespace headroom {
namespace {

constexpr std::int64_t kLossPoints = 768;
constexpr std::size_t kMostReports = 600;
constexpr double kRecentSeconds = 2;

/// Every second one goes, but for the first, the last and those at which something happened.
void thin(std::vector<std::shared_ptr<const HeadReport>>& reports, const std::vector<RoleEvent>& events) {
  std::vector<std::shared_ptr<const HeadReport>> kept;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    const bool happened = std::ranges::find(events, reports[i]->tokens, &RoleEvent::tokens) != events.end();
    if (i % 2 == 0 || i + 1 == reports.size() || happened) kept.push_back(reports[i]);
  }
  reports = std::move(kept);
}

}  // namespace

std::string_view run_phase_name(RunPhase phase) {
  switch (phase) {
    case RunPhase::kIdle:
      return "idle";
    case RunPhase::kPreparing:
      return "preparing";
    case RunPhase::kRunning:
      return "running";
    case RunPhase::kPaused:
      return "paused";
    case RunPhase::kFinished:
      return "finished";
    case RunPhase::kStopped:
      return "stopped";
    case RunPhase::kFailed:
      return "failed";
  }
  return "";
}

const HeadReport* RunReport::at(std::int64_t wanted) const {
  const auto after =
      std::ranges::upper_bound(reports, wanted, {}, [](const std::shared_ptr<const HeadReport>& report) { return report->tokens; });
  return after == reports.begin() ? nullptr : (after - 1)->get();
}

RunRecord::RunRecord(const Trainer& trainer, std::uint64_t run, int n_threads) {
  report_.run = run;
  report_.plan = trainer.plan();
  report_.config = trainer.config();
  report_.n_parameters = trainer.n_parameters();
  report_.flops_per_token = trainer.flops_per_token();
  report_.n_threads = n_threads;
  report_.tokens_planned = trainer.plan().tokens;
  report_.notices = trainer.material().notices;
  stretch_ = std::max<std::int64_t>(1, trainer.plan().tokens / kLossPoints);
  next_point_ = trainer.tokens() + stretch_;
  go_back(trainer);
}

void RunRecord::go_back(const Trainer& trainer) {
  report_.tokens = trainer.tokens();
  report_.steps = trainer.steps();
  report_.steps_planned = trainer.steps_planned();
  bool is_ahead = false;
  while (!report_.reports.empty() && report_.reports.back()->tokens > report_.tokens) {
    report_.reports.pop_back();
    is_ahead = true;
  }
  if (is_ahead) report_.events = role_events(report_.reports);
}

void RunRecord::add_step(const Trainer& trainer, const TrainStep& step, double seconds) {
  training_.add(seconds);
  go_back(trainer);
  report_.learning_rate = step.learning_rate;
  report_.gradient_norm = step.gradient_norm;
  if (!step.divergence.empty()) return;
  report_.training_loss = report_.steps <= 1 ? step.loss : 0.9 * report_.training_loss + 0.1 * step.loss;
  recent_.emplace_back(training_.total(), report_.tokens);
  while (recent_.size() > 2 && recent_.back().first - recent_.front().first > kRecentSeconds)
    recent_.pop_front();
  loss_sum_ += step.loss;
  ++n_losses_;
  if (report_.tokens < next_point_) return;
  report_.losses.push_back({report_.tokens, loss_sum_ / static_cast<double>(n_losses_)});
  loss_sum_ = 0;
  n_losses_ = 0;
  while (next_point_ <= report_.tokens)
    next_point_ += stretch_;
}

void RunRecord::add_report(std::shared_ptr<const HeadReport> report) {
  if (!report_.reports.empty() && report_.reports.back()->tokens >= report->tokens) report_.reports.pop_back();
  report_.reports.push_back(std::move(report));
  report_.events = role_events(report_.reports);
  if (report_.reports.size() > kMostReports) thin(report_.reports, report_.events);
}

RunReport RunRecord::finished(double speed) const {
  RunReport copy = report_;
  copy.training_seconds = training_.total();
  copy.seconds = training_.total() + other_.total();
  if (recent_.size() > 1 && recent_.back().first > recent_.front().first)
    copy.tokens_per_second =
        static_cast<double>(recent_.back().second - recent_.front().second) / (recent_.back().first - recent_.front().first);
  const std::int64_t left = std::max<std::int64_t>(0, copy.tokens_planned - copy.tokens);
  if (copy.tokens_per_second > 0 && copy.training_seconds > 0)
    copy.seconds_left =
        static_cast<double>(left) / copy.tokens_per_second * (copy.seconds / copy.training_seconds) / std::max(0.01, speed);
  return copy;
}

}  // namespace headroom
