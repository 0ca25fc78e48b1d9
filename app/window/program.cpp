#include "app/window/program.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "app/window/backend_text.h"
#include "app/window/background.h"
#include "app/window/export.h"
#include "app/window/open_path.h"
#include "app/window/settings.h"
#include "app/window/startup_trace.h"
#include "core/formats/file.h"
#include "core/session/session_json.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;

constexpr double kAutosaveSeconds = 30;
constexpr double kSettingsSeconds = 1;  ///< a panel being dragged is written once, not at each step
constexpr std::size_t kMaxToasts = 6;
constexpr double kForever = std::numeric_limits<double>::infinity();
constexpr const char* kAutosaveFile = "autosave.headroom.json";
constexpr const char* kLastFile = "last.headroom.json";

double seconds_shown(Toast::Kind kind) {
  switch (kind) {
    case Toast::Kind::kInfo:
      return 6;
    case Toast::Kind::kWarning:
      return 10;
    case Toast::Kind::kError:
      return 20;
  }
  return 10;
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

/// A session's file name always ends so that it is found again.
fs::path with_session_ending(fs::path path) {
  if (path.extension() != ".json") path += ".headroom.json";
  return path;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error(folder.string() + ": the folder cannot be made (" + error.message() + ")");
}

}  // namespace

struct Program::State {
  ProgramOptions options;
  AppModel model;
  Session first;  ///< File > New
  Session saved;  ///< as in the file
  Session autosaved;
  Settings saved_settings;
  Compute submitted;
  Effects effects;
  double monitor_scale = 1;
  double session_changed_at = kForever, settings_changed_at = kForever;
  std::uint64_t timed_id = 0;
  bool has_told_unwritable = false, is_closed = false;
  Background files, exports;
  std::unique_ptr<Engine> engine;

  explicit State(ProgramOptions given)
      : options(std::move(given)), files([this] { options.wake(); }), exports([this] { options.wake(); }) {}

  const Session& session() const { return model.history.current(); }

  void tell(Toast::Kind kind, const std::string& text) {
    if (text.empty()) return;
    for (Toast& toast : model.toasts) {
      if (toast.text != text) continue;
      toast.shown_at = model.now;
      return;
    }
    model.toasts.push_back({kind, text, model.now});
    if (model.toasts.size() > kMaxToasts) model.toasts.pop_front();
  }
  Background::OnFailure failing() {
    return [this](const std::string& sentence) { tell(Toast::Kind::kError, sentence); };
  }
  /// Folders that cannot be written are told once, not every half minute.
  Background::OnFailure failing_once() {
    return [this](const std::string& sentence) {
      if (!std::exchange(has_told_unwritable, true)) tell(Toast::Kind::kWarning, sentence);
    };
  }

  void start_engine() {
    model.bundled = list_bundled_models(options.engine.assets);
    engine = std::make_unique<Engine>(options.engine, options.wake);
    submitted = session().compute;
    engine->submit(submitted);
  }

  /// After anything that may have changed the session.
  void session_changed() {
    model.is_modified = session() != saved;
    if (session() != autosaved && session_changed_at == kForever) session_changed_at = model.now;
    if (session().compute == submitted) return;
    submitted = session().compute;
    engine->submit(submitted);
  }

  void act(const Action& action, const std::string& group = {}) {
    tell(Toast::Kind::kInfo, model.history.apply(action, group));
    session_changed();
  }

  void take_answers() {
    for (Answer& answer : engine->take_answers()) {
      if (!answer.failure.empty()) {
        model.failure = answer.failure;
        tell(Toast::Kind::kError, answer.failure);
        continue;
      }
      if (!answer.snapshot) continue;
      const std::shared_ptr<const Snapshot> before = std::exchange(model.snapshot, answer.snapshot);
      model.failure.clear();
      describe_backend(model);
      // A later answer to the same request only adds a loss, or the other device's times.
      const bool has_new_gpu_time = model.snapshot->gpu && (!before || !before->gpu);
      if (timed_id != answer.id) {
        remember_timing(model);
      } else if (has_new_gpu_time) {
        model.timing.gpu_ms.push_back(model.snapshot->gpu->total_ms);
      }
      timed_id = answer.id;
      for (const std::string& notice : model.snapshot->notices) {
        const bool is_old = before && std::count(before->notices.begin(), before->notices.end(), notice) > 0;
        if (!is_old) tell(Toast::Kind::kWarning, notice);
      }
      trace_startup("first snapshot taken");
    }
    model.progress = engine->progress();
  }

  void load_state_folder() {
    const fs::path folder = options.folders.state;
    if (folder.empty()) return;
    files.post(
        [this, folder]() -> Background::Then {
          std::error_code error;
          fs::rename(folder / kAutosaveFile, folder / kLastFile, error);  // The last run's; this one writes its own.
          std::vector<RecentFile> recent;
          for (const fs::path& path : load_recent(folder))
            recent.push_back({path, is_there(path)});
          const fs::path last = is_there(folder / kLastFile) ? folder / kLastFile : fs::path();
          return [this, recent, last] {
            for (const RecentFile& file : recent)
              model.recent.push_back(file);
            model.last_session = last;
          };
        },
        failing_once());
  }

  void save_recent_list() {
    const fs::path folder = options.folders.state;
    if (folder.empty()) return;
    std::vector<fs::path> paths;
    for (const RecentFile& file : model.recent)
      paths.push_back(file.path);
    files.post(
        [folder, paths]() -> Background::Then {
          save_recent(paths, folder);
          return {};
        },
        failing_once());
  }

  void remember_recent(const fs::path& path) {
    std::erase_if(model.recent, [&](const RecentFile& file) { return file.path == path; });
    model.recent.insert(model.recent.begin(), RecentFile{path, true});
    if (model.recent.size() > kMaxRecent) model.recent.resize(kMaxRecent);
    save_recent_list();
  }

  void open(const fs::path& path) {
    const fs::path assets = options.engine.assets;
    files.post(
        [this, path, assets]() -> Background::Then {
          const OpenedPath opened = open_path(path, assets);
          return [this, opened] { opened_as(opened); };
        },
        [this, path](const std::string& sentence) {
          tell(Toast::Kind::kError, sentence);
          for (RecentFile& file : model.recent) {
            if (file.path == path) file.exists = false;
          }
        });
  }

  void opened_as(const OpenedPath& opened) {
    act(opened.action);
    for (const std::string& notice : opened.notices)
      tell(Toast::Kind::kWarning, notice);
    const bool is_last = opened.path == model.last_session;
    if (opened.is_session && !is_last) {
      model.session_path = opened.path;
      saved = session();
    }
    model.is_modified = session() != saved;
    if (!is_last) remember_recent(opened.path);
  }

  void save(const fs::path& given) {
    fs::path path = given.empty() ? model.session_path : with_session_ending(expand_home(given));
    if (path.empty()) return tell(Toast::Kind::kWarning, "Choose a file name to save this session under");
    std::error_code error;
    if (const fs::path absolute = fs::absolute(path, error); !error) path = absolute.lexically_normal();
    const Session written = session();
    files.post(
        [this, path, written]() -> Background::Then {
          save_session(written, path);
          return [this, path, written] {
            saved = written;
            model.session_path = path;
            model.is_modified = session() != saved;
            remember_recent(path);
            tell(Toast::Kind::kInfo, "Saved " + escape_for_display(path.filename().string()));
          };
        },
        failing());
  }

  void write_export(const ExportFigure& wanted, std::function<std::string()> make_bytes) {
    exports.post(
        [this, path = expand_home(wanted.path), make = std::move(make_bytes)]() -> Background::Then {
          write_file_atomically(path, make());
          return [this, path] { tell(Toast::Kind::kInfo, "Exported " + escape_for_display(path.string())); };
        },
        failing());
  }

  void export_figure(const ExportFigure& wanted) {
    try {
      const ExportRequest request{.view = wanted.view,
                                  .format = export_format(wanted.path),
                                  .size = {static_cast<double>(wanted.width), static_cast<double>(wanted.height)},
                                  .scale = wanted.scale,
                                  .theme = wanted.theme};
      if (wanted.view == "window") {
        effects.window_exports.push_back(wanted);
        return;
      }
      // Not the whole model: its history may be large.
      AppModel shown = export_model(session(), model.snapshot);
      shown.timing = model.timing;
      write_export(wanted, [shown = std::move(shown), request] { return export_view(shown, request); });
    } catch (const Error& error) {
      tell(Toast::Kind::kError, error.what());
    }
  }

  void change_settings(const Settings& wanted) {
    if (wanted == model.settings) return;
    // Through the reader's own rules, so that nothing is kept that would not be read.
    model.settings = settings_from_json(settings_to_json(wanted));
    if (settings_changed_at == kForever) settings_changed_at = model.now;
    update_scale();
  }
  void update_scale() { model.scale = std::clamp(monitor_scale * model.settings.ui_scale, 0.5, 4.0); }

  void save_when_due() {
    if (model.now >= settings_changed_at + kSettingsSeconds) {
      settings_changed_at = kForever;
      if (model.settings != saved_settings) {
        saved_settings = model.settings;
        files.post(
            [settings = saved_settings, folder = options.folders.config]() -> Background::Then {
              save_settings(settings, folder);
              return {};
            },
            failing_once());
      }
    }
    if (model.now >= session_changed_at + kAutosaveSeconds) {
      session_changed_at = kForever;
      autosaved = session();
      if (options.folders.state.empty()) return;
      files.post(
          [session = autosaved, folder = options.folders.state]() -> Background::Then {
            make_folder(folder);
            save_session(session, folder / kAutosaveFile);
            return {};
          },
          failing_once());
    }
  }

  void run(const Command& command) {
    std::visit(
        [this](const auto& c) {
          using T = std::decay_t<decltype(c)>;
          if constexpr (std::is_same_v<T, OpenPath>) open(c.path);
          if constexpr (std::is_same_v<T, SaveSession>) save(c.path);
          if constexpr (std::is_same_v<T, ExportFigure>) export_figure(c);
          if constexpr (std::is_same_v<T, CancelWork>) engine->cancel();
          if constexpr (std::is_same_v<T, MeasureOtherDevice>) engine->measure_other_device();
          if constexpr (std::is_same_v<T, ChangeSettings>) change_settings(c.settings);
          if constexpr (std::is_same_v<T, CopyText>) effects.copied.push_back(c.text);
          if constexpr (std::is_same_v<T, Quit>) effects.quits = true;
          if constexpr (std::is_same_v<T, Undo>) {
            model.history.undo();
            session_changed();
          }
          if constexpr (std::is_same_v<T, Redo>) {
            model.history.redo();
            session_changed();
          }
          if constexpr (std::is_same_v<T, NewSession>) {
            act(SessionReplaced{first});
            model.session_path.clear();
            saved = session();
            model.is_modified = false;
          }
          if constexpr (std::is_same_v<T, ForgetRecent>) {
            std::erase_if(model.recent, [&](const RecentFile& file) { return file.path == c.path; });
            save_recent_list();
          }
          if constexpr (std::is_same_v<T, DismissToast>) {
            if (c.index < model.toasts.size()) model.toasts.erase(model.toasts.begin() + static_cast<std::ptrdiff_t>(c.index));
          }
        },
        command);
  }
};

Program::Program(ProgramOptions options) : state_(std::make_unique<State>(std::move(options))) {
  State& state = *state_;
  if (!state.options.wake) state.options.wake = [] {};
  if (state.options.session) state.model.history = History(*state.options.session);
  state.model.session_path = state.options.session_path;
  state.first = Session{};
  state.saved = state.autosaved = state.session();
  state.start_engine();  // Before the window: it loads while that is made.
  const LoadedSettings loaded = load_settings(state.options.folders.config);
  state.model.settings = state.saved_settings = loaded.settings;
  state.tell(Toast::Kind::kWarning, loaded.notice);
  state.update_scale();
  state.load_state_folder();
  if (state.options.open) state.open(*state.options.open);
}

Program::~Program() = default;

const AppModel& Program::model() const { return state_->model; }

void Program::set_monitor_scale(double scale) {
  if (!std::isfinite(scale) || scale <= 0) return;
  state_->monitor_scale = scale;
  state_->update_scale();
}

void Program::set_window_size(int width, int height) {
  Settings settings = state_->model.settings;
  settings.window_width = width;
  settings.window_height = height;
  state_->change_settings(settings);
}

void Program::apply(const Outbox& outbox) {
  for (const Outbox::Sent& sent : outbox.actions)
    state_->act(sent.action, sent.group);
  for (const Command& command : outbox.commands)
    state_->run(command);
}

void Program::open(const fs::path& path) { state_->open(path); }

void Program::update(double now) {
  State& state = *state_;
  state.model.now = now;
  for (Background* background : {&state.files, &state.exports}) {
    for (const Background::Then& then : background->take())
      then();
  }
  state.take_answers();
  std::erase_if(state.model.toasts, [&](const Toast& toast) { return now >= toast.shown_at + seconds_shown(toast.kind); });
  state.save_when_due();
}

double Program::seconds_to_next() const {
  const State& state = *state_;
  double next = std::min(state.session_changed_at + kAutosaveSeconds, state.settings_changed_at + kSettingsSeconds);
  for (const Toast& toast : state.model.toasts)
    next = std::min(next, toast.shown_at + seconds_shown(toast.kind));
  return std::max(0.0, next - state.model.now);
}

Effects Program::take_effects() { return std::exchange(state_->effects, {}); }

void Program::finish_window_export(const ExportFigure& wanted, std::function<std::string()> make_bytes) {
  state_->write_export(wanted, std::move(make_bytes));
}

void Program::tell(Toast::Kind kind, const std::string& text) { state_->tell(kind, text); }

void Program::close() {
  State& state = *state_;
  if (std::exchange(state.is_closed, true)) return;
  // On the files' thread, behind what it still has to write; it ends with the last of it. Failures were told while there was a window.
  const auto ignore = [](const std::string&) {};
  if (state.model.settings != state.saved_settings) {
    state.files.post(
        [settings = state.model.settings, folder = state.options.folders.config]() -> Background::Then {
          save_settings(settings, folder);
          return {};
        },
        ignore);
  }
  const fs::path folder = state.options.folders.state;
  if (state.session() != state.autosaved && state.session() != state.saved && !folder.empty()) {
    state.files.post(
        [session = state.session(), folder]() -> Background::Then {
          make_folder(folder);
          save_session(session, folder / kAutosaveFile);
          return {};
        },
        ignore);
  }
}

}  // namespace headroom
