#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include "app/window/export.h"
#include "app/window/program_state.h"
#include "app/window/settings.h"
#include "core/formats/file.h"
#include "core/session/session_json.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr double kAutosaveSeconds = 30;
constexpr double kSettingsSeconds = 1;  ///< a panel being dragged is written once, not at each step

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

/// A session's file name always ends so that it is found again.
fs::path with_session_ending(fs::path path) {
  if (path.extension() != ".json") path += ".headroom.json";
  return path;
}

}  // namespace

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error(folder.string() + ": the folder cannot be made (" + error.message() + ")");
}

void Program::State::load_state_folder() {
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
        const fs::path kept = is_there(folder / kKeptRunFolder) ? folder / kKeptRunFolder : fs::path();
        return [this, recent, last, kept] {
          for (const RecentFile& file : recent)
            model.recent.push_back(file);
          model.last_session = last;
          model.training.kept_run = kept;
          if (!kept.empty())
            tell(Toast::Kind::kInfo,
                 "A training run was kept when the program was closed: it can go on from the Train stage (key 4)");
        };
      },
      failing_once());
}

void Program::State::save_recent_list() {
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

void Program::State::remember_recent(const fs::path& path) {
  std::erase_if(model.recent, [&](const RecentFile& file) { return file.path == path; });
  model.recent.insert(model.recent.begin(), RecentFile{path, true});
  if (model.recent.size() > kMaxRecent) model.recent.resize(kMaxRecent);
  save_recent_list();
}

void Program::State::open(const fs::path& path) {
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

void Program::State::opened_as(const OpenedPath& opened) {
  if (opened.kind == OpenedPath::Kind::kCard) {  // the files may have changed since they were read
    read_cards_of.clear();
    costed.reset();
    model.costs.plan = model.costs.beside = nullptr;
  }
  act(opened.action);
  if (opened.kind == OpenedPath::Kind::kText)
    tell(Toast::Kind::kInfo, "Opened " + escape_for_display(opened.path.filename().string()) + " as the text");
  for (const std::string& notice : opened.notices)
    tell(Toast::Kind::kWarning, notice);
  const bool is_last = opened.path == model.last_session;
  if (opened.kind == OpenedPath::Kind::kSession && !is_last) {
    model.session_path = opened.path;
    saved = session();
  }
  model.is_modified = session() != saved;
  if (!is_last) remember_recent(opened.path);
}

void Program::State::save(const fs::path& given) {
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

void Program::State::write_export(const ExportFigure& wanted, std::function<std::string()> make_bytes) {
  exports.post(
      [this, path = expand_home(wanted.path), make = std::move(make_bytes)]() -> Background::Then {
        write_file_atomically(path, make());
        return [this, path] { tell(Toast::Kind::kInfo, "Exported " + escape_for_display(path.string())); };
      },
      failing());
}

void Program::State::export_figure(const ExportFigure& wanted) {
  try {
    const bool writes_csv = is_csv(wanted.path);
    if (writes_csv && !has_numbers(model, wanted.view)) static_cast<void>(export_csv(model, wanted.view));  // says what is missing
    const ExportRequest request{.view = wanted.view,
                                .format = writes_csv ? FigureFormat::kPng : export_format(wanted.path),
                                .size = {static_cast<double>(wanted.width), static_cast<double>(wanted.height)},
                                .scale = wanted.scale,
                                .theme = wanted.theme};
    if (wanted.view == "window" && !writes_csv) {
      effects.window_exports.push_back(wanted);
      return;
    }
    // Not the whole model: its history may be large.
    AppModel shown = export_model(session(), model.snapshot);
    shown.timing = model.timing;
    shown.speed = model.speed;
    shown.cards = model.cards;
    shown.lens = model.lens;
    shown.costs = model.costs;
    shown.decode = model.decode;
    shown.training = model.training;
    write_export(wanted, [shown = std::move(shown), request, writes_csv] {
      return writes_csv ? export_csv(shown, request.view) : export_view(shown, request);
    });
  } catch (const Error& error) {
    tell(Toast::Kind::kError, error.what());
  }
}

void Program::State::save_when_due() {
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

double Program::State::seconds_to_save() const {
  return std::min(session_changed_at + kAutosaveSeconds, settings_changed_at + kSettingsSeconds) - model.now;
}

void Program::close() {
  State& state = *state_;
  if (std::exchange(state.is_closed, true)) return;
  constexpr double kKeepSeconds = 5;
  if (!state.closes) state.training->keep_now(kKeepSeconds);
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
