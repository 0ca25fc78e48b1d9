#include "app/views/frame.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "app/views/commands.h"
#include "app/views/context.h"
#include "app/views/layout.h"
#include "app/widgets/item.h"

namespace headroom {

UiScratch::UiScratch() : state_(std::make_unique<State>()) {}
UiScratch::~UiScratch() = default;

namespace {

/// The same but for the parts of zoomed pictures that are shown.
bool differs_in_place_only(const Session& a, Session b) {
  View& view = b.view;
  const View& other = a.view;
  view.heads_zoom = other.heads_zoom;
  view.heads_pan_x = other.heads_pan_x;
  view.heads_pan_y = other.heads_pan_y;
  view.zoom = other.zoom;
  view.stretch = other.stretch;
  view.pan_x = other.pan_x;
  view.pan_y = other.pan_y;
  return a == b;
}

/// Versions that caches are keyed by: counted here, so that no view compares whole sessions.
void count_changes(const AppModel& model, UiScratch::State& state) {
  const Session& session = model.history.current();
  if (state.session_version == 0 || state.seen != session) {
    if (state.session_version == 0 || !differs_in_place_only(state.seen, session)) ++state.content_version;
    state.seen = session;
    ++state.session_version;
  }
  if (state.seen_speed != model.speed) {
    state.seen_speed = model.speed;
    ++state.speed_version;
  }
  if (state.card.seen != model.cards) {
    state.card.seen = model.cards;
    ++state.card.version;
  }
  if (state.seen_lens != model.lens) {
    state.seen_lens = model.lens;
    ++state.lens_version;
  }
  if (state.cost.seen != model.costs) {
    state.cost.seen = model.costs;
    ++state.cost.version;
  }
  if (state.decode.seen != model.decode) {
    state.decode.seen = model.decode;
    ++state.decode.version;
  }
  TrainScratch& train = state.train;
  const TrainInput& input = model.training.input;
  if (train.seen.report != input.report) ++train.report_version;
  if (train.seen.frame != input.frame || train.seen.compared != input.compared) ++train.frames_version;
  train.seen = input;
  if (train.seen_experiment != model.training.experiment.result) ++train.experiment_version;
  train.seen_experiment = model.training.experiment.result;
  const auto bits = [](const std::vector<double>& ms) {
    return ms.empty() ? 0 : std::bit_cast<std::uint64_t>(ms.back()) + ms.size();
  };
  state.runs_version = bits(model.timing.cpu_ms) * 31 + bits(model.timing.gpu_ms);
}

using Panel = void (*)(const Frame&);

/// A fixed part of the window.
struct PanelSpec {
  const char* name;
  Rect place;
  Color fill;
  double padding = 16;  ///< logical pixels
  ImGuiWindowFlags flags = 0;
};

void panel(const Frame& frame, const PanelSpec& spec, Panel draw) {
  if (spec.place.w < 8 || spec.place.h < 8) return;
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(spec.place.x), static_cast<float>(spec.place.y)));
  const float padding = frame.look.px(spec.padding);
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(0, padding));
  ImGui::PushStyleColor(ImGuiCol_ChildBg, pack(spec.fill));
#if IMGUI_VERSION_NUM >= 19000
  const ImGuiChildFlags child_flags = ImGuiChildFlags_AlwaysUseWindowPadding;
  ImGui::BeginChild(spec.name, ImVec2(static_cast<float>(spec.place.w), static_cast<float>(spec.place.h)), child_flags, spec.flags);
#else
  ImGui::BeginChild(spec.name, ImVec2(static_cast<float>(spec.place.w), static_cast<float>(spec.place.h)), false,
                    spec.flags | ImGuiWindowFlags_AlwaysUseWindowPadding);
#endif
  ImGui::PopStyleVar();
  // The padding at the sides is an indent: so the panel's clip reaches its edges, and lines across it need no clip (no draw call) of their own.
  ImGui::GetCurrentWindow()->ContentRegionRect.Max.x -= padding;
  if (padding > 0) ImGui::Indent(padding);
  // Spacing is each view's own, to the pixel.
  ImGui::PushStyleVar(ImGuiStyleVar_ItemSpacing, ImVec2(frame.look.px(8), 0));
  draw(frame);
  ImGui::PopStyleVar();
  ImGui::EndChild();
  ImGui::PopStyleColor();
  record_rect(std::string("panel/") + spec.name, spec.place);
}

/// A border between two panels that can be dragged. Returns how far, in logical pixels.
double splitter(const Frame& frame, const char* name, const Rect& line, ImGuiMouseCursor cursor) {
  if (line.w <= 0 || line.h <= 0) return 0;  // its panel is not shown
  const double grip = frame.look.px(3);
  const bool is_vertical = cursor == ImGuiMouseCursor_ResizeEW;
  const Rect handle = is_vertical ? Rect{line.x - grip, line.y, 2 * grip, line.h} : Rect{line.x, line.y - grip, line.w, 2 * grip};
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(handle.x), static_cast<float>(handle.y)));
  const ItemState state = item(frame.look, {.name = name,
                                            .w = static_cast<float>(handle.w),
                                            .h = static_cast<float>(handle.h),
                                            .tooltip = "Drag to give this panel more or less room.",
                                            .focusable = Focusable::kNo});
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const bool is_live = state.is_hovered || state.is_held;
  fill_rect(list, line, is_live ? frame.theme.accent : frame.theme.border);
  if (is_live) ImGui::SetMouseCursor(cursor);
  if (!state.is_held) return 0;
  const ImVec2 moved = ImGui::GetIO().MouseDelta;
  return (is_vertical ? moved.x : moved.y) / frame.look.scale;
}

void draw_splitters(const Frame& frame, const Layout& layout) {
  const double hair = std::max(1.0f, std::floor(frame.look.scale));
  Settings settings = frame.model.settings;
  const double rail =
      splitter(frame, "splitter/rail", {layout.stage.x - hair, layout.rail.y, hair, layout.rail.h}, ImGuiMouseCursor_ResizeEW);
  const double inspector =
      splitter(frame, "splitter/inspector", {layout.inspector.x - hair, layout.inspector.y, hair, layout.inspector.h},
               ImGuiMouseCursor_ResizeEW);
  const double strip =
      splitter(frame, "splitter/strip", {layout.strip.x, layout.strip.y - hair, layout.strip.w, hair}, ImGuiMouseCursor_ResizeNS);
  if (rail == 0 && inspector == 0 && strip == 0) return;
  if (rail != 0) settings.rail_width = std::clamp(layout.rail.w / frame.look.scale + rail, 220.0, 480.0);
  if (inspector != 0) settings.inspector_width = std::clamp(layout.inspector.w / frame.look.scale - inspector, 240.0, 640.0);
  if (strip != 0) settings.strip_height = std::clamp(layout.strip.h / frame.look.scale - strip, 120.0, 480.0);
  frame.command(ChangeSettings{settings});
}

void draw_root(const Frame& frame, const Layout& layout) {
  ImGui::SetNextWindowPos(ImVec2(0, 0));
  ImGui::SetNextWindowSize(ImGui::GetIO().DisplaySize);
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(0, 0));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowRounding, 0.0f);
  ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 0.0f);
  ImGui::PushStyleVar(ImGuiStyleVar_FramePadding,
                      ImVec2(frame.look.px(8), (static_cast<float>(layout.bar.h) - ImGui::GetFontSize()) / 2));
  ImGui::PushStyleColor(ImGuiCol_WindowBg, pack(frame.theme.panel));
  const ImGuiWindowFlags flags = ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove | ImGuiWindowFlags_NoSavedSettings |
                                 ImGuiWindowFlags_NoBringToFrontOnFocus | ImGuiWindowFlags_MenuBar | ImGuiWindowFlags_NoNavInputs |
                                 ImGuiWindowFlags_NoScrollWithMouse;
  ImGui::Begin("##headroom", nullptr, flags);
  ImGui::PopStyleColor();
  draw_menu_bar(frame);
  ImGui::PopStyleVar(4);

  const bool has_chrome = !frame.model.settings.is_presenter;
  constexpr ImGuiWindowFlags fixed =
      ImGuiWindowFlags_NoScrollbar | ImGuiWindowFlags_NoScrollWithMouse | ImGuiWindowFlags_NoNavInputs;
  if (has_chrome) {
    panel(frame, {.name = "rail", .place = layout.rail, .fill = frame.theme.panel, .flags = ImGuiWindowFlags_NoNavInputs},
          draw_rail);
  }
  panel(frame, {.name = "stage", .place = layout.stage, .fill = frame.theme.panel, .padding = 0, .flags = fixed}, draw_stage);
  if (has_chrome) {
    panel(frame, {.name = "inspector", .place = layout.inspector, .fill = frame.theme.panel, .flags = ImGuiWindowFlags_NoNavInputs},
          draw_inspector);
    panel(frame, {.name = "strip", .place = layout.strip, .fill = frame.theme.panel, .padding = 0, .flags = fixed}, draw_strip);
    draw_splitters(frame, layout);
  }
  ImGui::End();
}

}  // namespace

void draw_frame(const AppModel& model, UiScratch& scratch, ImGuiPainter& painter, Outbox& outbox) {
  UiScratch::State& state = scratch.state();
  if (!state.measurer) state.measurer = make_imgui_measurer();
  count_changes(model, state);
  const Theme& colors = theme(model.settings.theme);
  const Frame frame{.model = model,
                    .session = model.history.current(),
                    .snapshot = model.snapshot.get(),
                    .theme = colors,
                    .look = {.theme = colors, .scale = static_cast<float>(model.scale), .memory = state.widgets},
                    .state = state,
                    .painter = painter,
                    .out = outbox};
  begin_widgets(frame.look);
  run_shortcuts(frame);
  draw_root(frame, layout_of(frame));
  draw_dialogs(frame);
  draw_toasts(frame);
  frame.wake_after(state.widgets.tooltip_wait);
}

}  // namespace headroom
