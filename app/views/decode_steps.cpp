#include <imgui.h>

#include <algorithm>
#include <array>
#include <string>

#include "app/views/bar_flow.h"
#include "app/views/decode.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr std::array<double, 7> kSpeeds{0.5, 1, 2, 4, 8, 16, 60};
constexpr std::array<MenuChoice, 7> kSpeedChoices{{
    {"decode/speed/half", "0.5 steps/s", "Time to talk about each step."},
    {"decode/speed/1", "1 step/s", "A step a second."},
    {"decode/speed/2", "2 steps/s", "Two steps a second."},
    {"decode/speed/4", "4 steps/s", "About as fast as one reads aloud."},
    {"decode/speed/8", "8 steps/s", "About as fast as one reads."},
    {"decode/speed/16", "16 steps/s", "Shows how the cache fills."},
    {"decode/speed/60", "60 steps/s", "As fast as the window draws."},
}};

struct PlayerButton {
  const char* name;
  const char* tooltip;
  enum class Sign { kFirst, kBack, kPlay, kPause, kForward, kLast } sign;
  Enabled enabled = Enabled::kYes;
};

/// A square with the sign that players have. True when it was pressed.
bool player_button(const Frame& frame, const PlayerButton& spec) {
  const Look& look = frame.look;
  const float side = look.px(28), height = look.px(24);
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const bool is_pressed =
      button(look, {.name = spec.name, .label = "", .tooltip = spec.tooltip, .enabled = spec.enabled, .width = side});
  const Color color = spec.enabled == Enabled::kYes ? frame.theme.text : frame.theme.text_faint;
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const float x = at.x + side / 2, y = at.y + height / 2, r = look.px(4);
  const auto arrow = [&](float middle, float direction) {
    list.AddTriangleFilled(ImVec2(middle - direction * r, y - r), ImVec2(middle + direction * r, y),
                           ImVec2(middle - direction * r, y + r), pack(color));
  };
  const auto chevron = [&](float direction) {
    list.AddLine(ImVec2(x - direction * r / 2, y - r), ImVec2(x + direction * r / 2, y), pack(color), look.px(1.5));
    list.AddLine(ImVec2(x + direction * r / 2, y), ImVec2(x - direction * r / 2, y + r), pack(color), look.px(1.5));
  };
  const auto bar = [&](float middle) { fill_rect(list, {middle - look.px(1), y - r, look.px(2), 2 * r}, color); };
  switch (spec.sign) {
    case PlayerButton::Sign::kFirst:
      bar(x - r);
      arrow(x + look.px(1), -1);
      break;
    case PlayerButton::Sign::kBack:
      chevron(-1);
      break;
    case PlayerButton::Sign::kPlay:
      arrow(x, 1);
      break;
    case PlayerButton::Sign::kPause:
      bar(x - look.px(3));
      bar(x + look.px(3));
      break;
    case PlayerButton::Sign::kForward:
      chevron(1);
      break;
    case PlayerButton::Sign::kLast:
      arrow(x - look.px(1), 1);
      bar(x + r);
      break;
  }
  return is_pressed;
}

void player(const Frame& frame, BarFlow& flow) {
  const Look& look = frame.look;
  const bool can_step = can_step_decoding(frame), is_playing = frame.state.decode.is_playing;
  const Enabled enabled = can_step ? Enabled::kYes : Enabled::kNo;
  const float side = look.px(28), between = look.px(4);
  flow.next(5 * side + 4 * between);
  const ImVec2 at = ImGui::GetCursorScreenPos();
  using Sign = PlayerButton::Sign;
  const std::array<PlayerButton, 5> buttons{{
      {"decode/first", "First step (Home)\nIn it the model reads the whole prompt at once.", Sign::kFirst, enabled},
      {"decode/back", "One step back (Left)", Sign::kBack, enabled},
      {"decode/play", is_playing ? "Pause (Space)" : "Play (Space)\nThe steps one after another, as fast as is chosen beside.",
       is_playing ? Sign::kPause : Sign::kPlay, enabled},
      {"decode/forward", "One step on (Right)", Sign::kForward, enabled},
      {"decode/newest", "Newest step (End)\nWhile the model writes, the picture follows it.", Sign::kLast, enabled},
  }};
  for (std::size_t i = 0; i < buttons.size(); ++i) {
    ImGui::SetCursorScreenPos(ImVec2(at.x + static_cast<float>(i) * (side + between), at.y));
    if (!player_button(frame, buttons[i])) continue;
    if (i == 0) frame.send(DecodeStepSet{0}, "decode step");
    if (i == 1) step_decoding(frame, -1);
    if (i == 2) play_or_pause_decoding(frame);
    if (i == 3) step_decoding(frame, 1);
    if (i == 4) frame.send(DecodeStepSet{}, "decode step");
  }
}

void speed(const Frame& frame, BarFlow& flow) {
  const double now = frame.session.view.decode_speed;
  int selected = -1;
  for (std::size_t i = 0; i < kSpeeds.size(); ++i)
    if (kSpeeds[i] == now) selected = static_cast<int>(i);
  const std::string shown = compact(now) + (now == 1 ? " step/s" : " steps/s");
  flow.next(inline_dropdown_width(frame.look, "play at:", shown));
  if (const auto chosen = dropdown(frame.look, {.name = "decode/speed",
                                                .tooltip = "How fast the steps are played; how long they really took is measured "
                                                           "and stands in the picture.",
                                                .value = shown,
                                                .choices = kSpeedChoices,
                                                .selected = selected,
                                                .form = Dropdown::Form::kInline,
                                                .label = "play at:"}))
    frame.send(DecodeSpeedSet{kSpeeds[static_cast<std::size_t>(*chosen)]}, "decode speed");
}

void growth(const Frame& frame, BarFlow& flow) {
  const Look& look = frame.look;
  const bool is_running = is_decoding(frame, DecodePart::kGrowth);
  const char* label = is_running ? "Stop measuring" : "Measure time over n";
  flow.next(button_width(look, label));
  if (button(look,
             {.name = "decode/growth",
              .label = label,
              .tooltip = is_running
                             ? "Stops; the lengths that were measured stay."
                             : "Times one more token after 64 to 8,192 others, with this cache and without, and fits the "
                               "exponents\nThe caches are filled with random keys and values: a time does not depend on them."})) {
    if (is_running) {
      frame.command(CancelDecode{});
    } else {
      frame.command(MeasureDecodeGrowth{});
    }
  }
}

}  // namespace

void decode_progress(const Frame& frame, BarFlow& flow, DecodePart part) {
  const EngineProgress& progress = frame.model.progress;
  if (progress.decode_part != part) return;
  const auto width = std::min(frame.look.px(280), static_cast<float>(std::max(flow.rest(), 8.0 * frame.look.px(20))));
  flow.next(width);
  if (progress_bar(frame.look, {.name = "decode/progress", .stage = progress.stage, .share = progress.share, .width = width}))
    frame.command(CancelDecode{});
}

double decode_steps_bar(const Frame& frame, const Rect& area) {
  BarFlow flow(frame.look, area);
  player(frame, flow);
  speed(frame, flow);
  growth(frame, flow);
  decode_progress(frame, flow, DecodePart::kSteps);
  decode_progress(frame, flow, DecodePart::kGrowth);
  return flow.height();
}

}  // namespace headroom
