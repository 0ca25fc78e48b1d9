#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <stop_token>

#include "core/gl/options.h"

struct __GLsync;

namespace headroom::gl {

/// Cuts long work into dispatches of about equal time, by the rate that the last ones reached, and lets only a few of them wait in the
/// driver's queue: between them a window draws its frames, and a request to stop is heard within milliseconds.
///
///   while (work remains) {
///     choose work of about pacer.next_flops(); pacer.begin(stop); dispatch it; pacer.end(its flops);
///   }
///
/// Its objects belong to the context that is current when they are made and destroyed.
class Pacer {
 public:
  Pacer(bool is_software, const GpuOptions& options);
  ~Pacer();
  Pacer(const Pacer&) = delete;
  Pacer& operator=(const Pacer&) = delete;

  /// Floating-point operations that the next dispatch should have.
  double next_flops() const { return next_flops_; }
  /// Waits until few enough dispatches are under way. Errors  Cancelled.
  void begin(const std::stop_token& stop);
  /// Hands the dispatch to the device. Errors  Error when the device is lost.
  void end(double flops);
  /// Dispatches since it was made.
  std::int64_t n_dispatches() const { return n_dispatches_; }

 private:
  struct Pending {
    unsigned queries[2] = {0, 0};  ///< timestamps before and after
    __GLsync* fence = nullptr;
    double flops = 0;
    std::chrono::steady_clock::time_point given;  ///< used where the device has no clock
  };
  void finish_oldest();
  void learn(double flops, double ms);

  bool has_clock_ = false;
  bool is_fixed_ = false;
  double dispatch_ms_;
  double next_flops_;
  Pending current_;
  std::deque<Pending> pending_;
  std::int64_t n_dispatches_ = 0;
};

}  // namespace headroom::gl
