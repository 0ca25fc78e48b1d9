#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>

namespace headroom {

/// A fixed set of worker threads that share out the items of a loop one at a time, so that uneven items balance.
///
/// Threads  parallel_for may be called from one thread at a time; the calling thread works too. Waiting workers look for the next
///          loop for some tens of microseconds, then sleep.
class ThreadPool {
 public:
  /// n_threads counts the caller; 0 = as many as the machine has processors.
  explicit ThreadPool(int n_threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int n_threads() const;

  /// Calls body(item, thread) for every item in [0, n_items); thread in [0, n_threads()). Returns when all are done.
  /// Errors  the first exception of a body is thrown again here; Cancelled when `stop` asks before the items are done.
  void parallel_for(std::int64_t n_items, const std::function<void(std::int64_t item, int thread)>& body,
                    std::stop_token stop = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headroom
