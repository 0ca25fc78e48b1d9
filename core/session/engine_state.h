#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "core/session/engine.h"

namespace headroom {

/// What the threads of an Engine share. Its interface and the worker's loop are in engine.cpp, what the worker does in engine_work.cpp, for
/// the Decode stage in engine_stage.cpp.
struct Engine::State {
  using Clock = std::chrono::steady_clock;

  EngineOptions options;
  std::function<void()> wake;

  mutable std::mutex mutex;
  std::condition_variable changed;
  struct Job {
    std::uint64_t id = 0;
    Compute compute;
    Clock::time_point arrival;
  };
  // All below under `mutex`.
  std::optional<Job> pending;
  bool measures_other_device = false;
  std::optional<SpeedRequest> speed_wish;
  std::optional<WriteRequest> write_wish;
  std::optional<std::int64_t> lens_wish;  ///< the token
  std::optional<DecodeRequest> decode_wish;
  std::optional<DecodeGrowthRequest> growth_wish;
  std::optional<QualityRequest> quality_wish;
  std::optional<BatchWish> batch_wish;
  std::optional<DecodePart> stage_part;  ///< what runs for the Decode stage
  std::stop_source stage_running;        ///< stops that alone
  bool is_measuring_speed = false;
  bool is_busy = false;
  bool is_closing = false;
  std::uint64_t newest = 0;
  std::stop_source running;
  std::vector<Answer> answers;
  EngineProgress progress;
  std::shared_ptr<const Snapshot> last;  ///< the newest picture that was answered

  // Of the worker alone.
  Clock::time_point last_report;
  std::thread worker;

  void call_wake() const {
    if (wake) wake();
  }

  void stop_running() {
    running.request_stop();
    running = std::stop_source();
  }

  /// Under `mutex`.
  bool has_stage_wish() const { return decode_wish || growth_wish || quality_wish || batch_wish; }
  bool has_work() const { return pending || measures_other_device || speed_wish || write_wish || lens_wish || has_stage_wish(); }
  void forget_wishes() {
    measures_other_device = false;
    speed_wish.reset();
    write_wish.reset();
    lens_wish.reset();
    forget_stage();
  }
  void forget_stage() {
    decode_wish.reset();
    growth_wish.reset();
    quality_wish.reset();
    batch_wish.reset();
    stage_running.request_stop();
  }

  /// Queues an answer unless the work was stopped meanwhile. True when it was queued.
  bool answer(Answer said, const std::stop_token& stop);
  void report(const std::string& stage, double share, std::optional<SpeedPart> part = {});
  /// Runs `work` and turns whatever it throws into an answer, with what else that says.
  void guarded(Answer failed, const std::stop_token& stop, const std::function<void()>& work);

  // On the worker.
  void run_job(Computer& computer, const Job& job, const std::stop_token& stop);
  /// What was asked of a picture while it was made: at once, before what takes longer.
  void run_wishes(Computer& computer, const std::shared_ptr<const Snapshot>& picture, const std::stop_token& stop);
  /// The same of the newest picture, where there is one: within longer work.
  void run_wishes_meanwhile(Computer& computer, const std::stop_token& stop);
  void run_measure(Computer& computer, const std::shared_ptr<const Snapshot>& snapshot, const std::stop_token& stop);
  /// Part by part: one that fails is told, and the others are measured all the same.
  void run_speed(Computer& computer, const SpeedRequest& request, const std::stop_token& stop);
  /// What was asked for the Decode stage, one part. Wishes about the picture that come meanwhile are served between its steps.
  void run_stage(Computer& computer, const std::stop_token& outer);
  void loop();
};

}  // namespace headroom
