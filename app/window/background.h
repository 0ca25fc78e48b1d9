#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace headroom {

/// One thread for what may take long (files, exports), in order. A piece of work returns what is to be done with its result, which the
/// interface thread then calls; work that throws Error or runs out of memory is told by `on_failure` there.
class Background {
 public:
  using Then = std::function<void()>;
  using Work = std::function<Then()>;
  using OnFailure = std::function<void(const std::string& sentence)>;

  /// `wake` is called on the worker's thread after each piece of work.
  explicit Background(std::function<void()> wake);
  ~Background();  ///< finishes what was posted

  void post(Work work, OnFailure on_failure);
  /// What finished since the last call, in order.
  std::vector<Then> take();
  bool is_busy() const;

 private:
  struct Job {
    Work work;
    OnFailure on_failure;
  };
  void run();

  std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::vector<Then> done_;
  bool is_running_ = false, is_ending_ = false;
  std::thread thread_;
};

}  // namespace headroom
