#include <imgui.h>

#include <algorithm>
#include <string>

#include "app/views/context.h"
#include "app/views/loss_line.h"
#include "app/views/numbers.h"
#include "app/widgets/controls.h"

namespace headroom {
namespace {

void removed_chips(const Frame& frame) {
  constexpr std::size_t max_chips = 64;
  const std::vector<HeadRef>& pruned = frame.session.compute.pruned;
  const float left = ImGui::GetCursorScreenPos().x, right = left + ImGui::GetContentRegionAvail().x;
  float x = left, y = ImGui::GetCursorScreenPos().y;
  for (std::size_t i = 0; i < std::min(pruned.size(), max_chips); ++i) {
    const std::string label = "L" + std::to_string(pruned[i].layer) + " H" + std::to_string(pruned[i].head);
    const float width = chip_width(frame.look, label, FontFace::kMono);
    if (x > left && x + width > right) {
      x = left;
      y += frame.look.px(24);
    }
    ImGui::SetCursorScreenPos(ImVec2(x, y));
    const std::string name = "rail/removed " + label;
    const Chip spec{.name = name,
                    .label = label,
                    .tooltip = "Removed. Click to put this head back.",
                    .fill = frame.theme.raised,
                    .text = frame.theme.text_dim,
                    .border = {},
                    .face = FontFace::kMono};
    if (chip(frame.look, spec).is_clicked) frame.send(HeadPruneToggled{pruned[i]});
    x += width + frame.look.px(4);
  }
  ImGui::SetCursorScreenPos(ImVec2(left, y + frame.look.px(26)));
  ImGui::Dummy(ImVec2(0, 0));
  if (pruned.size() > max_chips)
    paragraph(frame.look, "and " + std::to_string(pruned.size() - max_chips) + " more", small_text(frame.look));
}

}  // namespace

void rail_pruning(const Frame& frame) {
  heading(frame.look, "PRUNING");
  const Compute& compute = frame.session.compute;
  const bool has_encoder = compute.trained.kind == ModelKind::kEncoderDecoder;
  const std::int64_t total = layers_of(compute.trained, AttentionStack::kEncoder) * compute.n_heads;
  label_and_number(
      frame, "removed",
      std::to_string(compute.pruned.size()) + " / " + std::to_string(total) + (has_encoder ? " encoder heads" : " heads"),
      frame.theme.text,
      "Heads removed\nRows of W_Q and columns of W_O are really taken out, and W_K, W_V where no head reads them any more.");
  if (has_encoder && compute.stack != AttentionStack::kEncoder) {
    paragraph(frame.look,
              "Of this model the encoder's heads can be removed, in its Encoder tab; what that does to the others shows here.",
              small_text(frame.look));
    return;
  }
  if (compute.pruned.empty()) {
    paragraph(frame.look, "Ctrl+click a head, or press p over it, to remove it from the model and see what the loss says.",
              small_text(frame.look));
    return;
  }
  loss_line(frame, "pruning");
  gap(frame.look, 2);
  removed_chips(frame);
  if (button(frame.look,
             {.name = "rail/clear_pruning", .label = "Put all back", .tooltip = "Puts every removed head back into the model."})) {
    frame.send(PruningCleared{});
  }
  heal_offer(frame, "rail/heal_pruned");
}

}  // namespace headroom
