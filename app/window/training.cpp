#include "app/window/training.h"

#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include "core/formats/file.h"
#include "core/tensor/error.h"
#include "core/training/network.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWrittenFolder = "training.new";  ///< this time's, until it is whole

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

/// `folder`, or `folder`-2, -3, …: the first that is not there.
fs::path free_name(const fs::path& folder) {
  fs::path path = folder;
  for (int n = 2; is_there(path) && n < 10000; ++n)
    path = folder.string() + "-" + std::to_string(n);
  return path;
}

void make_parent(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder.parent_path(), error);
  if (error) throw Error(folder.parent_path().string() + ": the folder cannot be made (" + error.message() + ")");
}

}  // namespace

struct Training::State {
  Options options;
  std::function<void()> wake;
  std::unique_ptr<Runner> runner;
  std::unique_ptr<ExperimentRunner> experiments;
  TrainLook wanted;  ///< of the session
  TrainLook given;   ///< to the runner
  double speed = 1, given_speed = 1;
  struct Writing {
    TrainedSaved::Why why;
    fs::path folder;
  };
  std::vector<Writing> writing;

  Runner& made() {
    if (!runner) {
      runner = std::make_unique<Runner>(options.runner, wake);
      given = {};
      given_speed = 1;
      look();
    }
    return *runner;
  }

  void look() {
    if (!runner) return;
    if (given != wanted) runner->look(given = wanted);
    if (given_speed != speed) runner->set_speed(given_speed = speed);
  }

  void write(TrainedSaved::Why why, const fs::path& folder) {
    if (!runner) throw Error("nothing has been trained yet");
    writing.push_back({why, folder});
    runner->save(folder);
  }

  /// The newest state, whatever is looked at.
  void write_newest(const fs::path& folder) {
    runner->pause();
    TrainLook newest = given;
    newest.at.reset();
    runner->look(given = newest);
    write(TrainedSaved::Why::kKeep, folder);
  }

  fs::path kept() const { return options.state_folder.empty() ? fs::path() : options.state_folder / kKeptRunFolder; }

  /// The new one takes the old one's place only when it is whole.
  std::string take_place(const fs::path& written) {
    std::error_code error;
    fs::remove_all(kept(), error);
    fs::rename(written, kept(), error);
    return error ? kept().string() + ": the run could not be kept (" + error.message() + ")" : std::string();
  }

  TrainedSaved taken(const SaveAnswer& answer) {
    TrainedSaved saved{
        .why = TrainedSaved::Why::kSave, .folder = answer.folder, .failure = answer.failure, .tokens = answer.tokens};
    for (std::size_t i = 0; i < writing.size(); ++i) {
      if (writing[i].folder != answer.folder) continue;
      saved.why = writing[i].why;
      writing.erase(writing.begin() + static_cast<std::ptrdiff_t>(i));
      break;
    }
    if (saved.why == TrainedSaved::Why::kKeep && saved.failure.empty()) saved.failure = take_place(answer.folder);
    return saved;
  }
};

Training::Training(Options options, std::function<void()> wake) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  state_->wake = std::move(wake);
}

Training::~Training() = default;

void Training::order(TrainOrder order, const TrainPlan& plan) {
  Runner& runner = state_->made();
  switch (order) {
    case TrainOrder::kStart:
      runner.start(plan);
      break;
    case TrainOrder::kPause:
      runner.pause();
      break;
    case TrainOrder::kResume:
      runner.resume();
      break;
    case TrainOrder::kStep:
      runner.step();
      break;
    case TrainOrder::kStop:
      runner.stop();
      break;
    case TrainOrder::kReset:
      runner.reset();
      break;
  }
}

void Training::follow(const Session& session) {
  const TrainView& view = session.train_view;
  const bool is_seen = session.view.stage == StageView::kTrain;
  state_->wanted = {.sentence = is_seen ? view.sentence.str() : std::string(),
                    .at = view.at,
                    .compared = view.compared,
                    .head = view.stack == AttentionStack::kSelf ? view.head : std::nullopt};
  state_->speed = view.speed;
  state_->look();
}

std::vector<TrainedSaved> Training::update(TrainingState& state) {
  std::vector<TrainedSaved> saved;
  if (state_->experiments) state.experiment = state_->experiments->status();
  if (!state_->runner) return saved;
  Runner& runner = *state_->runner;
  for (const SaveAnswer& answer : runner.take_saves())
    saved.push_back(state_->taken(answer));
  state.input.report = runner.report();
  if (state.input.report->phase == RunPhase::kIdle && state.input.report->reports.empty()) state.input.report.reset();
  const TrainFrames frames = runner.frames();
  state.input.frame = frames.shown;
  state.input.compared = state_->given.compared ? frames.compared : nullptr;
  state.saving.clear();
  if (!state_->writing.empty()) {
    const TrainedSaved::Why why = state_->writing.front().why;
    state.saving = why == TrainedSaved::Why::kUse    ? "for the other views"
                   : why == TrainedSaved::Why::kKeep ? "for the next time"
                                                     : "the folder";
  }
  return saved;
}

void Training::run_experiment(const std::string& id, std::uint64_t seed) {
  if (!state_->experiments) {
    const RunnerOptions& runner = state_->options.runner;
    state_->experiments = std::make_unique<ExperimentRunner>(runner.assets, runner.n_threads, state_->wake);
  }
  state_->experiments->start({.id = id, .seed = seed});
}

void Training::cancel_experiment() {
  if (state_->experiments) state_->experiments->cancel();
}

void Training::save_for_use(const std::string& name) {
  if (state_->options.models.empty())
    throw Error("there is no folder for trained models: neither XDG_DATA_HOME nor HOME is set; save the state to a folder instead");
  const fs::path folder = free_name(state_->options.models / name);
  make_parent(folder);
  state_->write(TrainedSaved::Why::kUse, folder);
}

void Training::save(const fs::path& folder) { state_->write(TrainedSaved::Why::kSave, folder); }

void Training::keep() {
  if (state_->options.state_folder.empty())
    throw Error(
        "there is no folder to keep the run in: neither XDG_STATE_HOME nor HOME is set; save the state to a folder instead");
  const fs::path folder = state_->options.state_folder / kWrittenFolder;
  make_parent(folder);
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  state_->write_newest(folder);
}

void Training::keep_now(double seconds) {
  if (!has_run() || state_->options.state_folder.empty()) return;
  try {
    keep();
  } catch (const Error&) {
    return;  // there is no window left to tell it in
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!state_->writing.empty() && std::chrono::steady_clock::now() < until) {
    for (const SaveAnswer& answer : state_->runner->take_saves())
      state_->taken(answer);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void Training::open_kept() {
  const fs::path kept = state_->kept();
  if (kept.empty() || !is_there(kept)) throw Error("no run was kept");
  state_->made().open(kept);
}

bool Training::has_run() const {
  return state_->runner && state_->runner->report()->is_live() && state_->runner->report()->steps > 0;
}

}  // namespace headroom
