#include "core/session/engine.h"

#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>

#include "core/tensor/error.h"

namespace headroom {
namespace {

using Clock = std::chrono::steady_clock;

/// A progress bar needs no more than this; each report wakes the window.
constexpr std::chrono::milliseconds kProgressInterval{50};

}  // namespace

struct Engine::State {
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
  bool has_work() const { return pending || measures_other_device || speed_wish || write_wish || lens_wish; }
  void forget_wishes() {
    measures_other_device = false;
    speed_wish.reset();
    write_wish.reset();
    lens_wish.reset();
  }

  /// Queues an answer unless the work was stopped meanwhile. True when it was queued.
  bool answer(Answer said, const std::stop_token& stop) {
    {
      const std::lock_guard lock(mutex);
      // A measurement belongs to its shape, not to a picture: it is told even while a newer picture is on its way.
      if (stop.stop_requested() || (said.id != newest && !said.part)) return false;
      if (said.snapshot) last = said.snapshot;
      answers.push_back(std::move(said));
    }
    call_wake();
    return true;
  }

  void report(const std::string& stage, double share, std::optional<SpeedPart> part = {}) {
    {
      const std::lock_guard lock(mutex);
      const Clock::time_point now = Clock::now();
      const bool is_same = progress.stage == stage && progress.part == part;
      if (is_same && now - last_report < kProgressInterval) return;
      last_report = now;
      progress = {true, stage, share, part};
    }
    call_wake();
  }

  /// Runs `work` and turns whatever it throws into an answer, with what else that says.
  template <typename Work>
  void guarded(Answer failed, const std::stop_token& stop, const Work& work) {
    std::string failure;
    try {
      work();
      return;
    } catch (const Cancelled&) {
      return;
    } catch (const Error& error) {
      failure = error.what();
    } catch (const std::bad_alloc&) {
      failure = "There is not enough memory for this: choose a smaller model or a shorter text.";
    } catch (const std::exception& error) {
      failure = std::string("The computation failed: ") + error.what();
    } catch (...) {
      failure = "The computation failed for an unknown reason.";
    }
    if (failure.empty()) failure = "The computation failed.";  // an exception without words
    failed.failure = std::move(failure);
    answer(std::move(failed), stop);
  }

  void run_job(Computer& computer, const Job& job, const std::stop_token& stop) {
    const Computer::Progress progress_to = [this](const std::string& stage, double share) { report(stage, share); };
    guarded({.id = job.id}, stop, [&] {
      computer.note_arrival(job.arrival);
      std::shared_ptr<const Snapshot> picture = computer.compute(job.compute, job.id, stop, progress_to);
      if (!answer({.id = job.id, .snapshot = picture}, stop)) return;
      for (auto next = computer.refine(picture, stop, progress_to); next != picture;
           next = computer.refine(picture, stop, progress_to)) {
        picture = std::move(next);
        if (!answer({.id = job.id, .snapshot = picture}, stop)) return;
      }
      run_wishes(computer, picture, stop);
      if (!options.measures_held_out_loss) return;
      const std::shared_ptr<const Snapshot> with_loss = computer.add_held_out_loss(picture, stop, progress_to);
      if (with_loss != picture) answer({.id = job.id, .snapshot = with_loss}, stop);
    });
  }

  /// What was asked of a picture while it was made: at once, before what takes longer.
  void run_wishes(Computer& computer, const std::shared_ptr<const Snapshot>& picture, const std::stop_token& stop) {
    const Computer::Progress progress_to = [this](const std::string& stage, double share) { report(stage, share); };
    while (!stop.stop_requested()) {
      std::optional<WriteRequest> writing;
      std::optional<std::int64_t> token;
      {
        const std::lock_guard lock(mutex);
        writing = std::exchange(write_wish, std::nullopt);
        token = std::exchange(lens_wish, std::nullopt);
      }
      if (!writing && !token) return;
      if (token) {
        guarded({.id = picture->id, .about = Answer::About::kLens}, stop, [&] {
          answer({.id = picture->id, .lens = computer.lens(picture, *token, stop, progress_to), .about = Answer::About::kLens},
                 stop);
        });
      }
      if (writing) {
        guarded({.id = picture->id, .about = Answer::About::kWriting}, stop, [&] {
          answer({.id = picture->id, .written = computer.write(*writing, stop, progress_to), .about = Answer::About::kWriting},
                 stop);
        });
      }
    }
  }

  void run_measure(Computer& computer, const std::shared_ptr<const Snapshot>& snapshot, const std::stop_token& stop) {
    guarded({.id = snapshot->id}, stop, [&] {
      const auto measured = computer.add_other_device_timing(
          snapshot, stop, [this](const std::string& stage, double share) { report(stage, share); });
      answer({.id = snapshot->id, .snapshot = measured}, stop);
    });
  }

  /// Part by part: one that fails is told, and the others are measured all the same.
  void run_speed(Computer& computer, const SpeedRequest& request, const std::stop_token& stop) {
    const auto n = static_cast<double>(request.parts.size());
    for (std::size_t i = 0; i < request.parts.size() && !stop.stop_requested(); ++i) {
      const SpeedPart part = request.parts[i];
      const auto progress_to = [&](const std::string& stage, double share) {
        report(stage, (static_cast<double>(i) + share) / n, part);
      };
      progress_to(speed_part_name(part), 0);
      const auto measure = [&] {
        answer({.id = 0, .part = part, .speed = computer.measure_speed(request, part, stop, progress_to)}, stop);
      };
      guarded({.id = 0, .part = part}, stop, measure);
    }
  }

  void loop() {
    // Made and destroyed on this thread: a GPU's context belongs to one thread.
    std::unique_ptr<Computer> computer;
    while (true) {
      std::optional<Job> job;
      std::shared_ptr<const Snapshot> measured, asked_of;
      std::optional<SpeedRequest> speed;
      std::stop_token stop;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return is_closing || has_work(); });
        if (is_closing) return;
        if (pending) {
          job = std::move(pending);
          pending.reset();
        } else if (write_wish || lens_wish) {
          // Only of the newest request's picture: without one there is nothing to look through, and nothing to write after.
          if (last && last->id == newest) {
            asked_of = last;
          } else {
            write_wish.reset();
            lens_wish.reset();
          }
        } else if (speed_wish) {
          speed = std::move(speed_wish);
          speed_wish.reset();
        } else {
          measures_other_device = false;
          // Only a picture of the newest request is worth timing; without one there is nothing to do.
          if (last && last->id == newest) measured = last;
        }
        stop = running.get_token();
        is_busy = true;
        is_measuring_speed = speed.has_value();
        progress = {.is_busy = true, .stage = {}, .share = 0, .part = {}};
        last_report = {};
      }
      const std::uint64_t id = job ? job->id : measured ? measured->id : asked_of ? asked_of->id : 0;
      const auto part = speed && !speed->parts.empty() ? std::optional(speed->parts.front()) : std::nullopt;
      guarded({.id = id, .part = part}, stop, [&] {
        if (!computer) computer = std::make_unique<Computer>(options);
      });
      if (computer && job) run_job(*computer, *job, stop);
      if (computer && asked_of) run_wishes(*computer, asked_of, stop);
      if (computer && measured) run_measure(*computer, measured, stop);
      if (computer && speed) run_speed(*computer, *speed, stop);
      {
        const std::lock_guard lock(mutex);
        is_busy = is_measuring_speed = false;
        progress = {};
      }
      changed.notify_all();
      call_wake();
    }
  }
};

Engine::Engine(EngineOptions options, std::function<void()> wake) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  state_->wake = std::move(wake);
  state_->worker = std::thread([state = state_.get()] { state->loop(); });
}

Engine::~Engine() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->is_closing = true;
    state_->stop_running();
  }
  state_->changed.notify_all();
  state_->worker.join();
}

std::uint64_t Engine::submit(const Compute& compute) {
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(state_->mutex);
    id = ++state_->newest;
    state_->stop_running();
    // All of them are older than this request; what was measured stays true.
    std::erase_if(state_->answers, [](const Answer& answer) { return !answer.part; });
    state_->forget_wishes();
    state_->pending = State::Job{id, compute, Clock::now()};
  }
  state_->changed.notify_all();
  return id;
}

void Engine::measure_other_device() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->measures_other_device = true;
  }
  state_->changed.notify_all();
}

void Engine::measure_speed(SpeedRequest request) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->is_measuring_speed) state_->stop_running();
    state_->speed_wish = std::move(request);
  }
  state_->changed.notify_all();
}

void Engine::look_through(std::int64_t position) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->lens_wish = position;
  }
  state_->changed.notify_all();
}

void Engine::write(WriteRequest request) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->is_measuring_speed) state_->stop_running();
    state_->write_wish = std::move(request);
  }
  state_->changed.notify_all();
}

void Engine::cancel() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->pending.reset();
    state_->forget_wishes();
    state_->stop_running();
  }
  state_->changed.notify_all();
}

std::vector<Answer> Engine::take_answers() {
  const std::lock_guard lock(state_->mutex);
  return std::exchange(state_->answers, {});
}

EngineProgress Engine::progress() const {
  const std::lock_guard lock(state_->mutex);
  EngineProgress progress = state_->progress;
  progress.is_busy = state_->is_busy || state_->has_work();
  return progress;
}

void Engine::wait() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return !state_->is_busy && !state_->has_work(); });
}

}  // namespace headroom
