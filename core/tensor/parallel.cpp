#include "core/tensor/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include <hwy/cache_control.h>

#include "core/tensor/error.h"

namespace headroom {
namespace {

/// One parallel_for: lives on the caller's stack until every worker that entered it has left.
struct Loop {
  std::int64_t n_items = 0;
  const std::function<void(std::int64_t, int)>* body = nullptr;
  const std::stop_token* stop = nullptr;
  std::atomic<std::int64_t> next{0};
  std::atomic<bool> is_cancelled{false};
  std::mutex failure_mutex;
  std::exception_ptr failure;

  void work(int thread) {
    while (true) {
      const std::int64_t item = next.fetch_add(1, std::memory_order_relaxed);
      if (item >= n_items) return;
      if (stop->stop_requested()) {
        is_cancelled = true;
        next = n_items;
        return;
      }
      try {
        (*body)(item, thread);
      } catch (...) {
        const std::lock_guard lock(failure_mutex);
        if (!failure) failure = std::current_exception();
        next = n_items;  // what has not begun need not begin
      }
    }
  }

  void finish() {
    if (failure) std::rethrow_exception(failure);
    if (is_cancelled) throw Cancelled();
  }
};

}  // namespace

/// Looks for `is_met` for a while before the caller goes to sleep: waking costs as much as a small loop, and loops come in quick succession.
/// Returns after some tens of microseconds in any case.
template <typename Condition>
void look_for(const Condition& is_met) {
  constexpr int kLooksBetweenTimes = 64;
  constexpr std::chrono::microseconds kPatience{40};
  const auto begin = std::chrono::steady_clock::now();
  do {
    for (int look = 0; look < kLooksBetweenTimes; ++look) {
      if (is_met()) return;
      hwy::Pause();
    }
  } while (std::chrono::steady_clock::now() - begin < kPatience);
}

struct ThreadPool::State {
  int n_threads = 1;
  bool has_processors = true;  // one for each thread: with fewer, looking would keep the others from working
  std::mutex mutex;
  std::condition_variable wake;               // workers: a loop began, or the pool ends
  std::condition_variable idle;               // caller: the last worker left the loop
  Loop* loop = nullptr;                       // guarded by mutex; null when workers have nothing to join
  std::atomic<std::uint64_t> loop_number{0};  // changed under mutex, as n_inside; read without while looking
  std::atomic<int> n_inside{0};
  bool is_ending = false;
  std::vector<std::jthread> workers;

  void serve(int thread) {
    std::uint64_t last_loop = 0;
    std::unique_lock lock(mutex);
    while (true) {
      if (last_loop != 0 && has_processors) {
        lock.unlock();
        look_for([&] { return loop_number != last_loop; });
        lock.lock();
      }
      wake.wait(lock, [&] { return is_ending || (loop != nullptr && loop_number != last_loop); });
      if (is_ending) return;
      Loop* const joined = loop;
      last_loop = loop_number;
      ++n_inside;
      lock.unlock();
      joined->work(thread);
      lock.lock();
      if (--n_inside == 0) idle.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int n_threads) : state_(std::make_unique<State>()) {
  if (n_threads <= 0) n_threads = static_cast<int>(std::thread::hardware_concurrency());
  state_->n_threads = std::max(1, n_threads);
  state_->has_processors = state_->n_threads <= static_cast<int>(std::thread::hardware_concurrency());
  for (int thread = 1; thread < state_->n_threads; ++thread) {
    state_->workers.emplace_back([state = state_.get(), thread] { state->serve(thread); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->is_ending = true;
  }
  state_->wake.notify_all();
  state_->workers.clear();  // joins while mutex and conditions still live
}

int ThreadPool::n_threads() const { return state_->n_threads; }

void ThreadPool::parallel_for(std::int64_t n_items, const std::function<void(std::int64_t item, int thread)>& body,
                              std::stop_token stop) {
  Loop loop;
  loop.n_items = n_items;
  loop.body = &body;
  loop.stop = &stop;
  if (n_items <= 1 || state_->n_threads == 1) {
    loop.work(0);
    loop.finish();
    return;
  }
  {
    const std::lock_guard lock(state_->mutex);
    state_->loop = &loop;
    ++state_->loop_number;
  }
  // No more workers than items: the others sleep on.
  const std::int64_t n_helpers = std::min<std::int64_t>(n_items - 1, state_->n_threads - 1);
  for (std::int64_t i = 0; i < n_helpers; ++i) {
    state_->wake.notify_one();
  }
  loop.work(0);
  {
    if (state_->has_processors) look_for([&] { return state_->n_inside == 0; });
    std::unique_lock lock(state_->mutex);
    state_->loop = nullptr;  // a worker that wakes late finds nothing to join, so it need not be waited for
    state_->idle.wait(lock, [&] { return state_->n_inside == 0; });
  }
  loop.finish();
}

}  // namespace headroom
