#pragma once

#include "app/views/context.h"

namespace headroom {

/// The figure of this kind for the frame's session and snapshot; built only when something that it shows changed.
const Figure& figure_of(const Frame& frame, FigureKind kind, Size size);

/// What a figure's place on the screen answers with.
struct FigurePlace {
  FigureKind kind = FigureKind::kHeads;
  const char* name = "";  ///< in the widget map; regions follow as name/region
  Rect area;              ///< ImGui's screen coordinates
  double zoom = 1;        ///< of the drawing itself: presenter view
  double reacting_h = 0;  ///< ImGui pixels of the area that react to the pointer; 0: all
};
struct FigureAnswer {
  bool is_hovered = false;
  Hover hover;                     ///< into the figure; valid until the next figure_of of this kind
  Point at;                        ///< pointer in the figure's own coordinates
  const Figure* figure = nullptr;  ///< likewise valid until then
  double scale = 1;                ///< screen pixels to a unit of the figure
};
/// Draws the figure, shows tooltips and sends the actions of what is clicked. Wheel, drags and overviews are the caller's.
FigureAnswer draw_figure(const Frame& frame, const FigurePlace& place);

/// A figure over the panel's whole inner width, at the cursor; as tall as the figure itself asks for, at most max_height ImGui pixels.
struct PanelFigure {
  FigureKind kind = FigureKind::kHeadCard;
  const char* name = "";
  double max_height = 0;
};
void panel_figure(const Frame& frame, const PanelFigure& spec);

/// The head that a hover is about.
std::optional<HeadRef> head_of(const Hover& hover);

}  // namespace headroom
