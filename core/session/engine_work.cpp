#include <new>
#include <utility>

#include "core/session/engine_state.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// A progress bar needs no more than this; each report wakes the window.
constexpr std::chrono::milliseconds kProgressInterval{50};

}  // namespace

bool Engine::State::answer(Answer said, const std::stop_token& stop) {
  {
    const std::lock_guard lock(mutex);
    // A measurement belongs to its shape, not to a picture: it is told even while a newer picture is on its way.
    if (stop.stop_requested() || (said.id != newest && !said.part)) return false;
    if (said.snapshot) last = said.snapshot;
    // What was there of it before is part of this.
    if (said.decode_part) std::erase_if(answers, [&](const Answer& older) { return older.decode_part == said.decode_part; });
    answers.push_back(std::move(said));
  }
  call_wake();
  return true;
}

void Engine::State::report(const std::string& stage, double share, std::optional<SpeedPart> part) {
  {
    const std::lock_guard lock(mutex);
    const Clock::time_point now = Clock::now();
    const bool is_same = progress.stage == stage && progress.part == part;
    if (is_same && now - last_report < kProgressInterval) return;
    last_report = now;
    progress = {true, stage, share, part, stage_part};
  }
  call_wake();
}

void Engine::State::guarded(Answer failed, const std::stop_token& stop, const std::function<void()>& work) {
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

void Engine::State::run_job(Computer& computer, const Job& job, const std::stop_token& stop) {
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

void Engine::State::run_wishes(Computer& computer, const std::shared_ptr<const Snapshot>& picture, const std::stop_token& stop) {
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
        answer({.id = picture->id, .lens = computer.lens(picture, *token, stop, progress_to), .about = Answer::About::kLens}, stop);
      });
    }
    if (writing) {
      guarded({.id = picture->id, .about = Answer::About::kWriting}, stop, [&] {
        answer({.id = picture->id, .written = computer.write(*writing, stop, progress_to), .about = Answer::About::kWriting}, stop);
      });
    }
  }
}

void Engine::State::run_measure(Computer& computer, const std::shared_ptr<const Snapshot>& snapshot, const std::stop_token& stop) {
  guarded({.id = snapshot->id}, stop, [&] {
    const auto measured =
        computer.add_other_device_timing(snapshot, stop, [this](const std::string& stage, double share) { report(stage, share); });
    answer({.id = snapshot->id, .snapshot = measured}, stop);
  });
}

void Engine::State::run_speed(Computer& computer, const SpeedRequest& request, const std::stop_token& stop) {
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

}  // namespace headroom
