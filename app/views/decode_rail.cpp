#include <imgui.h>

#include <array>
#include <string>

#include "app/views/decode.h"
#include "app/views/write_options.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

void tokens(const Frame& frame) {
  const std::int64_t now = frame.session.decode.tokens;
  const auto value = value_slider(frame.look, {.name = "decode/tokens",
                                               .label = "tokens",
                                               .tooltip = "How many tokens it writes at most; it stops at its own end of text.",
                                               .values = written_tokens(),
                                               .value = now,
                                               .shown = count_text(now),
                                               .label_width = 88,
                                               .value_width = 52});
  if (!value) return;
  DecodePlan plan = frame.session.decode;
  plan.tokens = *value;
  frame.send(DecodePlanSet{plan}, "decode/tokens");
}

void sampling(const Frame& frame) {
  for (const WriteOption option : {WriteOption::kTemperature, WriteOption::kTopK, WriteOption::kTopP, WriteOption::kSeed}) {
    const ImVec2 at = ImGui::GetCursorScreenPos();
    const double height = frame.look.px(26);
    write_option(frame, option, {at.x, at.y, ImGui::GetContentRegionAvail().x, height});
    ImGui::SetCursorScreenPos(ImVec2(at.x, at.y + static_cast<float>(height)));
    ImGui::Dummy(ImVec2(0, 0));
  }
}

}  // namespace

void decode_button(const Frame& frame, const DecodeButton& spec) {
  const bool is_running = is_decoding(frame, spec.part);
  const std::string why = spec.part == DecodePart::kBatch ? "" : why_not_decoding(frame);
  if (is_running) {
    const std::string name = std::string(spec.name) + "/stop";
    if (button(frame.look, {.name = name, .label = "Stop", .tooltip = "Stops this work; what was found so far stays."}))
      frame.command(CancelDecode{});
    return;
  }
  if (button(frame.look, {.name = spec.name,
                          .label = spec.label,
                          .tooltip = why.empty() ? std::string_view(spec.tooltip) : std::string_view(why),
                          .enabled = why.empty() ? Enabled::kYes : Enabled::kNo,
                          .kind = Button::Kind::kPrimary})) {
    if (spec.part == DecodePart::kSteps) {
      start_decoding(frame);
    } else {
      frame.command(spec.command);
    }
  }
}

void decode_steps_rail(const Frame& frame) {
  const Look& look = frame.look;
  rail_sentence(frame);
  rule(look);
  heading(look, "GENERATE");
  const std::int64_t n = frame.session.decode.tokens;
  const std::string label = "Decode " + count_text(n) + (n == 1 ? " token" : " tokens");
  decode_button(frame,
                {.name = "decode/start",
                 .label = label.c_str(),
                 .tooltip = "Decode (Enter)\nThe model writes on after the sentence above: with a cache, and beside it the same "
                            "tokens without one, each step measured. The same options and seed write the same words.",
                 .part = DecodePart::kSteps,
                 .command = DecodeOn{}});
  gap(look, 8);
  tokens(frame);
  sampling(frame);
  rule(look);
  decode_cache_form(frame);
  decode_eviction_form(frame);
  gap(look, 8);
}

void draw_decode_rail(const Frame& frame) {
  switch (frame.session.view.decode_section) {
    case DecodeSection::kSteps:
      return decode_steps_rail(frame);
    case DecodeSection::kBatch:
      return decode_batch_rail(frame);
    case DecodeSection::kQuality:
      return decode_quality_rail(frame);
  }
}

}  // namespace headroom
