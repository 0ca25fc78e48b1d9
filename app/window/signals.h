#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace headroom {

/// Turns SIGINT and SIGTERM into an orderly end: a thread waits for them, notes which came and wakes the window. A second one ends the process
/// at once. Blocked in the thread that makes it and in those that it starts later.
class Signals {
 public:
  explicit Signals(std::function<void()> wake);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int received() const { return received_; }  ///< 0: none

 private:
  std::function<void()> wake_;
  std::atomic<int> received_ = 0;
  std::atomic<bool> is_ending_ = false;
  std::thread thread_;
};

}  // namespace headroom
