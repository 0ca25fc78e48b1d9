#include "app/views/cost.h"

#include <imgui.h>

#include <algorithm>
#include <array>
#include <string>

#include "app/views/context.h"
#include "app/views/figures.h"
#include "app/widgets/controls.h"

namespace headroom {
namespace {

constexpr std::array<MenuChoice, 2> kPages{{
    {"cost/page/plan", "Plan", "What fits, how fast it can be, and what each choice saves."},
    {"cost/page/arithmetic", "Arithmetic", "Every figure with its formula and its numbers, and what is assumed."},
}};

void pages(const Frame& frame, const Rect& area) {
  const Look& look = frame.look;
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(area.x) + look.px(14), static_cast<float>(area.y) + look.px(8)));
  CostScratch& scratch = frame.state.cost;
  if (const auto page = segmented(look, kPages, static_cast<int>(scratch.page), look.px(220)))
    scratch.page = static_cast<CostScratch::Page>(*page);
}

/// As tall as its lines need; it is scrolled.
void arithmetic(const Frame& frame, const Rect& area) {
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(area.x), static_cast<float>(area.y)));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(0, 0));
  ImGui::BeginChild("cost arithmetic", ImVec2(static_cast<float>(area.w), static_cast<float>(area.h)), false);
  panel_figure(frame, {.kind = FigureKind::kCostArithmetic, .name = "stage", .max_height = area.h});
  ImGui::EndChild();
  ImGui::PopStyleVar();
}

}  // namespace

void draw_cost(const Frame& frame, const Rect& area) {
  const double used = frame.model.settings.is_presenter ? 0 : frame.look.px(42);
  if (used > 0) pages(frame, area);
  const Rect place{area.x, area.y + used, area.w, area.h - used};
  if (place.h < 40) return;
  if (frame.state.cost.page == CostScratch::Page::kArithmetic && used > 0) {
    arithmetic(frame, place);
    return;
  }
  // A plan has a fixed number of lines: a large window shows them larger, not more of them.
  constexpr double kUsualWidth = 1060, kUsualHeight = 640, kMostZoom = 1.5, kPresenterZoom = 1.25;
  const double room = std::min(place.w / frame.look.scale / kUsualWidth, place.h / frame.look.scale / kUsualHeight);
  const double least = frame.model.settings.is_presenter ? kPresenterZoom : 1.0;
  draw_figure(frame, {.kind = FigureKind::kCost, .name = "stage", .area = place, .zoom = std::clamp(room, least, kMostZoom)});
}

}  // namespace headroom
