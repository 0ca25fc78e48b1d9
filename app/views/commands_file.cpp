#include "app/views/command_groups.h"

#include <algorithm>

#include "app/views/find_token.h"

namespace headroom {
namespace {

bool has_head(const Frame& frame) {
  if (frame.session.view.stage == StageView::kTrain) return false;  // its heads are another model's
  return frame.state.hovered_head.has_value() || frame.session.view.head.has_value();
}

bool is_trained_shape(const Frame& frame) {
  const Compute& compute = frame.session.compute;
  return compute.parameters == ParameterSource::kTrained && compute.n_heads == compute.trained.n_heads &&
         compute.n_kv_heads == compute.trained.n_kv_heads && compute.d_model == compute.trained.d_model;
}

/// The session as the previous run left it, else the file that was used last.
std::filesystem::path last_path(const Frame& frame) {
  if (!frame.model.last_session.empty()) return frame.model.last_session;
  const auto& recent = frame.model.recent;
  const auto found = std::find_if(recent.begin(), recent.end(), [](const RecentFile& file) { return file.exists; });
  return found == recent.end() ? std::filesystem::path() : found->path;
}

using enum Key;
constexpr Modifiers kCtrl{.ctrl = true}, kCtrlShift{.ctrl = true, .shift = true}, kPlain{};

const CommandInfo kCommands[] = {
    {"file/new",
     "New",
     "Starts again from the bundled model and its sentence.",
     {kN, kCtrl},
     [](const Frame& f) { f.command(NewSession{}); }},
    {"file/open",
     "Open…",
     "Opens a text file, a saved session or a model folder.",
     {kO, kCtrl},
     [](const Frame& f) { open_dialog(f, DialogKind::kOpen); }},
    {"file/reopen",
     "Reopen last",
     "Goes on where the program was left the last time.",
     {},
     [](const Frame& f) { f.command(OpenPath{last_path(f)}); },
     [](const Frame& f) { return !last_path(f).empty(); }},
    {"file/save",
     "Save",
     "Writes the session to its file.",
     {kS, kCtrl},
     [](const Frame& f) {
       if (f.model.session_path.empty()) {
         open_dialog(f, DialogKind::kSaveAs);
       } else {
         f.command(SaveSession{});
       }
     }},
    {"file/save_as",
     "Save as…",
     "Writes the session to a file of your choice.",
     {kS, kCtrlShift},
     [](const Frame& f) { open_dialog(f, DialogKind::kSaveAs); }},
    {"file/export",
     "Export…",
     "Writes a picture as PNG, SVG or PDF.",
     {kE, kCtrl},
     [](const Frame& f) { open_dialog(f, DialogKind::kExport); }},
    {"file/quit", "Quit", "Closes the program.", {kQ, kCtrl}, [](const Frame& f) { f.command(Quit{}); }},

    {"edit/undo",
     "Undo",
     "Takes the last change back; everything can be undone.",
     {kZ, kCtrl},
     [](const Frame& f) { f.command(Undo{}); },
     [](const Frame& f) { return f.model.history.can_undo(); },
     nullptr,
     [](const Frame& f) { return f.model.history.can_undo() ? "Undo " + f.model.history.undo_text() : std::string("Undo"); },
     true},
    {"edit/redo",
     "Redo",
     "Does again what was taken back.",
     {kY, kCtrl},
     [](const Frame& f) { f.command(Redo{}); },
     [](const Frame& f) { return f.model.history.can_redo(); },
     nullptr,
     [](const Frame& f) { return f.model.history.can_redo() ? "Redo " + f.model.history.redo_text() : std::string("Redo"); },
     true},
    {"edit/reset_shape",
     "Reset shape",
     "Back to the shape and the parameters as trained.",
     {},
     [](const Frame& f) { f.send(ShapeReset{}); },
     [](const Frame& f) { return !is_trained_shape(f); }},
    {"edit/clear_pruning",
     "Clear pruning",
     "Puts every removed head back.",
     {},
     [](const Frame& f) { f.send(PruningCleared{}); },
     [](const Frame& f) { return !f.session.compute.pruned.empty(); }},
    {"edit/find",
     "Find token…",
     "Looks for words among the tokens; each step chooses the row of the one found.",
     {kF, kCtrl},
     open_find,
     [](const Frame& f) { return f.snapshot != nullptr && !f.model.settings.is_presenter; }},
    {"edit/text",
     "Edit text…",
     "Opens the whole text in an editor.",
     {},
     [](const Frame& f) { open_dialog(f, DialogKind::kText); }},
    {"edit/copy_sentence",
     "Copy sentence",
     "Puts the sentence on the clipboard.",
     {},
     [](const Frame& f) { f.command(CopyText{f.session.compute.text}); }},
    {"edit/prune",
     "Prune or restore head",
     "Removes the head under the pointer, else the chosen one, from the model; again puts it back.",
     {kP, kPlain},
     [](const Frame& f) {
       const auto head = f.state.hovered_head ? f.state.hovered_head : f.session.view.head;
       if (head) f.send(HeadPruneToggled{*head});
     },
     has_head},
    {"edit/direction",
     "Causal or bidirectional",
     "Switches whether a token may look at later ones.",
     {kC, kPlain},
     [](const Frame& f) {
       f.send(
           DirectionSet{f.session.compute.mask.direction == Direction::kCausal ? Direction::kBidirectional : Direction::kCausal});
     }},
};

}  // namespace

std::span<const CommandInfo> file_and_edit_commands() { return kCommands; }

}  // namespace headroom
