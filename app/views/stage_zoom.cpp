#include "app/views/stage_zoom.h"

#include <imgui.h>

#include <algorithm>
#include <cmath>

#include "core/figure/head_window.h"

namespace headroom {
namespace {

constexpr double kWheelStep = 1.25;
constexpr double kLargestHeadsZoom = 16;

bool has_tokens(const Frame& frame) { return frame.snapshot != nullptr && frame.snapshot->seq() > 0; }
/// Where has_tokens.
HeadSize size_of(const Frame& frame) { return HeadSize(*frame.snapshot); }

bool shows_arcs(const Frame& frame) {
  return frame.session.view.stage == StageView::kHead && frame.session.view.drawing == HeadDrawing::kArcs;
}

/// The grid of heads, zoomed so that what lies under `at` (in [0, 1] of the place) stays there.
ZoomSet heads_zoomed(const View& view, double factor, Point at) {
  const double zoom = std::clamp(view.heads_zoom * factor, 1.0, kLargestHeadsZoom);
  const auto pan = [&](double share, double old_pan) {
    const double content = (old_pan * (view.heads_zoom - 1) + share) / view.heads_zoom;  // in [0, 1] of the whole grid
    return zoom <= 1 ? 0.0 : std::clamp((content * zoom - share) / (zoom - 1), 0.0, 1.0);
  };
  return {.zoom = zoom, .pan_x = pan(at.x, view.heads_pan_x), .pan_y = pan(at.y, view.heads_pan_y)};
}

/// Moved by so many widths and heights of the place.
ZoomSet heads_panned(const View& view, Point by) {
  const double over = view.heads_zoom - 1;
  const auto pan = [&](double old_pan, double step) { return over > 0 ? std::clamp(old_pan + step / over, 0.0, 1.0) : 0; };
  return {.zoom = view.heads_zoom, .pan_x = pan(view.heads_pan_x, by.x), .pan_y = pan(view.heads_pan_y, by.y)};
}

ZoomSet arcs_panned(const Frame& frame, double tokens) {
  const View& view = frame.session.view;
  const double n = has_tokens(frame) ? static_cast<double>(frame.snapshot->seq()) : 1;
  return {.zoom = view.zoom, .pan_x = view.pan_x, .pan_y = std::clamp(view.pan_y + tokens / n, 0.0, 1.0), .stretch = view.stretch};
}

Point share_in(const Rect& rect, Point at) {
  return {std::clamp((at.x - rect.x) / rect.w, 0.0, 1.0), std::clamp((at.y - rect.y) / rect.h, 0.0, 1.0)};
}

/// The head's large picture within its figure; null when there is none (a pruned head, arcs, no head chosen).
const CellGrid* head_grid(const FigureAnswer& answer) {
  return answer.figure == nullptr || answer.figure->cell_grids.empty() ? nullptr : &answer.figure->cell_grids.front();
}

void drag_overview(const Frame& frame, const FigureAnswer& answer) {
  UiScratch::State& state = frame.state;
  if (answer.hover.overview != nullptr && ImGui::IsMouseClicked(ImGuiMouseButton_Left)) state.is_dragging_overview = true;
  if (!ImGui::IsMouseDown(ImGuiMouseButton_Left)) state.is_dragging_overview = false;
  if (!state.is_dragging_overview || answer.figure == nullptr || answer.figure->overviews.empty()) return;
  const Overview& overview = answer.figure->overviews.front();
  const Point share = share_in(overview.rect, answer.at);
  const auto token = [](double part, std::int64_t n) {
    return std::min(n - 1, static_cast<std::int64_t>(part * static_cast<double>(n)));
  };
  const View& view = frame.session.view;
  const ZoomSet moved =
      centred_on(view, {overview.n_queries, overview.n_keys}, token(share.y, overview.n_queries), token(share.x, overview.n_keys));
  if (moved.pan_x != view.pan_x || moved.pan_y != view.pan_y) frame.send(moved, "zoom");
}

void pan_by_drag(const Frame& frame, const Rect& area, const FigureAnswer& answer) {
  const View& view = frame.session.view;
  const ImVec2 moved = ImGui::GetIO().MouseDelta;
  if (view.stage == StageView::kHeads) {
    frame.send(heads_panned(view, {-moved.x / area.w, -moved.y / area.h}), "zoom");
    return;
  }
  const CellGrid* grid = head_grid(answer);
  if (grid == nullptr) return;
  const TileRequest& r = grid->request;
  const double keys = static_cast<double>(r.col_end - r.col_begin) / (grid->rect.w * answer.scale);
  const double queries = static_cast<double>(r.row_end - r.row_begin) / (grid->rect.h * answer.scale);
  frame.send(panned(view, size_of(frame), {-moved.x * keys, -moved.y * queries}), "zoom");
}

void zoom_by_wheel(const Frame& frame, const Rect& area, const FigureAnswer& answer) {
  const View& view = frame.session.view;
  const double turned = static_cast<double>(ImGui::GetIO().MouseWheel), factor = std::pow(kWheelStep, turned);
  if (view.stage == StageView::kHeads) {
    const ImVec2 mouse = ImGui::GetIO().MousePos;
    const ZoomSet next = heads_zoomed(view, factor, share_in(area, {mouse.x, mouse.y}));
    if (next.zoom != view.heads_zoom) frame.send(next, "zoom");
    return;
  }
  if (shows_arcs(frame)) {
    frame.send(arcs_panned(frame, -3 * turned), "zoom");
    return;
  }
  const CellGrid* grid = head_grid(answer);
  if (grid == nullptr) return;
  const ZoomSet next = zoomed(view, size_of(frame), factor, share_in(grid->rect, answer.at));
  if (next.zoom != view.zoom || next.pan_x != view.pan_x || next.pan_y != view.pan_y) frame.send(next, "zoom");
}

}  // namespace

void wheel_and_drag(const Frame& frame, const Rect& area, const FigureAnswer& answer) {
  const StageView stage = frame.session.view.stage;
  if (stage != StageView::kHeads && stage != StageView::kHead) return;
  const ImGuiIO& io = ImGui::GetIO();
  if (answer.is_hovered && io.MouseWheel != 0) zoom_by_wheel(frame, area, answer);
  drag_overview(frame, answer);
  UiScratch::State& state = frame.state;
  const bool can_pan = is_zoomed(frame) && !state.is_dragging_overview;
  if (can_pan && answer.is_hovered && ImGui::IsMouseDragging(ImGuiMouseButton_Left, 4.0f)) state.is_panning = true;
  if (!ImGui::IsMouseDown(ImGuiMouseButton_Left) || !can_pan) state.is_panning = false;
  if (!state.is_panning) return;
  if (io.MouseDelta.x != 0 || io.MouseDelta.y != 0) pan_by_drag(frame, area, answer);
  ImGui::SetMouseCursor(ImGuiMouseCursor_ResizeAll);
}

bool is_zoomed(const Frame& frame) {
  const View& view = frame.session.view;
  if (view.stage == StageView::kHeads) return view.heads_zoom > 1;
  if (view.stage != StageView::kHead || !has_tokens(frame)) return false;
  const TokenWindow window = window_of(view, size_of(frame));
  return window.rows() < size_of(frame).queries || window.cols() < size_of(frame).keys;
}

bool can_zoom(const Frame& frame) {
  const View& view = frame.session.view;
  if (view.stage == StageView::kHeads) return view.heads_zoom < kLargestHeadsZoom;
  return view.stage == StageView::kHead && has_tokens(frame) && view.zoom < largest_zoom(size_of(frame)) && !shows_arcs(frame);
}

void zoom_step(const Frame& frame, double factor) {
  const View& view = frame.session.view;
  if (view.stage == StageView::kHeads) {
    frame.send(heads_zoomed(view, factor, {0.5, 0.5}), "zoom");
    return;
  }
  if (view.stage != StageView::kHead || !has_tokens(frame)) return;
  const HeadSize size = size_of(frame);
  Point focus{0.5, 0.5};
  const TokenWindow window = window_of(view, size);
  const auto share = [](std::int64_t token, std::int64_t begin, std::int64_t end) {
    return (static_cast<double>(token - begin) + 0.5) / static_cast<double>(end - begin);
  };
  if (view.query && view.key && window.contains(*view.query, *view.key)) {
    focus = {share(*view.key, window.col_begin, window.col_end), share(*view.query, window.row_begin, window.row_end)};
  }
  frame.send(zoomed(view, size, factor, focus), "zoom");
}

void pan_step(const Frame& frame, int right, int down) {
  const View& view = frame.session.view;
  if (view.stage == StageView::kHeads) {
    frame.send(heads_panned(view, {0.25 * right, 0.25 * down}), "zoom");
    return;
  }
  if (view.stage != StageView::kHead || !has_tokens(frame)) return;
  const HeadSize size = size_of(frame);
  const TokenWindow window = window_of(view, size);
  // At least a token, so that a quarter of few is still a step.
  const double keys = std::max(1.0, static_cast<double>(window.cols()) / 4) * right;
  const double queries = std::max(1.0, static_cast<double>(window.rows()) / 4) * down;
  frame.send(panned(view, size, {keys, queries}), "zoom");
}

}  // namespace headroom
