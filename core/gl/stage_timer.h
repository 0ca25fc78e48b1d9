#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/attention/layer.h"

namespace headroom::gl {

/// Times stages that follow each other on the device, by pairs of GL timestamps (GL_TIME_ELAPSED reads 0 on llvmpipe).
/// A device without a timestamp clock is waited for at each mark and timed by the processor's clock.
class StageTimer {
 public:
  StageTimer();
  ~StageTimer();
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

  /// The stage of this name begins after all commands given so far; the one before it ends.
  void begin(const std::string& stage);
  /// Waits for the device and returns the stages in order.
  std::vector<StageTime> finish();

 private:
  void mark();

  bool has_clock_ = false;
  std::vector<std::string> stages_;
  std::vector<unsigned> queries_;                               ///< one more than stages once finished
  std::vector<std::chrono::steady_clock::time_point> moments_;  ///< instead, without a clock
};

/// Milliseconds by the processor's clock since it was made.
class Stopwatch {
 public:
  double ms() const { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace headroom::gl
