#include "app/window/signals.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <utility>

namespace headroom {
namespace {

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

Signals::Signals(std::function<void()> wake) : wake_(std::move(wake)) {
  const sigset_t set = ending_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A closed pipe on standard error must not end a window.
  signal(SIGPIPE, SIG_IGN);
  thread_ = std::thread([this, set] {
    while (true) {
      int number = 0;
      if (sigwait(&set, &number) != 0 || is_ending_) return;
      if (received_ != 0) _exit(128 + number);
      received_ = number;
      wake_();
    }
  });
}

Signals::~Signals() {
  is_ending_ = true;
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
  const sigset_t set = ending_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace headroom
