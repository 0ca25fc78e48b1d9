#include <imgui.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "app/views/bottom_panels.h"
#include "app/views/figures.h"
#include "app/views/write_options.h"
#include "app/widgets/controls.h"
#include "core/figure/written_figure.h"

namespace headroom {
namespace {

std::string why_disabled(const Frame& frame) {
  return frame.snapshot == nullptr ? "There is no text yet to write after." : why_not_writing(*frame.snapshot);
}

/// Write or Stop, and Take away.
void buttons(const Frame& frame, const Rect& place) {
  const Look& look = frame.look;
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(place.x), static_cast<float>(place.y)));
  if (frame.model.is_writing) {
    if (button(look, {.name = "write/stop", .label = "Stop", .tooltip = "Ends the writing; nothing of it is kept."}))
      frame.command(CancelWork{});
    return;
  }
  const std::int64_t n = frame.session.write.tokens;
  const std::string label = "Write " + std::to_string(n) + (n == 1 ? " token" : " tokens");
  const std::string why = why_disabled(frame);
  if (button(look, {.name = "write/write",
                    .label = label,
                    .tooltip = !why.empty() ? why
                                            : "The model writes on after all that stands there. The same text, options and seed "
                                              "give the same words again; it can be undone.",
                    .enabled = why.empty() ? Enabled::kYes : Enabled::kNo,
                    .kind = Button::Kind::kPrimary})) {
    frame.command(WriteOn{});
  }
  if (frame.session.compute.continuation.empty()) return;
  ImGui::SetCursorScreenPos(
      ImVec2(static_cast<float>(place.x) + button_width(look, label) + look.px(6), static_cast<float>(place.y)));
  if (button(look, {.name = "write/take_away", .label = "Take away", .tooltip = "Removes all that the model wrote."}))
    frame.send(ContinuationSet{});
}

}  // namespace

void draw_write_panel(const Frame& frame, const Rect& area) {
  const Look& look = frame.look;
  const double gap_x = look.px(20), line = look.px(28);
  const double column = std::floor(std::clamp<double>(area.w * 0.24, look.px(190), look.px(240)));
  const auto place = [&](int x, int y) { return Rect{area.x + x * (column + gap_x), area.y + y * line, column, line}; };
  const std::array<WriteOption, 5> options{WriteOption::kTokens, WriteOption::kTemperature, WriteOption::kTopK, WriteOption::kTopP,
                                           WriteOption::kSeed};
  for (int i = 0; i < std::ssize(options); ++i)
    write_option(frame, options[static_cast<std::size_t>(i)], place(i / 3, i % 3));
  buttons(frame, place(1, 2));
  const double left = area.x + 2 * (column + gap_x);
  const Rect rest{left, area.y, area.x + area.w - left, area.h};
  if (rest.w >= look.px(120)) draw_figure(frame, {.kind = FigureKind::kWritten, .name = "strip/written", .area = rest});
}

}  // namespace headroom
