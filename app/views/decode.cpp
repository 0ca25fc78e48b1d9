#include "app/views/decode.h"

#include <imgui.h>

#include <algorithm>
#include <array>

#include "app/views/figures.h"
#include "app/widgets/controls.h"
#include "core/figure/written_figure.h"

namespace headroom {
namespace {

// In the order of DecodeSection.
constexpr std::array<MenuChoice, 3> kSections{{
    {"decode/section/steps", "Steps", "One text, token by token: what each step computes, takes and keeps."},
    {"decode/section/requests", "Requests", "Many requests that share one memory: reserved stretches beside pages."},
    {"decode/section/quality", "Quality", "What each way to keep less costs in loss and in changed predictions."},
}};

struct Section {
  FigureKind kind;
  double (*bar)(const Frame&, const Rect&);
};
Section section_of(DecodeSection section) {
  switch (section) {
    case DecodeSection::kSteps:
      break;
    case DecodeSection::kBatch:
      return {FigureKind::kBatch, decode_batch_bar};
    case DecodeSection::kQuality:
      return {FigureKind::kQuality, decode_quality_bar};
  }
  return {FigureKind::kDecode, decode_steps_bar};
}

const DecodeRun* run_of(const Frame& frame) {
  const Decoded* decoded = frame.model.decode.decoded.get();
  return decoded == nullptr ? nullptr : decoded->run.get();
}

/// The next step is shown once the last one stood as long as the speed says; at the end it stops.
void play(const Frame& frame) {
  DecodeScratch& scratch = frame.state.decode;
  if (!scratch.is_playing) return;
  const DecodeRun* run = run_of(frame);
  const std::int64_t last = run == nullptr ? -1 : std::ssize(run->steps) - 1;
  const std::int64_t shown = decode_step_shown(frame);
  if (shown >= last && !is_decoding(frame, DecodePart::kSteps)) {
    scratch.is_playing = false;
    return;
  }
  const double period = 1 / frame.session.view.decode_speed, now = ImGui::GetTime();
  const double left = scratch.stepped_at + period - now;
  if (left > 0) {
    frame.wake_after(left);
    return;
  }
  if (shown < last) {
    frame.send(DecodeStepSet{shown + 1}, "decode step");
    scratch.stepped_at = now;
  }
  frame.wake_after(period);
}

}  // namespace

std::int64_t decode_step_shown(const Frame& frame) {
  const DecodeRun* run = run_of(frame);
  const std::int64_t last = run == nullptr ? -1 : std::ssize(run->steps) - 1;
  return std::min(last, frame.session.view.decode_step.value_or(last));
}

bool can_step_decoding(const Frame& frame) { return decode_step_shown(frame) >= 0; }

void step_decoding(const Frame& frame, int steps) {
  if (frame.session.view.decode_section == DecodeSection::kBatch) {
    step_batch(frame, steps);
    return;
  }
  const DecodeRun* run = run_of(frame);
  if (run == nullptr || run->steps.empty() || frame.session.view.decode_section != DecodeSection::kSteps) return;
  frame.state.decode.is_playing = false;
  const std::int64_t last = std::ssize(run->steps) - 1;
  const std::int64_t step = std::clamp<std::int64_t>(decode_step_shown(frame) + steps, 0, last);
  if (step != frame.session.view.decode_step) frame.send(DecodeStepSet{step}, "decode step");
}

void play_or_pause_decoding(const Frame& frame) {
  DecodeScratch& scratch = frame.state.decode;
  const DecodeRun* run = run_of(frame);
  if (run == nullptr || run->steps.empty()) return;
  scratch.is_playing = !scratch.is_playing;
  scratch.stepped_at = ImGui::GetTime();
  const bool is_at_end = decode_step_shown(frame) + 1 >= std::ssize(run->steps) && !is_decoding(frame, DecodePart::kSteps);
  if (scratch.is_playing && is_at_end) frame.send(DecodeStepSet{0}, "decode step");
  frame.wake_after(0);
}

std::string why_not_decoding(const Frame& frame) { return frame.snapshot == nullptr ? "" : why_not_writing(*frame.snapshot); }

void start_decoding(const Frame& frame) {
  frame.state.decode.is_playing = false;
  if (frame.session.view.decode_step) frame.send(DecodeStepSet{}, "decode step");
  frame.command(DecodeOn{});
}

void start_decode_section(const Frame& frame) {
  switch (frame.session.view.decode_section) {
    case DecodeSection::kSteps:
      if (why_not_decoding(frame).empty()) start_decoding(frame);
      return;
    case DecodeSection::kBatch:
      frame.command(RunBatch{});
      return;
    case DecodeSection::kQuality:
      if (why_not_decoding(frame).empty()) frame.command(MeasureQuality{});
      return;
  }
}

bool is_decoding(const Frame& frame, DecodePart part) { return frame.model.progress.decode_part == part; }

void draw_decode(const Frame& frame, const Rect& area) {
  const Look& look = frame.look;
  const double margin = look.px(12), top = look.px(8);
  const DecodeSection section = frame.session.view.decode_section;
  const float tabs = look.px(228);
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(area.x + margin), static_cast<float>(area.y + top)));
  if (const auto chosen = segmented(look, kSections, static_cast<int>(section), tabs))
    frame.send(DecodeSectionSet{static_cast<DecodeSection>(*chosen)});
  const Section shown = section_of(section);
  const double left = area.x + margin + tabs + look.px(18);
  const double bar = shown.bar(frame, {left, area.y + top, area.x + area.w - margin - left, area.h});
  const double used = std::max<double>(bar, look.px(24)) + 2 * top;
  const Rect place{area.x, area.y + used, area.w, area.h - used};
  // A step has a fixed number of lines: a large window shows them larger, not more of them.
  constexpr double kUsualWidth = 1320, kUsualHeight = 780, kMostZoom = 1.5, kPresenterZoom = 1.25;
  const double room = std::min(place.w / look.scale / kUsualWidth, place.h / look.scale / kUsualHeight);
  const double zoom = std::clamp(room, frame.model.settings.is_presenter ? kPresenterZoom : 1.0, kMostZoom);
  if (place.h >= 40) draw_figure(frame, {.kind = shown.kind, .name = "stage", .area = place, .zoom = zoom});
  if (section == DecodeSection::kSteps) play(frame);
}

}  // namespace headroom
