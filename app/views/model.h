#pragma once

#include <deque>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "app/views/training_state.h"
#include "core/figure/views.h"
#include "core/session/cards.h"
#include "core/session/costs.h"
#include "core/session/engine.h"
#include "core/session/reduce.h"

namespace headroom {

/// Kept in the XDG configuration folder; not part of a Session.
struct Settings {
  ThemeName theme = ThemeName::kDark;
  double ui_scale = 1;                                                 ///< beside the monitor's own scale, [0.5, 4]
  bool is_presenter = false;                                           ///< large text, no chrome
  double rail_width = 280, inspector_width = 344, strip_height = 216;  ///< logical pixels
  int window_width = 1600, window_height = 900;
  bool operator==(const Settings&) const = default;
};

struct RecentFile {
  std::filesystem::path path;
  bool exists = true;  ///< as last looked at, never on the interface thread
};

/// A sentence for the person that fades or is dismissed.
struct Toast {
  enum class Kind { kInfo, kWarning, kError } kind = Kind::kInfo;
  std::string text;
  double shown_at = 0;  ///< seconds of the program's clock
};

/// Everything the views read; they change nothing in it.
struct AppModel {
  History history{Session{}};
  std::shared_ptr<const Snapshot> snapshot;  ///< may be null or older than the session: views say so, they never wait
  EngineProgress progress;
  std::string failure;  ///< of the newest request; empty when it went well
  TimingHistory timing;
  LensState lens;           ///< what was looked through last
  bool is_writing = false;  ///< the model writes on
  SpeedState speed;         ///< what was measured, and what is; kept while tabs are switched
  DecodeState decode;       ///< what the Decode stage asked for, as far as it is
  TrainingState training;
  CardState cards;  ///< what the Card stage shows, once it was read
  CostState costs;  ///< what the Cost stage shows, once it was computed
  Settings settings;
  std::vector<RecentFile> recent;
  std::vector<BundledModel> bundled;
  std::filesystem::path session_path;  ///< empty: never saved
  std::filesystem::path last_session;  ///< as the previous run left it, for File > Reopen last; empty: there is none
  bool is_modified = false;
  std::deque<Toast> toasts;
  std::string backend_text;    ///< status chip: "CPU · flash · AVX-512 · 2 threads"
  std::string backend_reason;  ///< its tooltip
  double scale = 1;            ///< monitor scale * ui_scale
  double now = 0;              ///< seconds
};

// What a person asked the program (not the Session) to do.
struct OpenPath {
  std::filesystem::path path;
};
struct SaveSession {
  std::filesystem::path path;
};  ///< empty: where it came from
struct ExportFigure {
  std::string view;  ///< one of export_views(); a path that ends in .csv takes the numbers of the Speed views
  std::filesystem::path path;
  int width = 1600, height = 900;
  double scale = 1;
  ThemeName theme = ThemeName::kDark;
};
struct NewSession {};
struct Undo {};
struct Redo {};
struct CancelWork {};
struct MeasureOtherDevice {};
struct MeasureSpeed {
  SpeedSection section = SpeedSection::kAll;
};  ///< for the session's shape; kAll measures every part
struct LookThrough {
  std::int64_t token;
};                   ///< the logit lens of a token of the snapshot; asked for again while it is on its way, it is not asked twice
struct WriteOn {};   ///< the model writes on after the session's text, as its WritePlan says
struct DecodeOn {};  ///< the Decode stage's text, token by token, as the session's DecodePlan and WritePlan say
struct MeasureDecodeGrowth {};  ///< time of one more token over the tokens before it
struct MeasureQuality {};       ///< what each cache costs in loss
struct RunBatch {};             ///< the session's BatchPlan
struct CancelDecode {};         ///< stops these four, and nothing else
struct MeasureThisMachine {};  ///< its arithmetic and its memory, for the Cost stage
struct ChangeSettings {
  Settings settings;
};
struct ForgetRecent {
  std::filesystem::path path;
};
struct DismissToast {
  std::size_t index;
};
struct CopyText {
  std::string text;
};
struct ShowNotice {
  std::string text;
};  ///< a control could not do what was asked: one sentence
struct Quit {};
using Command =
    std::variant<OpenPath, SaveSession, ExportFigure, NewSession, Undo, Redo, CancelWork, MeasureOtherDevice, MeasureSpeed,
                 OrderTraining, UseTrained, SaveTrained, SaveTrainPlan, HealModel, RunExperiment, CancelExperiment, AnswerClosing,
                 AnswerKeptRun, LookThrough, WriteOn, DecodeOn, MeasureDecodeGrowth, MeasureQuality, RunBatch, CancelDecode, MeasureThisMachine,
                 ChangeSettings, ForgetRecent, DismissToast, CopyText, ShowNotice, Quit>;

/// What one frame leads to.
struct Outbox {
  struct Sent {
    Action action;
    std::string group;  ///< see History::apply
  };
  std::vector<Sent> actions;
  std::vector<Command> commands;
  /// Seconds after which a frame should be drawn even without input (a tooltip's delay, a toast that fades, a folder being read).
  /// Infinite: nothing moves by itself.
  double redraw_after = std::numeric_limits<double>::infinity();
};

}  // namespace headroom
