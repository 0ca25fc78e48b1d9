#include "app/views/command_groups.h"

#include "app/views/stage_zoom.h"

namespace headroom {
namespace {

const View& view(const Frame& frame) { return frame.session.view; }

void change_settings(const Frame& frame, void (*change)(Settings&)) {
  Settings settings = frame.model.settings;
  change(settings);
  frame.command(ChangeSettings{settings});
}

void toggle_theme(Settings& settings) {
  settings.theme = settings.theme == ThemeName::kDark ? ThemeName::kLight : ThemeName::kDark;
}

using enum Key;
constexpr Modifiers kCtrl{.ctrl = true}, kShift{.shift = true}, kPlain{};

const CommandInfo kCommands[] = {
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
};

}  // namespace

std::span<const CommandInfo> picture_commands() { return kCommands; }

}  // namespace headroom
