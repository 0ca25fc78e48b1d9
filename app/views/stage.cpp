#include <imgui.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "app/views/depth_card.h"
#include "app/views/figures.h"
#include "app/views/stack_tabs.h"
#include "app/views/stage_options.h"
#include "app/views/stage_zoom.h"
#include "app/widgets/controls.h"

namespace headroom {
namespace {

struct Tab {
  const char* name;
  const char* label;
  const char* tooltip;
  StageView stage;
};
constexpr std::array<Tab, 8> kTabs{{
    {"tab/Heads", "Heads", "Every layer × head of the model in one picture (key 1).", StageView::kHeads},
    {"tab/Head", "Head", "One head, large, with tokens on both axes (key 2).", StageView::kHead},
    {"tab/Token", "Token", "One token's way through a layer: q, k, v, heads, W_O, next word (key 3).", StageView::kToken},
    {"tab/Train", "Train", "A model trained here and now: loss, roles and every head's picture as it learns (key 4).",
     StageView::kTrain},
    {"tab/Speed", "Speed", "How fast this shape runs here, measured: ladder, roofline, time over n, CPU and GPU (key 5).",
     StageView::kSpeed},
    {"tab/Card", "Card", "What a configuration tells of a model: d_k, sharing, parameters, KV cache, with the arithmetic (key 6).",
     StageView::kCard},
    {"tab/Decode", "Decode", "What each next token costs: work, time and memory with a KV cache and without (key 7).",
     StageView::kDecode},
    {"tab/Cost", "Cost", "What a model costs on a device: what fits, tokens a second, what each choice saves (key 8).",
     StageView::kCost},
}};

/// Returns the right end of the last tab.
float draw_tabs(const Frame& frame, float x, float y, float height) {
  const Look& look = frame.look;
  ImDrawList& list = *ImGui::GetWindowDrawList();
  for (const Tab& tab : kTabs) {
    const bool is_selected = frame.session.view.stage == tab.stage;
    TextStyle style = body_text(look);
    if (is_selected) style.face = FontFace::kSansMedium;
    const TextExtent extent = text_extent(look, tab.label, style);
    const float width = extent.w + look.px(24);
    ImGui::SetCursorScreenPos(ImVec2(x, y));
    const ItemState state = item(look, {.name = tab.name, .w = width, .h = height, .tooltip = tab.tooltip});
    style.color = is_selected || state.is_hovered ? frame.theme.text : frame.theme.text_dim;
    draw_text(look, list, {x + look.px(12), y + (height - extent.h) / 2}, tab.label, style);
    if (is_selected) fill_rect(list, {x, y + height - look.px(2), width, look.px(2)}, frame.theme.accent);
    if (state.is_clicked) frame.send(StageViewSet{tab.stage}, "stage");
    x += width;
  }
  return x;
}

/// What is awaited, or what went wrong, over the middle of an empty stage.
void draw_waiting(const Frame& frame, const Rect& area) {
  const bool has_failed = !frame.model.failure.empty();
  const std::string& text = frame.model.failure;
  TextStyle style = body_text(frame.look);
  style.color = has_failed ? frame.theme.warning : frame.theme.text_dim;
  const float wrap = std::min(static_cast<float>(area.w) * 0.8f, frame.look.px(520));
  const std::string_view shown = has_failed ? std::string_view(text) : "Reading the model and computing the first picture…";
  const TextExtent extent = text_extent(frame.look, shown, style, wrap);
  draw_text(frame.look, *ImGui::GetWindowDrawList(), {area.x + (area.w - extent.w) / 2, area.y + area.h * 0.4}, shown, style, wrap);
}

/// The newest request failed: the picture is of an older one and says so.
double draw_failure(const Frame& frame, const Rect& area) {
  if (frame.model.failure.empty() || frame.snapshot == nullptr) return 0;
  const float wrap = static_cast<float>(area.w) - frame.look.px(24);
  const std::string text = frame.model.failure + " The picture is the last one that could be computed.";
  TextStyle style = small_text(frame.look);
  style.color = frame.theme.text;
  const TextExtent extent = text_extent(frame.look, text, style, wrap);
  const double height = extent.h + frame.look.px(14);
  ImDrawList& list = *ImGui::GetWindowDrawList();
  fill_rect(list, {area.x, area.y, area.w, height}, frame.theme.warning_panel);
  draw_text(frame.look, list, {area.x + frame.look.px(12), area.y + frame.look.px(7)}, text, style, wrap);
  return height;
}

/// "refining 63 %" over the picture's upper right corner, once it takes long enough to be noticed.
void draw_refining(const Frame& frame, const Rect& area) {
  constexpr double unnoticed = 0.3;
  double& since = frame.state.refining_since;
  if (!frame.painter.is_waiting()) {
    since = -1;
    return;
  }
  const double now = ImGui::GetTime();
  if (since < 0) since = now;
  if (now - since < unnoticed) {
    frame.wake_after(unnoticed);
    return;
  }
  const std::string text = "refining " + std::to_string(static_cast<int>(frame.painter.progress() * 100)) + " %";
  TextStyle style = small_text(frame.look);
  style.color = frame.theme.text;
  // As wide for every number, so that it stands still.
  const TextExtent extent = text_extent(frame.look, "refining 100 %", style);
  const float pad = frame.look.px(6);
  const Rect chip{area.x + area.w - extent.w - 2 * pad, area.y, extent.w + 2 * pad, extent.h + pad};
  ImDrawList& list = *ImGui::GetWindowDrawList();
  fill_rect(list, chip, frame.theme.raised);
  draw_text(frame.look, list, {chip.x + pad, chip.y + pad / 2}, text, style);
  // It lies on the figure, whose own item has the pointer.
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  if (!chip.contains({mouse.x, mouse.y})) return;
  tooltip_now(
      frame.look,
      "Exact values are on their way\nEvery pair that is seen is being computed from q and k in the background. Until then a "
      "cell shows sampled rows, or a coarser or older picture.");
}

FigureKind kind_of(StageView stage) {
  return stage == StageView::kHeads ? FigureKind::kHeads : stage == StageView::kHead ? FigureKind::kHead : FigureKind::kToken;
}

}  // namespace

void draw_stage(const Frame& frame) {
  const Look& look = frame.look;
  const ImVec2 at = ImGui::GetWindowPos(), size = ImGui::GetWindowSize();
  const float bar = look.px(36);
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const float tabs_end = draw_tabs(frame, at.x + look.px(12), at.y, bar);
  const float options =
      draw_stage_options(frame, {.tabs_end = tabs_end, .right = at.x + size.x - look.px(16), .top = at.y, .height = bar});
  const double hair = std::max(1.0f, std::floor(look.scale));
  const double top = std::floor(at.y + bar + options);
  fill_rect(list, {at.x, top - hair, size.x, hair}, frame.theme.border);

  Rect area{at.x, top, size.x, at.y + size.y - top};
  if (frame.session.view.stage == StageView::kTrain) {
    frame.state.hovered_head.reset();
    draw_train(frame, area);
    return;
  }
  if (frame.session.view.stage == StageView::kCard) {
    frame.state.hovered_head.reset();
    draw_card(frame, area);
    return;
  }
  if (frame.session.view.stage == StageView::kDecode) {
    frame.state.hovered_head.reset();
    draw_decode(frame, area);
    return;
  }
  if (frame.session.view.stage == StageView::kCost) {
    frame.state.hovered_head.reset();
    draw_cost(frame, area);
    return;
  }
  const double failure = draw_failure(frame, area);
  area.y += failure;
  area.h -= failure;
  if (frame.session.view.stage == StageView::kSpeed) {
    frame.state.hovered_head.reset();
    draw_speed(frame, area);
    return;
  }
  const double stacks = draw_stack_tabs(frame, area);
  area.y += stacks;
  area.h -= stacks;
  const double margin = look.px(12);
  area = {area.x + margin, area.y + margin, area.w - 2 * margin, area.h - 2 * margin};
  if (frame.snapshot == nullptr) {
    draw_waiting(frame, area);
    return;
  }
  area.h -= draw_depth_card(frame, area);
  constexpr double presenter_zoom = 1.4;
  const StageView stage = frame.session.view.stage;
  const FigureAnswer answer = draw_figure(
      frame,
      {.kind = kind_of(stage), .name = "stage", .area = area, .zoom = frame.model.settings.is_presenter ? presenter_zoom : 1.0});
  wheel_and_drag(frame, area, answer);
  draw_refining(frame, area);
  frame.state.hovered_head = answer.is_hovered && stage == StageView::kHeads ? head_of(answer.hover) : std::nullopt;
}

}  // namespace headroom
