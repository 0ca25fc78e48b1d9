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

bool is_changed_model(const Compute& compute) {
  return compute.parameters == ParameterSource::kTrained &&
         (compute.n_heads != compute.trained.n_heads || compute.n_kv_heads != compute.trained.n_kv_heads ||
          !compute.pruned.empty());
}

void heal_offer(const Frame& frame, const char* name) {
  if (!is_changed_model(frame.session.compute) || frame.snapshot == nullptr) return;
  gap(frame.look, 4);
  if (link(frame.look, name, "Heal: train it on",
           "Heal\nOpens the Train stage with this model as it stands now: trained on for a little, most of the loss comes back. "
           "Then it can be "
           "used in all views."))
    frame.command(HealModel{});
}

void loss_line(const Frame& frame, const char* section) {
  ImGui::PushID(section);
  const HeldOutLoss* loss = held_out_now(frame);
  const bool is_hidden = frame.snapshot != nullptr && frame.snapshot->config.kind == ModelKind::kMasked;
  const char* const tip =
      is_hidden
          ? "Loss on held-out text\nMean of −log(probability of the right token) where one is hidden, in nats: about 15 in 100 "
            "tokens, always the same. Measured for the model as opened and as it stands now: shape, mask and removed heads."
          : "Loss on held-out text\nMean of −log(probability of the next token), in nats a token, measured for the model as "
            "opened and as it stands now: shape, mask and removed heads. Lower is better.";
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
