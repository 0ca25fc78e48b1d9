#include <algorithm>

#include "core/figure/arithmetic_panel.h"
#include "core/figure/head_picture.h"
#include "core/figure/number_text.h"
#include "core/figure/stored_cell.h"
#include "core/figure/tile_items.h"

namespace headroom {
namespace {

constexpr double kTitleHeight = 28;

std::optional<std::int64_t> inside(const std::optional<std::int64_t>& index, std::int64_t n) {
  return index && *index >= 0 && *index < n ? index : std::nullopt;
}

void draw_title(Canvas& canvas, const Rect& area, const HeadRef& head) {
  const FigureInput& input = canvas.input();
  TextStyle name = canvas.body();
  name.face = FontFace::kSansMedium;
  const double middle = area.y + kLine / 2;
  const double used =
      canvas.text({area.x, middle}, "Layer " + std::to_string(head.layer) + ", head " + std::to_string(head.head), name, area.w);
  std::string detail = shown_quantity(input, head) == Quantity::kScores ? "scores before softmax" : "probabilities after softmax";
  const auto& heads = input.snapshot->heads;
  const auto layer = static_cast<std::size_t>(head.layer), index = static_cast<std::size_t>(head.head);
  if (layer < heads.size() && index < heads[layer].size() && heads[layer][index].has_pattern) {
    const HeadMetrics& m = heads[layer][index];
    detail +=
        " · measured: " + std::string(pattern_name(m.strongest)) + " " + fixed(m.scores[static_cast<std::size_t>(m.strongest)], 2);
  }
  canvas.parts({area.x + used + 12, middle}, detail, canvas.faint(), area.w - used - 12);
}

void draw_pruned(Canvas& canvas, const Rect& area) {
  const double side = std::max(16.0, std::min({area.w, area.h - 2 * kLine, 400.0}));
  const Rect square{area.x, area.y, side, side};
  canvas.fill(square, mix(canvas.theme().panel, canvas.theme().masked, 0.6));
  canvas.add(Hatch{.rect = square, .color = with_alpha(canvas.theme().text_faint, 0.55), .spacing = 10});
  canvas.outline(square, canvas.theme().border);
  canvas.paragraph({area.x, square.y + side + 8, area.w, 0},
                   canvas.input().snapshot->capture ? "This head is not in the capture: nothing is known of it."
                                                    : "This head is pruned: its rows and columns are gone from the model and it "
                                                      "computes nothing. Ctrl-click it or press p to "
                                                      "restore it.",
                   canvas.small(), 2);
}

}  // namespace

Figure head_figure(const FigureInput& input) {
  const std::string title = "One attention head";
  if (!has_trace(input)) {
    return message_figure(input, title,
                          {"No picture yet", "Type a sentence: the chosen head will show here where its tokens look."});
  }
  const View& view = input.session.view;
  const Snapshot& snapshot = *input.snapshot;
  if (view.head && view.head->layer >= std::ssize(snapshot.trace->layers) && snapshot.is_long) {
    return message_figure(
        input, title,
        {"Layer " + std::to_string(view.head->layer) + " is not computed",
         "Of a text this long the first layer is computed at first, deeper ones when they are asked for; a click on a "
         "head among all heads (key 1) opens one that is there."});
  }
  if (!view.head || !exists(snapshot, *view.head)) {
    return message_figure(
        input, title, {"No head is chosen", "Click a head among all heads (key 1), or move with the arrow keys and press Enter."});
  }
  Canvas canvas(input, "Layer " + std::to_string(view.head->layer) + ", head " + std::to_string(view.head->head) +
                           ": where each token looks");
  const double margin = input.size.w >= 480 ? 8 : 4;
  Rect area{margin, margin, input.size.w - 2 * margin, input.size.h - 2 * margin};
  draw_title(canvas, area, *view.head);
  area.y += kTitleHeight;
  area.h -= kTitleHeight;
  if (is_pruned_in(snapshot, *view.head)) {
    draw_pruned(canvas, area);
    return canvas.take();
  }
  HeadPicture head{.head = *view.head, .query = {}, .key = {}, .area = area};
  head.query = inside(view.query, std::ssize(snapshot.tokens));
  head.key = inside(view.key, std::ssize(snapshot.keys()));
  if (head.query && head.key) {
    const CellRef cell{head.head, *head.query, *head.key};
    const double wide = std::clamp(area.w * 0.36, 240.0, 360.0);
    if (area.w >= 560 && area.w >= area.h * 0.9) {
      head.area.w -= wide + 24;
      const Rect panel{area.x + area.w - wide, area.y, wide, area.h};
      canvas.panel_title({panel.x, panel.y}, is_stored(snapshot, head.head.layer) ? "THE CELL" : "q·k BY DIMENSION", "", panel.w);
      draw_arithmetic(canvas, {panel.x, panel.y + 24, panel.w, panel.h - 24}, cell);
    } else if (area.h >= 520 && area.w >= kArithmeticWidth) {
      const double tall = std::clamp(area.h * 0.4, kArithmeticHeight + 24.0, 400.0);
      head.area.h -= tall + 12;
      const Rect panel{area.x, area.y + area.h - tall, std::min(area.w, 480.0), tall};
      canvas.panel_title({panel.x, panel.y}, is_stored(snapshot, head.head.layer) ? "THE CELL" : "q·k BY DIMENSION", "", panel.w);
      draw_arithmetic(canvas, {panel.x, panel.y + 24, panel.w, panel.h - 24}, cell);
    } else {
      head.area.h -= kLine;
      const Cell values = evaluate_cell(*snapshot.trace, head.head.layer, head.head.head, cell.query, cell.key);
      const std::string text = "Chosen cell: score " + fixed(values.score, 3) + " nats, " +
                               (values.is_visible ? "probability " + probability_text(values.probability) : std::string("masked"));
      canvas.text({area.x, area.y + area.h - kLine / 2}, text, canvas.small(), area.w);
    }
  }
  view.drawing == HeadDrawing::kArcs ? draw_arcs(canvas, head) : draw_heatmap(canvas, head);
  return canvas.take();
}

}  // namespace headroom
