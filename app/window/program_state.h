#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "app/window/background.h"
#include "app/window/open_path.h"
#include "app/window/program.h"
#include "app/window/training.h"

namespace headroom {

namespace fs = std::filesystem;

inline constexpr double kForever = std::numeric_limits<double>::infinity();
inline constexpr const char* kAutosaveFile = "autosave.headroom.json";  ///< this run's
inline constexpr const char* kLastFile = "last.headroom.json";          ///< the previous run's

/// Errors  Error naming the folder.
void make_folder(const fs::path& folder);

/// What the program keeps. Sessions and answers are in program.cpp, files in program_files.cpp, training in program_training.cpp.
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
  std::shared_ptr<const ForwardTrace> looked_through;  ///< what the last wish for a lens was about, and its token
  std::int64_t looked_token = -1;
  bool has_told_unwritable = false, is_closed = false;
  bool closes = false;                ///< the person said so, or nothing trains
  std::optional<CostRequest> costed;  ///< what was planned or is being planned
  bool is_costing = false;
  std::string read_cards_of;              ///< card_key() of what was read or is being read
  bool adopts_plan = false;               ///< a kept run is being opened: its plan becomes the session's
  std::optional<TrainPlan> ordered_plan;  ///< of the run that is shown
  Background files, exports, measures;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Training> training;

  explicit State(ProgramOptions given)
      : options(std::move(given)),
        files([this] { options.wake(); }),
        exports([this] { options.wake(); }),
        measures([this] { options.wake(); }) {}

  const Session& session() const { return model.history.current(); }

  void tell(Toast::Kind kind, const std::string& text);
  Background::OnFailure failing() {
    return [this](const std::string& sentence) { tell(Toast::Kind::kError, sentence); };
  }
  /// Folders that cannot be written are told once, not every half minute.
  Background::OnFailure failing_once() {
    return [this](const std::string& sentence) {
      if (!std::exchange(has_told_unwritable, true)) tell(Toast::Kind::kWarning, sentence);
    };
  }

  void start_engine();

  /// After anything that may have changed the session.
  void session_changed();

  void act(const Action& action, const std::string& group = {}) {
    const std::string notice = model.history.apply(action, group);
    // The rail itself says under its sliders why a number snapped.
    const bool is_said = std::holds_alternative<HeadsCountSet>(action) || std::holds_alternative<KvHeadsSet>(action) ||
                         std::holds_alternative<DModelSet>(action);
    if (!is_said || model.settings.is_presenter) tell(Toast::Kind::kInfo, notice);
    session_changed();
  }

  void take_answers();
  void take_speed(const Answer& answer);
  void measure_speed(SpeedSection section);
  // What is asked for beside the picture: program_wishes.cpp.
  void look_through(std::int64_t token);
  void write_on();
  bool take_wish(const Answer& answer);
  /// Asks for one part of the Decode stage anew.
  void wish_for(DecodePart part);

  void load_state_folder();

  void save_recent_list();

  void remember_recent(const fs::path& path);

  void open(const fs::path& path);

  void opened_as(const OpenedPath& opened);

  void save(const fs::path& given);

  void write_export(const ExportFigure& wanted, std::function<std::string()> make_bytes);

  void export_figure(const ExportFigure& wanted);

  void change_settings(const Settings& wanted);
  void update_scale() { model.scale = std::clamp(monitor_scale * model.settings.ui_scale, 0.5, 4.0); }

  void save_when_due();
  double seconds_to_save() const;  ///< until save_when_due() has something to do; infinite when it has not

  void run(const Command& command);

  /// Reads the cards that the session names, once the Card stage is looked at: program_cards.cpp.
  void follow_session_in_cards();

  /// Computes the plans of the session, once the Cost stage is looked at: program_costs.cpp.
  void follow_session_in_costs();
  void measure_this_machine();

  // Training: program_training.cpp.
  void start_training();
  void order_training(TrainOrder order);
  void follow_session_in_training();
  void take_training();
  void trained_saved(const TrainedSaved& written);
  void open_trained(const fs::path& folder);
  void use_trained();
  void save_trained(const fs::path& folder);
  void save_train_plan(const fs::path& file);
  void heal_model();
  void run_experiment(const std::string& id);
  bool may_close();
  void answer_closing(ClosingAnswer answer);
  void answer_kept_run(KeptRunAnswer answer);
};

}  // namespace headroom
