#include <imgui.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "app/views/bottom_panels.h"
#include "app/views/figures.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"
#include "core/figure/written_figure.h"

namespace headroom {
namespace {

constexpr std::array<std::int64_t, 16> kTokens{1, 2, 4, 8, 12, 16, 20, 24, 32, 48, 64, 96, 128, 256, 512, 1024};
/// In hundredths: the slider counts in whole numbers.
constexpr std::array<std::int64_t, 21> kTemperatures{0,   10,  20,  30,  40,  50,  60,  70,  80,  90, 100,
                                                     110, 120, 130, 140, 150, 160, 170, 180, 190, 200};
constexpr std::array<std::int64_t, 12> kTopK{0, 1, 2, 3, 5, 8, 10, 20, 40, 50, 100, 200};
constexpr std::array<std::int64_t, 17> kTopP{5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92, 95, 97, 99, 100};
constexpr std::array<std::int64_t, 20> kSeeds{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};

std::int64_t hundredths(double value) { return std::llround(value * 100); }

struct Option {
  const char* name;
  const char* label;
  const char* tip;
  std::span<const std::int64_t> values;
  std::int64_t value;
  std::string shown;
  Enabled enabled = Enabled::kYes;
  void (*set)(WritePlan&, std::int64_t);
};

void option(const Frame& frame, const Option& what, const Rect& place) {
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(place.x), static_cast<float>(place.y)));
  const auto value = value_slider(frame.look, {.name = what.name,
                                               .label = what.label,
                                               .tooltip = what.tip,
                                               .values = what.values,
                                               .value = what.value,
                                               .shown = what.shown,
                                               .enabled = what.enabled,
                                               .label_width = 88,
                                               .value_width = 52,
                                               .width = static_cast<float>(place.w)});
  if (!value) return;
  WritePlan plan = frame.session.write;
  what.set(plan, *value);
  frame.send(WritePlanSet{plan}, what.name);
}

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
  const WritePlan& plan = frame.session.write;
  const double gap_x = look.px(20), line = look.px(28);
  const double column = std::floor(std::clamp<double>(area.w * 0.24, look.px(190), look.px(240)));
  const auto place = [&](int x, int y) { return Rect{area.x + x * (column + gap_x), area.y + y * line, column, line}; };
  const Enabled is_drawn = plan.temperature > 0 ? Enabled::kYes : Enabled::kNo;
  option(frame,
         {.name = "write/tokens",
          .label = "tokens",
          .tip = "How many tokens it writes at most; it stops at its own end of text.",
          .values = kTokens,
          .value = plan.tokens,
          .shown = count_text(plan.tokens),
          .set = [](WritePlan& p, std::int64_t v) { p.tokens = v; }},
         place(0, 0));
  option(
      frame,
      {.name = "write/temperature",
       .label = "temperature",
       .tip = "Logits are divided by it before softmax: below 1 the likely words gain, above 1 the unlikely. 0 is greedy: always "
              "the most probable word. Typed in hundredths: 70 is 0.70.",
       .values = kTemperatures,
       .value = hundredths(plan.temperature),
       .shown = plan.temperature > 0 ? fixed(plan.temperature, 2) : "greedy",
       .set = [](WritePlan& p, std::int64_t v) { p.temperature = static_cast<double>(v) / 100; }},
      place(0, 1));
  option(frame,
         {.name = "write/top_k",
          .label = "top-k",
          .tip = "Only so many of the most probable words may be drawn (Fan et al. 2018). Acts after the temperature.",
          .values = kTopK,
          .value = plan.top_k,
          .shown = plan.top_k == 0 ? "all" : count_text(plan.top_k),
          .enabled = is_drawn,
          .set = [](WritePlan& p, std::int64_t v) { p.top_k = v; }},
         place(0, 2));
  option(
      frame,
      {.name = "write/top_p",
       .label = "top-p",
       .tip = "Only the most probable words that together reach this probability may be drawn (Holtzman et al. 2020). Acts last. "
              "Typed in hundredths: 90 is 0.90.",
       .values = kTopP,
       .value = hundredths(plan.top_p),
       .shown = plan.top_p >= 1 ? "all" : fixed(plan.top_p, 2),
       .enabled = is_drawn,
       .set = [](WritePlan& p, std::int64_t v) { p.top_p = static_cast<double>(v) / 100; }},
      place(1, 0));
  option(frame,
         {.name = "write/seed",
          .label = "seed",
          .tip = "Which random numbers are drawn: the same seed draws the same words again.",
          .values = kSeeds,
          .value = static_cast<std::int64_t>(std::min<std::uint64_t>(plan.seed, 1u << 30)),
          .shown = std::to_string(plan.seed),
          .enabled = is_drawn,
          .set = [](WritePlan& p, std::int64_t v) { p.seed = static_cast<std::uint64_t>(std::max<std::int64_t>(0, v)); }},
         place(1, 1));
  buttons(frame, place(1, 2));
  const double left = area.x + 2 * (column + gap_x);
  const Rect rest{left, area.y, area.x + area.w - left, area.h};
  if (rest.w >= look.px(120)) draw_figure(frame, {.kind = FigureKind::kWritten, .name = "strip/written", .area = rest});
}

}  // namespace headroom
