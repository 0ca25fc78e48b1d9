#include "app/views/commands.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>
#include <array>

#include "app/views/find_token.h"
#include "app/views/navigate.h"
#include "app/views/stack_tabs.h"
#include "app/views/stage_zoom.h"
#include "app/views/train.h"
#include "core/session/train_text.h"

namespace headroom {
namespace {

const View& view(const Frame& frame) { return frame.session.view; }

bool has_head(const Frame& frame) {
  if (view(frame).stage == StageView::kTrain) return false;  // its heads are another model's
  return frame.state.hovered_head.has_value() || view(frame).head.has_value();
}

bool is_trained_shape(const Frame& frame) {
  const Compute& compute = frame.session.compute;
  return compute.parameters == ParameterSource::kTrained && compute.n_heads == compute.trained.n_heads &&
         compute.n_kv_heads == compute.trained.n_kv_heads && compute.d_model == compute.trained.d_model;
}

bool is_on_train(const Frame& frame) { return view(frame).stage == StageView::kTrain; }

bool has_kept_states(const Frame& frame) {
  const RunReport* report = frame.model.training.report();
  return is_on_train(frame) && report != nullptr && !report->kept.empty();
}

void change_settings(const Frame& frame, void (*change)(Settings&)) {
  Settings settings = frame.model.settings;
  change(settings);
  frame.command(ChangeSettings{settings});
}

void toggle_theme(Settings& settings) {
  settings.theme = settings.theme == ThemeName::kDark ? ThemeName::kLight : ThemeName::kDark;
}

/// The session as the previous run left it, else the file that was used last.
std::filesystem::path last_path(const Frame& frame) {
  if (!frame.model.last_session.empty()) return frame.model.last_session;
  const auto& recent = frame.model.recent;
  const auto found = std::find_if(recent.begin(), recent.end(), [](const RecentFile& file) { return file.exists; });
  return found == recent.end() ? std::filesystem::path() : found->path;
}

using enum Key;
constexpr Modifiers kCtrl{.ctrl = true}, kCtrlShift{.ctrl = true, .shift = true}, kShift{.shift = true}, kPlain{};

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
       const auto head = f.state.hovered_head ? f.state.hovered_head : view(f).head;
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

    {"view/heads",
     "Heads",
     "Every layer × head in one picture.",
     {k1, kPlain},
     [](const Frame& f) { f.send(StageViewSet{StageView::kHeads}, "stage"); },
     nullptr,
     [](const Frame& f) { return view(f).stage == StageView::kHeads; }},
    {"view/head",
     "Head",
     "One head, large.",
     {k2, kPlain},
     [](const Frame& f) { f.send(StageViewSet{StageView::kHead}, "stage"); },
     nullptr,
     [](const Frame& f) { return view(f).stage == StageView::kHead; }},
    {"view/token",
     "Token",
     "One token's way through a layer.",
     {k3, kPlain},
     [](const Frame& f) { f.send(StageViewSet{StageView::kToken}, "stage"); },
     nullptr,
     [](const Frame& f) { return view(f).stage == StageView::kToken; }},
    {"view/train",
     "Train",
     "Trains a model here and now, and shows what every head learns.",
     {k4, kPlain},
     [](const Frame& f) { f.send(StageViewSet{StageView::kTrain}, "stage"); },
     nullptr,
     [](const Frame& f) { return view(f).stage == StageView::kTrain; }},
    {"view/speed",
     "Speed",
     "How fast this shape runs here, measured.",
     {k5, kPlain},
     [](const Frame& f) { f.send(StageViewSet{StageView::kSpeed}, "stage"); },
     nullptr,
     [](const Frame& f) { return view(f).stage == StageView::kSpeed; }},
    {"view/stack",
     "Encoder, decoder or cross-attention",
     "Of a model with an encoder and a decoder: which of its attentions is looked at; again for the next.",
     {kE, kPlain},
     next_stack,
     has_stacks},
    {"view/lens",
     "Logit lens",
     "What each layer would say next, were it the last; again for the times.",
     {kG, kPlain},
     [](const Frame& f) {
       f.send(BottomPanelSet{view(f).bottom == BottomPanel::kLens ? BottomPanel::kTiming : BottomPanel::kLens});
     },
     nullptr,
     [](const Frame& f) { return view(f).bottom == BottomPanel::kLens; }},
    {"view/write",
     "Writing",
     "How the model writes on, and what it wrote; again for the times.",
     {kW, kPlain},
     [](const Frame& f) {
       f.send(BottomPanelSet{view(f).bottom == BottomPanel::kWrite ? BottomPanel::kTiming : BottomPanel::kWrite});
     },
     nullptr,
     [](const Frame& f) { return view(f).bottom == BottomPanel::kWrite; }},
    {"view/card",
     "Card",
     "What a configuration tells of a model: parameters, KV cache, work.",
     {k6, kPlain},
     [](const Frame& f) { f.send(StageViewSet{StageView::kCard}, "stage"); },
     nullptr,
     [](const Frame& f) { return view(f).stage == StageView::kCard; }},
    {"train/play",
     "Train or pause",
     "Train: starts a run of the plan, pauses it, goes on.",
     {kSpace, kPlain},
     press_primary,
     is_on_train,
     nullptr,
     [](const Frame& f) { return std::string(f.model.training.is_running() ? "Pause training" : "Train"); }},
    {"train/first",
     "First kept state",
     "Train: looks at the run's beginning.",
     {kHome, kPlain},
     [](const Frame& f) { f.send(TrainTimeSet{f.model.training.report()->kept.front()}, "scrub"); },
     has_kept_states},
    {"train/live",
     "Newest state",
     "Train: looks at the newest state again, as it trains.",
     {kEnd, kPlain},
     [](const Frame& f) { f.send(TrainTimeSet{}, "scrub"); },
     has_kept_states},
    {"train/stop",
     "Stop training",
     "Ends the run; what was kept of it stays on the time line.",
     {},
     [](const Frame& f) { f.command(OrderTraining{TrainOrder::kStop}); },
     [](const Frame& f) { return f.model.training.is_live(); }},
    {"train/reset",
     "Reset training",
     "Back to the beginning of the run, with the same random numbers.",
     {},
     [](const Frame& f) { f.command(OrderTraining{TrainOrder::kReset}); },
     [](const Frame& f) { return f.model.training.report() != nullptr && f.model.training.report()->steps > 0; }},
    {"train/use",
     "Use the trained model in all views",
     "Saves the state that is looked at among your models and opens it.",
     {},
     [](const Frame& f) { f.command(UseTrained{}); },
     has_kept_states},
    {"train/heal",
     "Heal this model",
     "Trains the model as it stands now (sliced, pooled, pruned) on, and shows how its loss comes back.",
     {},
     [](const Frame& f) { f.command(HealModel{}); },
     [](const Frame& f) { return f.snapshot != nullptr && f.session.compute.parameters == ParameterSource::kTrained; }},
    {"train/copy_command",
     "Copy the training command",
     "Puts on the clipboard what trains this plan without a window.",
     {},
     [](const Frame& f) { f.command(CopyText{train_command(f.session.train).text}); }},
    {"train/save_plan",
     "Save the training plan…",
     "Writes the plan as a file that `headroom train --config` reads.",
     {},
     [](const Frame& f) { open_dialog(f, DialogKind::kTrainPlan); }},
    {"speed/measure",
     "Measure speed",
     "Runs the session's layer in several ways on this machine and shows what each takes.",
     {kM, kPlain},
     [](const Frame& f) {
       if (view(f).stage != StageView::kSpeed) f.send(StageViewSet{StageView::kSpeed}, "stage");
       f.command(MeasureSpeed{view(f).stage == StageView::kSpeed ? view(f).speed_section : SpeedSection::kAll});
     },
     [](const Frame& f) { return f.snapshot != nullptr; }},
    {"speed/csv",
     "Export speed as CSV…",
     "Writes every measured number, with its unit and the machine, as comma-separated values.",
     {},
     [](const Frame& f) {
       f.state.exports_csv = true;
       open_dialog(f, DialogKind::kExport);
     },
     [](const Frame& f) { return f.model.speed.report != nullptr; }},
    {"view/log",
     "Logarithmic colours",
     "Colours by the logarithm, so that small probabilities are seen too.",
     {kL, kPlain},
     [](const Frame& f) { f.send(ColorScaleSet{view(f).scale == ColorScale::kLog ? ColorScale::kLinear : ColorScale::kLog}); },
     nullptr,
     [](const Frame& f) { return view(f).scale == ColorScale::kLog; }},
    {"view/first_token",
     "Leave out the first token",
     "Many heads rest on the first token; without it the rest gets the colours.",
     {kF, kPlain},
     [](const Frame& f) {
       f.send(FirstTokenSet{view(f).first_token == FirstToken::kShown ? FirstToken::kLeftOut : FirstToken::kShown});
     },
     nullptr,
     [](const Frame& f) { return view(f).first_token == FirstToken::kLeftOut; }},
    {"view/scores",
     "Scores before softmax",
     "Shows q·k / √d_k instead of probabilities.",
     {kS, kPlain},
     [](const Frame& f) { f.send(QuantitySet{view(f).quantity == Quantity::kScores ? Quantity::kProbs : Quantity::kScores}); },
     nullptr,
     [](const Frame& f) { return view(f).quantity == Quantity::kScores; }},
    {"view/arcs",
     "Arcs",
     "Draws a head as arcs from query to key instead of a heatmap.",
     {kA, kPlain},
     [](const Frame& f) {
       f.send(HeadDrawingSet{view(f).drawing == HeadDrawing::kArcs ? HeadDrawing::kHeatmap : HeadDrawing::kArcs});
     },
     nullptr,
     [](const Frame& f) { return view(f).drawing == HeadDrawing::kArcs; }},
    {"view/theme",
     "Light theme",
     "Dark or light.",
     {kT, kPlain},
     [](const Frame& f) { change_settings(f, toggle_theme); },
     nullptr,
     [](const Frame& f) { return f.model.settings.theme == ThemeName::kLight; }},
    {"view/presenter",
     "Presenter view",
     "Large text, only the picture: for a projector.",
     {kF11, kPlain},
     [](const Frame& f) { change_settings(f, [](Settings& s) { s.is_presenter = !s.is_presenter; }); },
     nullptr,
     [](const Frame& f) { return f.model.settings.is_presenter; }},
    {"view/larger",
     "Larger interface",
     "Everything a step larger.",
     {kPlus, kCtrl},
     [](const Frame& f) { change_ui_scale(f, 1.125); },
     nullptr,
     nullptr,
     nullptr,
     true},
    {"view/smaller",
     "Smaller interface",
     "Everything a step smaller.",
     {kMinus, kCtrl},
     [](const Frame& f) { change_ui_scale(f, 1 / 1.125); },
     nullptr,
     nullptr,
     nullptr,
     true},
    {"view/size",
     "Interface at 100 %",
     "Back to the size that the monitor asks for.",
     {k0, kCtrl},
     [](const Frame& f) { change_ui_scale(f, 0); }},
    {"view/fit",
     "Fit picture",
     "Takes the zoom back.",
     {k0, kPlain},
     [](const Frame& f) {
       f.send(ZoomSet{1, 0, 0}, "zoom");
     },
     is_zoomed},
    {"view/zoom_in",
     "Zoom in",
     "Fewer tokens, larger: about the chosen cell where it is seen, else about the middle.",
     {kPlus, kPlain},
     [](const Frame& f) { zoom_step(f, 1.5); },
     can_zoom,
     nullptr,
     nullptr,
     true},
    {"view/zoom_out",
     "Zoom out",
     "More tokens, smaller.",
     {kMinus, kPlain},
     [](const Frame& f) { zoom_step(f, 1 / 1.5); },
     is_zoomed,
     nullptr,
     nullptr,
     true},
    {"view/pan_left",
     "Move picture left",
     "A zoomed picture: a quarter of what is seen towards the first keys.",
     {kLeft, kShift},
     [](const Frame& f) { pan_step(f, -1, 0); },
     is_zoomed,
     nullptr,
     nullptr,
     true},
    {"view/pan_right",
     "Move picture right",
     "A zoomed picture: a quarter of what is seen towards the last keys.",
     {kRight, kShift},
     [](const Frame& f) { pan_step(f, 1, 0); },
     is_zoomed,
     nullptr,
     nullptr,
     true},
    {"view/pan_up",
     "Move picture up",
     "A zoomed picture: a quarter of what is seen towards the first queries.",
     {kUp, kShift},
     [](const Frame& f) { pan_step(f, 0, -1); },
     is_zoomed,
     nullptr,
     nullptr,
     true},
    {"view/pan_down",
     "Move picture down",
     "A zoomed picture: a quarter of what is seen towards the last queries.",
     {kDown, kShift},
     [](const Frame& f) { pan_step(f, 0, 1); },
     is_zoomed,
     nullptr,
     nullptr,
     true},

    {"move/left",
     "Left",
     "Head or key to the left.",
     {kLeft, kPlain},
     [](const Frame& f) { move_selection(f, 0, -1); },
     nullptr,
     nullptr,
     nullptr,
     true},
    {"move/right",
     "Right",
     "Head or key to the right.",
     {kRight, kPlain},
     [](const Frame& f) { move_selection(f, 0, 1); },
     nullptr,
     nullptr,
     nullptr,
     true},
    {"move/up",
     "Up",
     "Layer or query above.",
     {kUp, kPlain},
     [](const Frame& f) { move_selection(f, -1, 0); },
     nullptr,
     nullptr,
     nullptr,
     true},
    {"move/down",
     "Down",
     "Layer or query below.",
     {kDown, kPlain},
     [](const Frame& f) { move_selection(f, 1, 0); },
     nullptr,
     nullptr,
     nullptr,
     true},
    {"move/enter", "Open", "One step closer: head, row, cell.", {kEnter, kPlain}, step_closer},
    {"move/escape",
     "Release",
     "One step back: cell, row, head, all heads.",
     {kEscape, kPlain},
     [](const Frame& f) { f.send(SelectionReleased{}); }},

    {"model/lab",
     "Lab: random parameters",
     "Seeded random numbers instead of the trained ones, for timing and memory at any shape.",
     {},
     [](const Frame& f) {
       f.send(ParameterSourceSet{f.session.compute.parameters == ParameterSource::kLab ? ParameterSource::kTrained
                                                                                       : ParameterSource::kLab});
     },
     nullptr,
     [](const Frame& f) { return f.session.compute.parameters == ParameterSource::kLab; }},
    {"model/open",
     "Open folder…",
     "A Hugging Face folder: config.json, model.safetensors, tokenizer.json.",
     {},
     [](const Frame& f) { open_dialog(f, DialogKind::kOpen); }},
    {"help/keys", "Keyboard", "This sheet.", {kF1, kPlain}, [](const Frame& f) { open_dialog(f, DialogKind::kKeys); }},
    {"help/about", "About Headroom", "Version, device, fonts.", {}, [](const Frame& f) { open_dialog(f, DialogKind::kAbout); }},
};

constexpr Gesture kGestures[] = {
    {"Click", "Heads: open a head. Head: choose a cell. Token chips: choose a token."},
    {"Ctrl+click", "Prune a head, or put it back."},
    {"Shift+click", "Train: compare with the state under the pointer."},
    {"Wheel", "Zoom into the picture under the pointer."},
    {"Drag", "Move a zoomed picture. On the small picture beside it: choose which part the large one shows."},
    {"Double-click", "On a slider's number: type it."},
    {"Tab, Shift+Tab", "The next or previous control; arrow keys step it, Enter or Space presses it."},
    {"Drop", "A text file, a session or a model folder on the window opens it."},
};

}  // namespace

std::span<const CommandInfo> all_commands() { return kCommands; }

const CommandInfo* find_command(std::string_view id) {
  const auto found =
      std::find_if(std::begin(kCommands), std::end(kCommands), [&](const CommandInfo& command) { return id == command.id; });
  return found == std::end(kCommands) ? nullptr : &*found;
}

std::span<const Gesture> all_gestures() { return kGestures; }

void run_shortcuts(const Frame& frame) {
  // A dialog has all keys for itself; Esc folds a menu or a list up again.
  if (ImGui::IsPopupOpen("", ImGuiPopupFlags_AnyPopupId | ImGuiPopupFlags_AnyPopupLevel)) {
    if (frame.state.dialog == DialogKind::kNone && pressed(kEscape)) ImGui::ClosePopupToLevel(0, true);
    return;
  }
  const bool is_typing = !letters_are_free(frame.look);
  for (const CommandInfo& command : kCommands) {
    // Function keys and Ctrl never write a character.
    const bool is_safe = command.keys.modifiers.ctrl || command.keys.key == kF1 || command.keys.key == kF11;
    if (is_typing && !is_safe) continue;
    // A control that Tab reached has the arrows, Enter, Space and Esc for itself.
    const bool is_of_controls = std::string_view(command.id).starts_with("move/") || command.keys.key == kSpace;
    if (!is_safe && frame.look.memory.shows_focus && is_of_controls) {
      if (command.keys.key == kEscape && pressed(command.keys)) {
        frame.look.memory.shows_focus = false;
        frame.look.memory.focused = 0;
      }
      continue;
    }
    if (pressed(command.keys, command.is_repeatable ? KeyRepeat::kOn : KeyRepeat::kOff) && command.enabled(frame))
      command.run(frame);
  }
}

void open_dialog(const Frame& frame, DialogKind kind) {
  frame.state.dialog = kind;
  frame.state.opens_dialog = true;
  frame.wake_after(0);
}

void change_ui_scale(const Frame& frame, double factor) {
  Settings settings = frame.model.settings;
  settings.ui_scale = factor == 0 ? 1.0 : std::clamp(settings.ui_scale * factor, 0.75, 3.0);
  if (std::abs(settings.ui_scale - 1) < 0.02) settings.ui_scale = 1;  // steps up and down meet at 100 % again
  frame.command(ChangeSettings{settings});
}

const char* colormap_label(ColorMapName map) { return colormap_name(map); }

}  // namespace headroom
