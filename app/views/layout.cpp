#include "app/views/layout.h"

#include <imgui.h>

#include <algorithm>
#include <cmath>

namespace headroom {

Layout layout_of(const Frame& frame) {
  const ImVec2 display = ImGui::GetIO().DisplaySize;
  const double scale = frame.look.scale;
  const double w = display.x / scale, h = display.y / scale;  // logical
  const Settings& settings = frame.model.settings;
  constexpr double bar = 37, min_stage_w = 380, min_stage_h = 240;
  const auto part = [&](double x, double y, double width, double height) {
    return Rect{std::floor(x * scale), std::floor(y * scale), std::floor((x + width) * scale) - std::floor(x * scale),
                std::floor((y + height) * scale) - std::floor(y * scale)};
  };
  if (settings.is_presenter) {
    return {.bar = part(0, 0, w, bar), .rail = {}, .stage = part(0, bar, w, h - bar), .inspector = {}, .strip = {}};
  }
  // What stands beside and below the other stages is about heads and tokens; here the rail sets all that the stage is about.
  if (!is_about_heads(frame.session.view.stage) && frame.session.view.stage != StageView::kTrain) {
    const double hair = 1 / scale * std::max(1.0, std::floor(scale));
    const double rail = std::min(settings.rail_width, std::max(220.0, w - min_stage_w));
    return {.bar = part(0, 0, w, bar),
            .rail = part(0, bar, rail, h - bar),
            .stage = part(rail + hair, bar, std::max(40.0, w - rail - hair), h - bar),
            .inspector = {},
            .strip = {}};
  }
  double inspector = settings.inspector_width, rail = settings.rail_width, strip = settings.strip_height;
  double missing = rail + inspector + min_stage_w - w;
  if (missing > 0) {
    const double give = std::min(missing, std::max(0.0, inspector - 240));
    inspector -= give;
    missing -= give;
    rail -= std::min(std::max(missing, 0.0), std::max(0.0, rail - 220));
  }
  // Until a person sizes it, the strip leaves a small window's height to the picture.
  if (strip == Settings{}.strip_height) strip = std::min(strip, h / 4);
  strip = std::clamp(strip, 0.0, std::max(120.0, h - bar - min_stage_h));
  // The strip speaks of the sentence's own model, the Train stage of another.
  if (frame.session.view.stage == StageView::kTrain) strip = 0;
  // The rail and the inspector stand beside the stage; the strip runs below all three.
  const double body = std::max(40.0, h - bar - strip);
  const double hair = 1 / scale * std::max(1.0, std::floor(scale));
  const double stage_x = rail + hair, stage_w = std::max(40.0, w - rail - inspector - 2 * hair);
  return {.bar = part(0, 0, w, bar),
          .rail = part(0, bar, rail, body - hair),
          .stage = part(stage_x, bar, stage_w, body - hair),
          .inspector = part(stage_x + stage_w + hair, bar, w - stage_x - stage_w - hair, body - hair),
          .strip = part(0, bar + body, w, strip)};
}

}  // namespace headroom
