#include "app/views/loss_line.h"

#include <imgui.h>

#include <cmath>

#include "app/views/numbers.h"
#include "app/widgets/controls.h"

namespace headroom {

void label_and_number(const Frame& frame, const char* label, const std::string& number, Color color, const char* tip) {
  const Look& look = frame.look;
  const ItemState state = item(
      look, {.name = label, .w = ImGui::GetContentRegionAvail().x, .h = look.px(20), .tooltip = tip, .focusable = Focusable::kNo});
  ImDrawList& list = *ImGui::GetWindowDrawList();
  draw_text(look, list, {state.rect.x, state.rect.y + look.px(3)}, label, small_text(look));
  TextStyle style = number_text(look);
  style.color = color;
  const TextExtent extent = text_extent(look, number, style);
  draw_text(look, list, {state.rect.x + state.rect.w - extent.w, state.rect.y + look.px(3)}, number, style);
}

void loss_line(const Frame& frame, const char* section) {
  ImGui::PushID(section);
  const HeldOutLoss* loss = held_out_now(frame);
  constexpr const char* tip =
      "Loss on held-out text\nMean of −log(probability of the next token), in nats a token, measured for the model as opened and "
      "as it stands "
      "now: shape, mask and removed heads. Lower is better.";
  if (loss == nullptr) {
    label_and_number(frame, "loss", "measuring…", frame.theme.text_dim, tip);
    ImGui::PopID();
    return;
  }
  const double change = loss->before > 0 ? (loss->after / loss->before - 1) * 100 : 0;
  const std::string sign = change < 0 ? "−" : "+";
  const std::string number =
      decimal(loss->before, 3) + " → " + decimal(loss->after, 3) + " nats " + sign + decimal(std::abs(change), 1) + " %";
  const Color color = change > 20 ? frame.theme.bad : change > 5 ? frame.theme.warning : frame.theme.good;
  label_and_number(frame, "loss", number, color, tip);
  ImGui::PopID();
}

}  // namespace headroom
