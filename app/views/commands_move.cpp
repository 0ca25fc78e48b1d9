#include "app/views/command_groups.h"

#include "app/views/navigate.h"

namespace headroom {
namespace {

using enum Key;
constexpr Modifiers kPlain{};

const CommandInfo kCommands[] = {
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

}  // namespace

std::span<const CommandInfo> move_and_model_commands() { return kCommands; }

}  // namespace headroom
