#include "app/window/background.h"

#include <new>
#include <string>
#include <utility>

#include "core/tensor/error.h"

namespace headroom {

Background::Background(std::function<void()> wake) : wake_(std::move(wake)), thread_([this] { run(); }) {}

Background::~Background() {
  {
    const std::scoped_lock lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Background::post(Work work, OnFailure on_failure) {
  {
    const std::scoped_lock lock(mutex_);
    jobs_.push_back({std::move(work), std::move(on_failure)});
  }
  changed_.notify_all();
}

std::vector<Background::Then> Background::take() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(done_, {});
}

bool Background::is_busy() const {
  const std::scoped_lock lock(mutex_);
  return is_running_ || !jobs_.empty() || !done_.empty();
}

void Background::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return is_ending_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    is_running_ = true;
    lock.unlock();
    Then then;
    const auto fail = [&](const std::string& sentence) {
      return [on_failure = std::move(job.on_failure), sentence] { on_failure(sentence); };
    };
    try {
      then = job.work();
    } catch (const std::bad_alloc&) {
      then = fail("there is not enough memory for that");
    } catch (const std::exception& error) {
      then = fail(error.what());
    }
    lock.lock();
    is_running_ = false;
    if (then) done_.push_back(std::move(then));
    lock.unlock();
    wake_();
    lock.lock();
  }
}

}  // namespace headroom
