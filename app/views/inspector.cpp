#include <imgui.h>

#include <algorithm>
#include <string>

#include "app/views/depth_card.h"
#include "app/views/figures.h"
#include "app/views/train.h"
#include "app/widgets/controls.h"

namespace headroom {
namespace {

void head_title(const Frame& frame, const HeadRef& head) {
  const Look& look = frame.look;
  const bool is_pruned = std::binary_search(frame.session.compute.pruned.begin(), frame.session.compute.pruned.end(), head);
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float width = ImGui::GetContentRegionAvail().x;
  const TextStyle style{.face = FontFace::kSansMedium, .size = kHeadingSize, .color = frame.theme.text};
  draw_text(look, *ImGui::GetWindowDrawList(), {at.x, at.y},
            "Layer " + std::to_string(head.layer) + ", head " + std::to_string(head.head), style);
  const Compute& compute = frame.session.compute;
  const bool is_of_decoder = compute.trained.kind == ModelKind::kEncoderDecoder && compute.stack != AttentionStack::kEncoder;
  if (is_of_decoder || compute.model_source == ModelSource::kCapture) {  // its heads cannot be taken out
    ImGui::SetCursorScreenPos(ImVec2(at.x, at.y + look.px(26)));
    return;
  }
  const char* label = is_pruned ? "Restore" : "Prune";
  ImGui::SetCursorScreenPos(ImVec2(at.x + width - button_width(look, label), at.y - look.px(2)));
  if (button(
          look,
          {.name = "inspector/prune",
           .label = label,
           .tooltip = is_pruned
                          ? "Puts this head back into the model (key p)."
                          : "Takes this head out of the model: its rows of W_Q and columns of W_O are really removed (key p)."})) {
    frame.send(HeadPruneToggled{head});
  }
  gap(look, 4);
}

void notices(const Frame& frame) {
  // What a capture tells of itself stands in the rail.
  if (frame.snapshot == nullptr || frame.snapshot->notices.empty() || frame.snapshot->capture) return;
  TextStyle style = small_text(frame.look);
  style.color = frame.theme.text;
  constexpr std::size_t max_notices = 4;
  const auto& all = frame.snapshot->notices;
  for (std::size_t i = 0; i < std::min(max_notices, all.size()); ++i) {
    if (i > 0) gap(frame.look, 6);
    const Card card(frame.look, frame.theme.warning_panel, frame.theme.warning_border);
    paragraph(frame.look, imgui_drawable(all[i], FontFace::kSans), style);
  }
  gap(frame.look, 8);
}

void how_to_choose(const Frame& frame) {
  const Look& look = frame.look;
  TextStyle title{.face = FontFace::kSansMedium, .size = kHeadingSize, .color = frame.theme.text};
  paragraph(look, "No head is chosen", title);
  gap(look, 4);
  paragraph(look,
            "Each small square is one attention head: rows are the tokens that look (queries), columns the tokens looked at "
            "(keys), bright is a high "
            "probability.",
            small_text(look));
  gap(look, 8);
  struct Hint {
    const char* key;
    const char* text;
  };
  constexpr Hint hints[] = {{"Hover", "query, key, score and probability of a cell"},
                            {"Click", "opens the head"},
                            {"Ctrl+click", "prunes it, or puts it back"},
                            {"← → ↑ ↓", "choose a head by keys, Enter opens it"},
                            {"F1", "all keys"}};
  for (const Hint& hint : hints) {
    const ImVec2 at = ImGui::GetCursorScreenPos();
    TextStyle key{.face = FontFace::kSansMedium, .size = kSmallTextSize, .color = frame.theme.text};
    draw_text(look, *ImGui::GetWindowDrawList(), {at.x, at.y}, hint.key, key);
    const float indent = look.px(84);
    ImGui::Indent(indent);
    paragraph(look, hint.text, small_text(look));
    ImGui::Unindent(indent);
    gap(look, 5);
  }
}

}  // namespace

void draw_inspector(const Frame& frame) {
  if (frame.session.view.stage == StageView::kTrain) {
    draw_train_inspector(frame);
    return;
  }
  notices(frame);
  const View& view = frame.session.view;
  if (!view.head || frame.snapshot == nullptr) {
    how_to_choose(frame);
    return;
  }
  head_title(frame, *view.head);
  if (frame.snapshot->is_long && lacks_layer(frame)) {
    paragraph(
        frame.look,
        "This layer is not computed: of a long text the first layer comes at once, and a deeper one follows from a full pass over "
        "all that lies below it. The card under the picture says what that takes. A head of layer 0 can be looked at now.",
        small_text(frame.look));
    return;
  }
  const double scale = frame.look.scale;
  const double width = ImGui::GetContentRegionAvail().x;
  panel_figure(frame, {FigureKind::kHeadCard, "inspector/head", std::max(width * 1.5, 420 * scale)});
  if (view.query && view.key) {
    rule(frame.look);
    heading(frame.look, "ARITHMETIC OF THE CELL");
    panel_figure(frame, {FigureKind::kCell, "inspector/cell", std::max(width * 2, 560 * scale)});
  } else {
    rule(frame.look);
    paragraph(frame.look,
              "Click a cell to see how its probability comes about: q·k by dimension, scale, mask, exponential and sum, in numbers "
              "that add up.",
              small_text(frame.look));
  }
  gap(frame.look, 8);
}

}  // namespace headroom
