#include "core/figure/arithmetic_panel.h"
#include "core/figure/tile_items.h"

namespace headroom {

Figure cell_figure(const FigureInput& input) {
  const std::string title = "How one attention probability comes about";
  if (!has_trace(input)) return message_figure(input, title, {"No picture yet", "Type a sentence, then choose a cell of a head."});
  const View& view = input.session.view;
  const Snapshot& snapshot = *input.snapshot;
  const auto is_token = [](const std::optional<std::int64_t>& index, const std::vector<Token>& tokens) {
    return index && *index >= 0 && *index < std::ssize(tokens);
  };
  if (!view.head || !exists(snapshot, *view.head) || !is_token(view.query, snapshot.tokens) ||
      !is_token(view.key, snapshot.keys())) {
    return message_figure(
        input, title,
        {"No cell is chosen", "Open a head and click one of its cells: its q·k, scale, exponential and sum show here."});
  }
  if (is_pruned_in(snapshot, *view.head)) {
    if (snapshot.capture) return message_figure(input, title, {"This head is not in the capture", "Nothing is known of it."});
    return message_figure(input, title, {"This head is pruned", "It computes nothing. Restore it with Ctrl-click or p."});
  }
  Canvas canvas(input, title);
  const double height = draw_arithmetic(canvas, {0, 0, input.size.w, input.size.h}, {*view.head, *view.query, *view.key});
  canvas.set_height(std::min(input.size.h, height));
  return canvas.take();
}

}  // namespace headroom
