#include <imgui.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <string>

#include "app/views/context.h"
#include "app/views/loss_line.h"
#include "app/views/numbers.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"
#include "core/session/offered_heads.h"

namespace headroom {
namespace {

bool is_lab(const Compute& compute) { return compute.parameters == ParameterSource::kLab; }

void update_values(const Frame& frame) {
  UiScratch::State& state = frame.state;
  if (state.values_session == state.content_version) return;
  state.values_session = state.content_version;
  const Compute& compute = frame.session.compute;
  state.kv_values = is_lab(compute) ? valid_lab_kv_heads(compute.n_heads)
                                    : valid_kv_heads(compute.trained, compute.n_heads, compute.trained.positions);
  state.d_model_values = valid_lab_d_models();
  // The trained width can always be gone back to.
  const auto at = std::lower_bound(state.d_model_values.begin(), state.d_model_values.end(), compute.d_model);
  if (at == state.d_model_values.end() || *at != compute.d_model) state.d_model_values.insert(at, compute.d_model);
  if (state.kv_values.empty()) state.kv_values.push_back(1);
  const std::int64_t d_head = compute.n_heads > 0 ? compute.d_head() : 0;
  const std::int64_t sharing = compute.n_kv_heads > 0 ? compute.n_heads / compute.n_kv_heads : 0;
  state.facts_shape =
      "d_k = " + std::to_string(compute.d_model) + " / " + std::to_string(compute.n_heads) + " = " + std::to_string(d_head) + " · ";
  if (compute.n_kv_heads == compute.n_heads) {
    state.facts_shape += "MHA, every query head has its own K/V";
  } else if (compute.n_kv_heads == 1) {
    state.facts_shape += "MQA, all queries share one K/V";
  } else {
    state.facts_shape += "GQA, " + std::to_string(sharing) + " queries share one K/V";
  }
}

/// Sends the action and keeps what reduce has to say about it below the sliders.
void set_shape(const Frame& frame, const Action& action, const char* group) {
  frame.state.notice = reduce(frame.session, action).notice;
  frame.state.notice_session = frame.state.session_version;
  frame.send(action, group);
}

void sliders(const Frame& frame) {
  const UiScratch::State& state = frame.state;
  const Compute& compute = frame.session.compute;
  // Asked each frame: a snapshot may tell of the model what the session does not.
  const OfferedHeads heads = offered_heads(compute, frame.snapshot);
  std::string tooltip =
      "h, the number of heads\nd_model is split evenly, so d_k = d_model / h must be whole. Another h cuts the trained matrices at "
      "other places: cheap to try, and it shows what training had settled on.";
  if (!heads.why.empty()) tooltip += "\nThis model has no other: " + heads.why + ".";
  if (const auto h = value_slider(
          frame.look, {.name = "rail/h", .label = "h", .tooltip = tooltip, .values = heads.values, .value = compute.n_heads})) {
    set_shape(frame, HeadsCountSet{*h}, "h");
  }
  if (const auto d = value_slider(
          frame.look,
          {.name = "rail/d_model",
           .label = "d_model",
           .tooltip = "d_model, the width of the residual stream\nNumbers that stand for one token between blocks. Another width "
                      "is another model: it starts in the lab with seeded random parameters.",
           .values = state.d_model_values,
           .value = compute.d_model})) {
    set_shape(frame, DModelSet{*d}, "d_model");
  }
  if (const auto kv = value_slider(
          frame.look,
          {.name = "rail/kv_heads",
           .label = "kv_heads",
           .tooltip =
               "kv_heads, the number of key/value heads\nQuery heads share K and V in groups, so kv_heads must divide h. Fewer "
               "make the KV cache smaller; the trained projections of a group are averaged (mean pooling).",
           .values = state.kv_values,
           .value = compute.n_kv_heads})) {
    set_shape(frame, KvHeadsSet{*kv}, "kv_heads");
  }
}

/// What was done to the trained shape, in words; empty when nothing was.
std::string surgery_text(const Compute& compute) {
  std::string text;
  const auto change = [](std::int64_t from, std::int64_t to) { return std::to_string(from) + " → " + std::to_string(to); };
  if (compute.n_heads != compute.trained.n_heads) text = "Sliced " + change(compute.trained.n_heads, compute.n_heads) + " heads";
  const auto valid = valid_kv_heads(compute.trained, compute.n_heads, compute.trained.positions);
  const std::int64_t unpooled = valid.empty() ? compute.n_kv_heads : valid.back();
  if (compute.n_kv_heads != unpooled) {
    text += std::string(text.empty() ? "Pooled " : ", pooled ") + change(unpooled, compute.n_kv_heads) + " K/V heads";
  }
  if (!text.empty() && !compute.pruned.empty()) {
    text += ", " + std::to_string(compute.pruned.size()) + (compute.pruned.size() == 1 ? " head removed" : " heads removed");
  }
  const bool has_other_mask =
      compute.mask.direction != own_direction(compute.trained) || compute.mask.pattern.kind != PatternKind::kDense;
  if (!text.empty() && has_other_mask) text += ", another mask";
  return text;
}

void loss_card(const Frame& frame) {
  const Compute& compute = frame.session.compute;
  const std::string surgery = surgery_text(compute);
  if (surgery.empty()) return;
  gap(frame.look, 6);
  const Card card(frame.look, frame.theme.warning_panel, frame.theme.warning_border);
  TextStyle style = small_text(frame.look);
  style.color = frame.theme.text;
  const HeldOutLoss* loss = held_out_now(frame);
  if (loss == nullptr) {
    paragraph(frame.look, surgery + ". Measuring the loss on held-out text…", style);
    return;
  }
  paragraph(frame.look, surgery + ": loss", style);
  const std::string numbers = decimal(loss->before, 2) + " → " + decimal(loss->after, 2) + " nats a token";
  TextStyle strong{.face = FontFace::kSansMedium,
                   .size = kTextSize,
                   .color = loss->after > loss->before * 1.05 ? frame.theme.warning : frame.theme.good};
  gap(frame.look, 3);
  paragraph(frame.look, numbers, strong);
  gap(frame.look, 4);
  const bool is_sliced = compute.n_heads != compute.trained.n_heads;
  std::string verdict = "measured on " + count_text(loss->n_tokens) +
                        (loss->of == LossOf::kHiddenTokens ? " hidden tokens of held-out text. " : " held-out tokens. ");
  verdict +=
      is_sliced
          ? (compute.trained.positions == PositionKind::kRotary
                 ? "Slicing anew breaks the model: rotary positions turn other pairs of dimensions now. Training would heal it."
                 : "Slicing anew sums other products in each score; the learned positions stay. Training would heal it.")
      : loss->after > loss->before * 1.05 ? "Training would heal it."
                                          : "It hardly matters.";
  paragraph(frame.look, verdict, small_text(frame.look));
  heal_offer(frame, "rail/heal");
}

void lab_card(const Frame& frame) {
  const Compute& compute = frame.session.compute;
  gap(frame.look, 6);
  const Card card(frame.look, frame.theme.warning_panel, frame.theme.warning_border);
  TextStyle style{.face = FontFace::kSansMedium, .size = kSmallTextSize, .color = frame.theme.warning};
  paragraph(frame.look, "Lab: untrained", style);
  gap(frame.look, 3);
  paragraph(frame.look, "Seeded random parameters. Timing and memory are real; the patterns mean nothing.", small_text(frame.look));
  gap(frame.look, 2);
  const ImVec2 at = ImGui::GetCursorScreenPos();
  draw_text(frame.look, *ImGui::GetWindowDrawList(), {at.x, at.y + frame.look.px(5)}, "seed", small_text(frame.look));
  ImGui::SetCursorScreenPos(ImVec2(at.x + frame.look.px(40), at.y));
  ImGui::SetNextItemWidth(frame.look.px(96));
  auto& buffer = frame.state.seed;
  if (frame.state.seed_of != compute.lab_seed) {  // the session changed it, or this is its first frame
    frame.state.seed_of = compute.lab_seed;
    std::snprintf(buffer.data(), buffer.size(), "%llu", static_cast<unsigned long long>(compute.lab_seed));
  }
  bool is_edited = false;
  {
    const FontScope mono(FontFace::kMono, kSmallTextSize);
    is_edited = ImGui::InputText("##seed", buffer.data(), buffer.size(), ImGuiInputTextFlags_CharsDecimal);
  }
  tooltip(frame.look, "The seed of the random numbers: the same one gives the same model again.");
  record_last_item("rail/seed");
  if (is_edited) {
    std::uint64_t seed = 0;
    const char* begin = buffer.data();
    const char* end = begin + std::char_traits<char>::length(begin);
    if (std::from_chars(begin, end, seed).ec == std::errc{}) {
      frame.state.seed_of = seed;
      frame.send(LabSeedSet{seed}, "seed");
    }
  }
}

}  // namespace

void rail_shape(const Frame& frame) {
  const Compute& compute = frame.session.compute;
  heading(frame.look, "SHAPE");
  update_values(frame);
  sliders(frame);
  gap(frame.look, 2);
  paragraph(frame.look, frame.state.facts_shape, small_text(frame.look));

  UiScratch::State& state = frame.state;
  if (!state.notice.empty() && state.session_version <= state.notice_session + 1) {
    TextStyle style = small_text(frame.look);
    style.color = frame.theme.warning;
    gap(frame.look, 2);
    paragraph(frame.look, state.notice, style);
  }
  if (is_lab(compute)) {
    lab_card(frame);
  } else {
    loss_card(frame);
  }
  const bool is_changed = is_lab(compute) || compute.n_heads != compute.trained.n_heads ||
                          compute.n_kv_heads != compute.trained.n_kv_heads || compute.d_model != compute.trained.d_model;
  if (is_changed) {
    gap(frame.look, 6);
    if (button(frame.look, {.name = "rail/reset_shape",
                            .label = "Reset shape",
                            .tooltip = "Back to the shape and parameters as trained, nothing pruned."})) {
      state.notice.clear();
      frame.send(ShapeReset{});
    }
  }
}

}  // namespace headroom
