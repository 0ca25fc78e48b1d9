#include "app/views/bottom_panels.h"

#include <imgui.h>

#include <array>
#include <cmath>

#include "app/views/figures.h"
#include "app/widgets/controls.h"
#include "core/figure/lens_figure.h"

namespace headroom {
namespace {

struct Tab {
  const char* name;
  const char* label;
  const char* tip;
  BottomPanel panel;
};
constexpr std::array<Tab, 3> kTabs{{
    {"strip/tab/timing", "Times", "Times of the last pass and the KV cache: what the shape costs.", BottomPanel::kTiming},
    {"strip/tab/lens", "Lens",
     "Logit lens\nWhat each layer would say next, were it the last: its residual stream through the model's final norm and output "
     "head (key g).",
     BottomPanel::kLens},
    {"strip/tab/write", "Write", "The model writes on after the text, and every view shows what each step looked at (key w).",
     BottomPanel::kWrite},
}};

}  // namespace

double draw_bottom_tabs(const Frame& frame, const Rect& area) {
  const Look& look = frame.look;
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const double width = look.px(64), height = look.px(26);
  double y = area.y;
  for (const Tab& tab : kTabs) {
    ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(area.x), static_cast<float>(y)));
    const ItemState state = item(
        look, {.name = tab.name, .w = static_cast<float>(width - look.px(8)), .h = static_cast<float>(height), .tooltip = tab.tip});
    const bool is_shown = frame.session.view.bottom == tab.panel;
    if (is_shown) {
      fill_rect(list, state.rect, frame.theme.raised);
      fill_rect(list, {state.rect.x, state.rect.y, std::max(2.0f, std::floor(2 * look.scale)), state.rect.h}, frame.theme.accent);
    }
    TextStyle style = small_text(look);
    style.color = is_shown || state.is_hovered ? frame.theme.text : frame.theme.text_dim;
    const TextExtent extent = text_extent(look, tab.label, style);
    draw_text(look, list, {state.rect.x + look.px(9), state.rect.y + (state.rect.h - extent.h) / 2}, tab.label, style);
    if (state.is_hovered) ImGui::SetMouseCursor(ImGuiMouseCursor_Hand);
    if (state.is_clicked && !is_shown) frame.send(BottomPanelSet{tab.panel}, "bottom");
    y += height + look.px(2);
  }
  return width;
}

void draw_lens_panel(const Frame& frame, const Rect& area) {
  if (frame.snapshot != nullptr && frame.snapshot->trace != nullptr && frame.snapshot->seq() > 0 &&
      why_no_lens(*frame.snapshot).empty()) {
    const std::int64_t token = lens_token(frame.session.view, *frame.snapshot);
    if (frame.model.lens.of(frame.snapshot->trace, token) == nullptr) frame.command(LookThrough{token});
  }
  draw_figure(frame, {.kind = FigureKind::kLens, .name = "strip/lens", .area = area});
}

}  // namespace headroom
