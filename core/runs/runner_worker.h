#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "core/runs/run.h"
#include "core/runs/runner_shared.h"

namespace headroom {

/// What a runner's thread does: wishes in their order, and between them one step of training after another, with measurements, frames and
/// reports in between.
class RunnerWorker {
 public:
  explicit RunnerWorker(RunnerShared& shared);
  /// Until the runner closes.
  void work();

 private:
  using WallTime = std::chrono::steady_clock::time_point;
  // Of RunnerOptions::measuring_share. Frames are seen most, and cost least.
  static constexpr double kMeasuringPart = 0.6, kFramePart = 0.3, kAblationPart = 0.1;
  /// The first quarter of a run, where most happens, is measured this often whatever the share says, until that took so long.
  static constexpr std::int64_t kEarlyMeasurements = 15;
  static constexpr double kEarlySeconds = 0.4;

  // Wishes.
  void fulfil(const StartWish& wish);
  void fulfil(const OpenWish& wish);
  void fulfil(const PauseWish& wish);
  void fulfil(const ResumeWish& wish);
  void fulfil(const StepWish& wish);
  void fulfil(const StopWish& wish);
  void fulfil(const ResetWish& wish);
  void fulfil(const SaveWish& wish);
  /// Makes a run, with the reports that this takes; what then happens is `then`.
  template <typename Make>
  void begin(const Make& make, RunPhase then);
  void save_shown(const std::filesystem::path& folder, SaveAnswer& answer);

  // Training.
  void train();
  void after_step(const TrainStep& step);
  void rest_from(double seconds);
  void come_to_rest(RunPhase phase);
  void go_back_from_divergence(const std::string& sentence);
  void fail(const std::string& sentence);

  // Looking.
  void measure();
  void measure_when_due();
  bool is_early_one_due() const;
  void serve_look();
  void show_live();
  std::shared_ptr<const TrainFrame> kept_frame(std::int64_t tokens);
  void measure_ablation_of_look();
  void remove_head(Network& network, const HeadReport& before);
  bool can_remove(const HeadRef& head) const;

  enum class Publish { kWhenDue, kNow };
  void publish(Publish when);

  bool is_running() const { return run_ != nullptr && phase_ == RunPhase::kRunning; }
  bool is_resting() const { return std::chrono::steady_clock::now() < rest_until_; }
  bool wants_attention() const;  ///< with the mutex held
  double now() const;

  RunnerShared& shared_;
  ThreadPool pool_;
  std::unique_ptr<Run> run_;
  RunPhase phase_ = RunPhase::kIdle;
  std::string doing_, failure_;
  double share_done_ = 0;
  std::uint64_t last_run_ = 0;
  std::int64_t steps_to_go_ = 0;  ///< 0: to the end
  std::stop_token stop_;

  TrainLook look_;
  std::uint64_t look_version_ = 0;  ///< of look_
  bool look_is_new_ = false;
  double speed_ = 1;
  TrainFrames frames_;
  std::optional<std::pair<HeadRef, std::int64_t>> ablated_;  ///< head and tokens of the report's ablation

  double paced_seconds_ = 0;  ///< of training, and of resting between steps
  CostBudget measuring_, frame_making_, ablating_;
  double early_seconds_left_ = kEarlySeconds;
  double last_measured_ = 0, last_frame_ = 0, last_published_ = 0;
  WallTime rest_until_{};
};

}  // namespace headroom
