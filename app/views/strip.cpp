#include <imgui.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "app/views/bottom_panels.h"
#include "app/views/figures.h"
#include "app/views/kv_choices.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

/// A column of the strip: its inner rectangle, ImGui's screen coordinates.
struct Column {
  Rect inner;
};

void figure_below(const Frame& frame, FigureKind kind, const char* name, const Column& column, double top) {
  const double bottom = column.inner.y + column.inner.h;
  if (bottom - top < frame.look.px(24)) return;
  draw_figure(frame, {.kind = kind, .name = name, .area = {column.inner.x, top, column.inner.w, bottom - top}});
}

void begin_column(const Column& column) {
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(column.inner.x), static_cast<float>(column.inner.y)));
}

void timing_column(const Frame& frame, const Column& column) {
  const Look& look = frame.look;
  begin_column(column);
  const bool has_other = frame.snapshot != nullptr &&
                         (frame.snapshot->ran_on_gpu ? !frame.snapshot->cpu.stages.empty() : frame.snapshot->gpu.has_value());
  const bool on_gpu = frame.snapshot != nullptr && frame.snapshot->ran_on_gpu;
  const char* label = on_gpu ? "Measure CPU too" : "Measure GPU too";
  const bool runs_on_one = frame.snapshot == nullptr || frame.snapshot->is_long ||
                           frame.snapshot->compute.trained.kind == ModelKind::kEncoderDecoder ||
                           frame.snapshot->compute.model_source == ModelSource::kCapture;
  if (!has_other && !runs_on_one) {
    const float width = button_width(look, label);
    ImGui::SetCursorScreenPos(
        ImVec2(static_cast<float>(column.inner.x + column.inner.w) - width, static_cast<float>(column.inner.y) - look.px(6)));
    if (button(look,
               {.name = "strip/measure_other",
                .label = label,
                .tooltip = "Runs the same pass on the other device as well and puts its bars beside these, stage by stage."})) {
      frame.command(MeasureOtherDevice{});
    }
  }
  figure_below(frame, FigureKind::kTiming, "strip/timing", column, column.inner.y);
}

constexpr std::array<std::int64_t, 19> kContexts{0,    16,    32,    64,    128,    256,    512,    1024,    2048,   4096,
                                                 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1048576, 2097152};

std::string context_text(std::int64_t tokens, const Snapshot* snapshot) {
  if (tokens == 0)
    return snapshot == nullptr
               ? "sentence"
               : count_text(static_cast<std::int64_t>(snapshot->seq())) + (snapshot->seq() == 1 ? " token" : " tokens");
  if (tokens >= 1048576 && tokens % 1048576 == 0) return std::to_string(tokens / 1048576) + " Mi tokens";
  if (tokens >= 8192 && tokens % 1024 == 0) return std::to_string(tokens / 1024) + " Ki tokens";
  return std::to_string(tokens) + " tokens";
}

void kv_column(const Frame& frame, const Column& column) {
  const Look& look = frame.look;
  const View& view = frame.session.view;
  // The figure has the panel's title; the controls stand below it at the bottom, where they cover nothing.
  const double controls = look.px(30);
  Column above = column;
  above.inner.h -= controls;
  figure_below(frame, FigureKind::kKv, "strip/kv", above, column.inner.y);
  const float y = static_cast<float>(column.inner.y + column.inner.h) - look.px(24);
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(column.inner.x), y));
  constexpr std::array<MenuChoice, 4> types{{
      {"strip/kv/float32", "float32", "4 bytes a number, as the model computes here."},
      {"strip/kv/float16", "16 bits", "2 bytes a number, float16 or bfloat16, as most servers keep it."},
      {"strip/kv/int8", "int8", "1 byte a number, and one scale of 4 bytes for each row of each head."},
      {"strip/kv/int4", "int4", "Half a byte a number, and one scale of 4 bytes for each row of each head."},
  }};
  const float types_width = std::min(look.px(208), static_cast<float>(column.inner.w) * 0.55f);
  if (const auto type = segmented(look, types, kv_choice(view.kv_type), types_width))
    frame.send(KvTypeSet{kKvChoices[static_cast<std::size_t>(*type)]});
  const float left = static_cast<float>(column.inner.x) + types_width + look.px(14);
  const float width = static_cast<float>(column.inner.x + column.inner.w) - left;
  if (width < look.px(120)) return;
  ImGui::SetCursorScreenPos(ImVec2(left, y));
  const std::string shown = context_text(view.kv_context, frame.snapshot);
  if (const auto context = value_slider(
          look,
          {.name = "strip/kv/context",
           .label = "context",
           .tooltip =
               "Tokens held\nThe cache grows by so many bytes with every token. At the left end: as many as the sentence has.",
           .values = kContexts,
           .value = view.kv_context,
           .shown = shown,
           .label_width = 54,
           .value_width = std::max(84.0, text_extent(look, shown, number_text(look)).w / static_cast<double>(look.scale) + 8),
           .width = width})) {
    frame.send(KvContextSet{*context}, "kv context");
  }
}

void prediction_column(const Frame& frame, const Column& column) {
  figure_below(frame, FigureKind::kPrediction, "strip/prediction", column, column.inner.y);
}

/// Long work in a slim row at the strip's bottom. Returns its height; short work never shows, it would only flicker.
double progress_row(const Frame& frame, const Rect& strip) {
  UiScratch::State& state = frame.state;
  const bool is_said_above = std::exchange(state.shows_deepening, false);
  if (!frame.model.progress.is_busy) {
    state.busy_since = -1;
    return 0;
  }
  if (is_said_above) return 0;
  if (state.busy_since < 0) state.busy_since = frame.model.now;
  const double busy = frame.model.now - state.busy_since;
  constexpr double patience = 0.4;
  if (busy < patience) {
    frame.wake_after(patience - busy);
    return 0;
  }
  const Look& look = frame.look;
  const double height = look.px(32);
  const double top = strip.y + strip.h - height;
  ImDrawList& list = *ImGui::GetWindowDrawList();
  fill_rect(list, {strip.x, top, strip.w, height}, frame.theme.raised);
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(strip.x) + look.px(16), static_cast<float>(top) + look.px(4)));
  if (progress_bar(look, {.name = "strip/cancel",
                          .stage = frame.model.progress.stage,
                          .share = frame.model.progress.share,
                          .width = std::min(static_cast<float>(strip.w) - look.px(32), look.px(720))})) {
    frame.command(CancelWork{});
  }
  return height;
}

}  // namespace

void draw_strip(const Frame& frame) {
  const ImVec2 at = ImGui::GetWindowPos(), size = ImGui::GetWindowSize();
  const Rect strip{at.x, at.y, size.x, size.y};
  const double progress = progress_row(frame, strip);
  const double padding = frame.look.px(16), hair = std::max(1.0f, std::floor(frame.look.scale));
  const double height = strip.h - progress;
  // Shares as in the look: timing 41 %, KV cache 33 %, next word 26 %.
  const double first = std::floor(strip.w * 0.41), second = std::floor(strip.w * 0.74);
  const auto column = [&](double left, double right) {
    return Column{{strip.x + left + padding, strip.y + padding * 0.9, right - left - 2 * padding, height - padding * 1.6}};
  };
  const BottomPanel shown = frame.session.view.bottom;
  Column left = column(0, shown == BottomPanel::kTiming ? first : second);
  const double tabs = draw_bottom_tabs(frame, {strip.x + frame.look.px(8), left.inner.y, 0, left.inner.h}) - frame.look.px(4);
  left.inner.x += tabs;
  left.inner.w -= tabs;
  if (shown == BottomPanel::kTiming) {
    timing_column(frame, left);
    kv_column(frame, column(first, second));
  } else if (shown == BottomPanel::kLens) {
    draw_lens_panel(frame, left.inner);
  } else {
    draw_write_panel(frame, left.inner);
  }
  prediction_column(frame, column(second, strip.w));
  ImDrawList& list = *ImGui::GetWindowDrawList();
  if (shown == BottomPanel::kTiming) fill_rect(list, {strip.x + first, strip.y, hair, height}, frame.theme.border);
  fill_rect(list, {strip.x + second, strip.y, hair, height}, frame.theme.border);
}

}  // namespace headroom
