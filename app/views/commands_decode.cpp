#include "app/views/command_groups.h"
#include "app/views/decode.h"

namespace headroom {
namespace {

const View& view(const Frame& frame) { return frame.session.view; }

bool is_on_steps(const Frame& frame) {
  return view(frame).stage == StageView::kDecode && view(frame).decode_section == DecodeSection::kSteps && can_step_decoding(frame);
}

void look_at(const Frame& frame, std::optional<std::int64_t> step) {
  frame.state.decode.is_playing = false;
  frame.send(DecodeStepSet{step}, "decode step");
}

using enum Key;
constexpr Modifiers kPlain{};

const CommandInfo kCommands[] = {
    {"view/decode",
     "Decode",
     "What each next token costs: work, time and memory with a KV cache and without.",
     {k7, kPlain},
     [](const Frame& f) { f.send(StageViewSet{StageView::kDecode}, "stage"); },
     nullptr,
     [](const Frame& f) { return view(f).stage == StageView::kDecode; }},
    {"decode/start",
     "Decode",
     "Decode: the model writes token by token with a cache and without, each step measured.",
     {},
     [](const Frame& f) {
       if (view(f).stage != StageView::kDecode) f.send(StageViewSet{StageView::kDecode}, "stage");
       if (view(f).decode_section != DecodeSection::kSteps) f.send(DecodeSectionSet{DecodeSection::kSteps});
       start_decoding(f);
     },
     [](const Frame& f) { return why_not_decoding(f).empty(); }},
    {"decode/stop",
     "Stop decoding",
     "Stops what the Decode stage asked for; what was found so far stays.",
     {},
     [](const Frame& f) { f.command(CancelDecode{}); },
     [](const Frame& f) { return f.model.progress.decode_part.has_value(); }},
    {"decode/play",
     "Play or pause",
     "Decode: shows the steps one after another.",
     {kSpace, kPlain},
     play_or_pause_decoding,
     is_on_steps,
     nullptr,
     [](const Frame& f) { return std::string(f.state.decode.is_playing ? "Pause the steps" : "Play the steps"); }},
    {"decode/first",
     "First step",
     "Decode: the step that reads the whole prompt.",
     {kHome, kPlain},
     [](const Frame& f) { look_at(f, 0); },
     is_on_steps},
    {"decode/newest",
     "Newest step",
     "Decode: the newest step, also while the model writes.",
     {kEnd, kPlain},
     [](const Frame& f) { look_at(f, std::nullopt); },
     is_on_steps},
};

}  // namespace

std::span<const CommandInfo> decode_commands() { return kCommands; }

}  // namespace headroom
