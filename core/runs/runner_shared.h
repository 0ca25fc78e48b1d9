#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <stop_token>
#include <variant>
#include <vector>

#include "core/runs/runner.h"

namespace headroom {

// What a person wants of a runner, in order.
struct StartWish {
  TrainPlan plan;
};
struct OpenWish {
  std::filesystem::path folder;
};
struct PauseWish {};
struct ResumeWish {};
struct StepWish {
  std::int64_t n = 1;
};
struct StopWish {};
struct ResetWish {};
struct SaveWish {
  std::filesystem::path folder;
};
using RunnerWish = std::variant<StartWish, OpenWish, PauseWish, ResumeWish, StepWish, StopWish, ResetWish, SaveWish>;

/// What a runner and its worker thread share.
struct RunnerShared {
  RunnerOptions options;
  std::function<void()> wake;

  std::mutex mutex;
  std::condition_variable changed;  ///< there is something to do
  std::condition_variable idle;     ///< there is nothing left to do
  // All below under the mutex.
  std::deque<RunnerWish> wishes;
  TrainLook look;
  std::uint64_t look_version = 0;
  double speed = 1;
  bool is_closing = false;
  bool is_idle = false;
  std::stop_source stop;  ///< of what the worker is at
  std::shared_ptr<const RunReport> report = std::make_shared<const RunReport>();
  TrainFrames frames;
  std::vector<std::shared_ptr<const KeptState>> kept;
  std::vector<SaveAnswer> saves;
};

}  // namespace headroom
