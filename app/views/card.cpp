#include "app/views/card.h"

#include <imgui.h>

#include <algorithm>
#include <array>
#include <string>

#include "app/views/context.h"
#include "app/views/figures.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

/// The two pages, where there are tensors to look at. Returns the height used.
double pages(const Frame& frame, const Rect& area) {
  const ShownCard* shown = frame.model.cards.shown.get();
  if (shown == nullptr || !shown->tensors || frame.model.cards.beside) return 0;
  const Look& look = frame.look;
  const std::string tensors = "Tensors (" + count_text(static_cast<std::int64_t>(shown->tensors->tensors.size())) + ")";
  const std::array<MenuChoice, 2> choices{{
      {"card/page/card", "Card", "What the configuration tells, with its arithmetic."},
      {"card/page/tensors", tensors, "Every tensor in the files: name, type, shape, bytes. Only headers are read."},
  }};
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(area.x) + look.px(14), static_cast<float>(area.y) + look.px(8)));
  CardScratch& scratch = frame.state.card;
  if (const auto page = segmented(look, choices, static_cast<int>(scratch.page), look.px(260)))
    scratch.page = static_cast<CardScratch::Page>(*page);
  return look.px(42);
}

}  // namespace

void draw_card(const Frame& frame, const Rect& area) {
  const double used = pages(frame, area);
  const Rect place{area.x, area.y + used, area.w, area.h - used};
  if (place.h < 40) return;
  const ShownCard* shown = frame.model.cards.shown.get();
  const bool has_table = used > 0 && shown->tensors != nullptr;
  if (has_table && frame.state.card.page == CardScratch::Page::kTensors) {
    draw_card_tensors(frame, place);
    return;
  }
  // A card has a fixed number of lines: a large window shows them larger, not more of them.
  constexpr double kUsualWidth = 1060, kUsualHeight = 680, kMostZoom = 1.5, kPresenterZoom = 1.25;
  const double room = std::min(place.w / frame.look.scale / kUsualWidth, place.h / frame.look.scale / kUsualHeight);
  const double least = frame.model.settings.is_presenter ? kPresenterZoom : 1.0;
  const double zoom = std::clamp(room, least, kMostZoom);
  draw_figure(frame, {.kind = FigureKind::kCard, .name = "stage", .area = place, .zoom = zoom});
}

}  // namespace headroom
