#include "app/views/write_options.h"

#include <imgui.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "app/widgets/controls.h"
#include "core/figure/number_text.h"

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

struct Slider {
  const char* name;
  const char* label;
  const char* tip;
  std::span<const std::int64_t> values;
  std::int64_t value;
  std::string shown;
  bool is_of_drawing;  ///< says something only where words are drawn at random
  void (*set)(WritePlan&, std::int64_t);
};

Slider slider_of(const WritePlan& plan, WriteOption option) {
  switch (option) {
    case WriteOption::kTokens:
      break;
    case WriteOption::kTemperature:
      return {
          .name = "write/temperature",
          .label = "temperature",
          .tip =
              "Logits are divided by it before softmax: below 1 the likely words gain, above 1 the unlikely. 0 is greedy: always "
              "the most probable word. Typed in hundredths: 70 is 0.70.",
          .values = kTemperatures,
          .value = hundredths(plan.temperature),
          .shown = plan.temperature > 0 ? fixed(plan.temperature, 2) : "greedy",
          .is_of_drawing = false,
          .set = [](WritePlan& p, std::int64_t v) { p.temperature = static_cast<double>(v) / 100; }};
    case WriteOption::kTopK:
      return {.name = "write/top_k",
              .label = "top-k",
              .tip = "Only so many of the most probable words may be drawn (Fan et al. 2018). Acts after the temperature.",
              .values = kTopK,
              .value = plan.top_k,
              .shown = plan.top_k == 0 ? "all" : count_text(plan.top_k),
              .is_of_drawing = true,
              .set = [](WritePlan& p, std::int64_t v) { p.top_k = v; }};
    case WriteOption::kTopP:
      return {.name = "write/top_p",
              .label = "top-p",
              .tip =
                  "Only the most probable words that together reach this probability may be drawn (Holtzman et al. 2020). Acts "
                  "last. Typed in hundredths: 90 is 0.90.",
              .values = kTopP,
              .value = hundredths(plan.top_p),
              .shown = plan.top_p >= 1 ? "all" : fixed(plan.top_p, 2),
              .is_of_drawing = true,
              .set = [](WritePlan& p, std::int64_t v) { p.top_p = static_cast<double>(v) / 100; }};
    case WriteOption::kSeed:
      return {.name = "write/seed",
              .label = "seed",
              .tip = "Which random numbers are drawn: the same seed draws the same words again.",
              .values = kSeeds,
              .value = static_cast<std::int64_t>(std::min<std::uint64_t>(plan.seed, 1u << 30)),
              .shown = std::to_string(plan.seed),
              .is_of_drawing = true,
              .set = [](WritePlan& p, std::int64_t v) { p.seed = static_cast<std::uint64_t>(std::max<std::int64_t>(0, v)); }};
  }
  return {.name = "write/tokens",
          .label = "tokens",
          .tip = "How many tokens it writes at most; it stops at its own end of text.",
          .values = kTokens,
          .value = plan.tokens,
          .shown = count_text(plan.tokens),
          .is_of_drawing = false,
          .set = [](WritePlan& p, std::int64_t v) { p.tokens = v; }};
}

}  // namespace

std::span<const std::int64_t> written_tokens() { return kTokens; }

void write_option(const Frame& frame, WriteOption option, const Rect& place) {
  const Slider slider = slider_of(frame.session.write, option);
  const bool is_off = slider.is_of_drawing && frame.session.write.temperature == 0;
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(place.x), static_cast<float>(place.y)));
  const auto value = value_slider(frame.look, {.name = slider.name,
                                               .label = slider.label,
                                               .tooltip = slider.tip,
                                               .values = slider.values,
                                               .value = slider.value,
                                               .shown = slider.shown,
                                               .enabled = is_off ? Enabled::kNo : Enabled::kYes,
                                               .label_width = 88,
                                               .value_width = 52,
                                               .width = static_cast<float>(place.w)});
  if (!value) return;
  WritePlan plan = frame.session.write;
  slider.set(plan, *value);
  frame.send(WritePlanSet{plan}, slider.name);
}

}  // namespace headroom
