#include <imgui.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "app/views/bar_flow.h"
#include "app/views/commands.h"
#include "app/views/figures.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"
#include "core/figure/speed_layout.h"

namespace headroom {
namespace {

// In the order of SpeedSection.
constexpr std::array<MenuChoice, 5> kShown{{
    {"speed/show/all", "everything", "All four pictures."},
    {"speed/show/ladder", "ladder", "The same layer computed five ways, each faster than the one before."},
    {"speed/show/roofline", "roofline", "Each kernel under the limits of this machine."},
    {"speed/show/growth", "time over n", "Time and memory over the number of tokens, with fitted exponents."},
    {"speed/show/devices", "CPU and GPU", "This layer on the processor and on the graphics device."},
}};
constexpr std::array<std::int64_t, 8> kTokens{0, 128, 256, 512, 1024, 2048, 4096, 8192};
constexpr std::array<MenuChoice, 8> kTokenChoices{{
    {"speed/tokens/sentence", "as the sentence", "As many tokens as the sentence has; of a long text the first 4,096."},
    {"speed/tokens/128", "128", "A short paragraph."},
    {"speed/tokens/256", "256", "Half a page."},
    {"speed/tokens/512", "512", "A page; BERT's longest input."},
    {"speed/tokens/1024", "1,024", "GPT-2's longest input."},
    {"speed/tokens/2048", "2,048", "GPT-3's longest input."},
    {"speed/tokens/4096", "4,096", "LLaMA 2's longest input."},
    {"speed/tokens/8192", "8,192", "Ways that store n × n scores may be measured over fewer tokens; the figure then says so."},
}};
constexpr std::array<double, 4> kSeconds{0.05, 0.3, 1, 3};
constexpr std::array<MenuChoice, 4> kSecondChoices{{
    {"speed/seconds/quick", "0.05 s", "A first look; figures may be some percent off."},
    {"speed/seconds/usual", "0.3 s", "Medians of several rounds."},
    {"speed/seconds/careful", "1 s", "On a machine that does other work at the same time."},
    {"speed/seconds/long", "3 s", "For figures that go into a table."},
}};

std::int64_t sentence_tokens(const Frame& frame) {
  return frame.snapshot == nullptr ? 0 : static_cast<std::int64_t>(frame.snapshot->seq());
}

/// One of the inline lists; a value that is none of its choices is shown as it is.
struct List {
  const char* name;
  const char* label;
  const char* tooltip;
  std::string value;
  std::span<const MenuChoice> choices;
  int selected = -1;
};
std::optional<int> list(const Frame& frame, BarFlow& flow, const List& spec) {
  flow.next(inline_dropdown_width(frame.look, spec.label, spec.value));
  return dropdown(frame.look, {.name = spec.name,
                               .tooltip = spec.tooltip,
                               .value = spec.value,
                               .choices = spec.choices,
                               .selected = spec.selected,
                               .form = Dropdown::Form::kInline,
                               .label = spec.label});
}

template <typename T, std::size_t n>
int index_of(const std::array<T, n>& values, T value) {
  const auto found = std::find(values.begin(), values.end(), value);
  return found == values.end() ? -1 : static_cast<int>(found - values.begin());
}

void lists(const Frame& frame, BarFlow& flow) {
  const View& view = frame.session.view;
  const int section = static_cast<int>(view.speed_section);
  if (const auto chosen = list(frame, flow,
                               {"speed/show", "show:", "Everything at once, or one picture large enough for a slide.",
                                std::string(kShown[static_cast<std::size_t>(section)].label), kShown, section})) {
    frame.send(SpeedSectionSet{static_cast<SpeedSection>(*chosen)});
  }
  const int tokens = index_of(kTokens, view.speed_tokens);
  const std::string tokens_text = view.speed_tokens == 0 ? "as the sentence" : count_text(view.speed_tokens);
  if (const auto chosen =
          list(frame, flow,
               {"speed/tokens", "tokens:",
                "How many tokens are measured\nA few words are over before a core has warmed up: what differs between the "
                "ways to compute shows from some hundred tokens on.",
                tokens_text, kTokenChoices, tokens})) {
    frame.send(SpeedTokensSet{kTokens[static_cast<std::size_t>(*chosen)]});
  }
  const std::string seconds_text = compact(view.speed_seconds) + " s";
  if (const auto chosen = list(frame, flow,
                               {"speed/seconds", "each figure:", "How long each figure is measured, all its rounds together.",
                                seconds_text, kSecondChoices, index_of(kSeconds, view.speed_seconds)})) {
    frame.send(SpeedSecondsSet{kSeconds[static_cast<std::size_t>(*chosen)]});
  }
}

std::string seconds_text(double seconds) { return "about " + std::to_string(std::max(1L, std::lround(seconds))) + " s"; }

void measure_button(const Frame& frame, BarFlow& flow) {
  const SpeedSection section = frame.session.view.speed_section;
  const bool has_report = frame.model.speed.report != nullptr;
  const char* label = has_report ? "Measure again" : "Measure";
  const SpeedRequest request = speed_request_of(frame.session, sentence_tokens(frame), section);
  std::string tip = "Measure\nRuns " + speed_shape_text(request.shape) + " in several ways on this machine, ";
  tip += seconds_text(estimated_seconds(request)) + " (estimated); the window stays usable, and Cancel stops it (key m).";
  if (frame.snapshot == nullptr) tip = "Measure\nThe model is still being read; its shape is what will be measured.";
  flow.next(button_width(frame.look, label));
  if (button(frame.look, {.name = "speed/measure",
                          .label = label,
                          .tooltip = tip,
                          .enabled = frame.snapshot != nullptr ? Enabled::kYes : Enabled::kNo,
                          .kind = Button::Kind::kPrimary})) {
    frame.command(MeasureSpeed{section});
  }
}

/// Buttons, lists and the progress of what runs. Returns the height used.
double toolbar(const Frame& frame, const Rect& area) {
  const Look& look = frame.look;
  BarFlow flow(look, area);
  measure_button(frame, flow);
  flow.next(button_width(look, "Export CSV…"));
  const bool has_report = frame.model.speed.report != nullptr;
  if (button(look, {.name = "speed/csv",
                    .label = "Export CSV…",
                    .tooltip = has_report ? "Every measured number with its unit and the machine, as comma-separated values."
                                          : "Nothing has been measured yet; then every number can be written to a file.",
                    .enabled = has_report ? Enabled::kYes : Enabled::kNo})) {
    find_command("speed/csv")->run(frame);
  }
  lists(frame, flow);
  const EngineProgress& progress = frame.model.progress;
  if (progress.is_busy) {
    const float least = look.px(260), most = look.px(520);
    const float width = std::clamp(static_cast<float>(flow.rest()), std::min(least, static_cast<float>(area.w)),
                                   std::min(most, static_cast<float>(area.w)));
    flow.next(width);
    if (progress_bar(look, {.name = "speed/cancel", .stage = progress.stage, .share = progress.share, .width = width}))
      frame.command(CancelWork{});
  }
  return flow.height();
}

/// "Measure again" at the right of each part's title.
void part_buttons(const Frame& frame, const Rect& area, double scale) {
  const Look& look = frame.look;
  const Size size{std::floor(area.w / scale), std::floor(area.h / scale)};
  const SpeedLayout layout = lay_out_speed(size, frame.session.view.speed_section);
  if (frame.snapshot == nullptr) return;
  for (const SpeedPanel& panel : layout.panels) {
    const char* part = speed_section_name(panel.section);
    const std::vector<SpeedPart> parts = speed_parts(panel.section);
    const bool is_running =
        std::any_of(parts.begin(), parts.end(), [&](SpeedPart one) { return frame.model.speed.running == one; });
    const float width = button_width(look, "Measure");
    const double right = area.x + (panel.rect.x + panel.rect.w) * scale, top = area.y + panel.rect.y * scale;
    ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(right) - width, static_cast<float>(top) - look.px(5)));
    const SpeedRequest request = speed_request_of(frame.session, sentence_tokens(frame), panel.section);
    const std::string tip = std::string("Measure this part: ") + part +
                            "\nOnly this, anew, for the session's shape: " + seconds_text(estimated_seconds(request)) +
                            " (estimated). The other parts stay where the shape is the same.";
    const std::string name = std::string("speed/measure ") + part;
    if (button(look, {.name = name, .label = "Measure", .tooltip = tip, .enabled = is_running ? Enabled::kNo : Enabled::kYes}))
      frame.command(MeasureSpeed{panel.section});
  }
}

}  // namespace

void draw_speed(const Frame& frame, const Rect& area) {
  const Look& look = frame.look;
  const double margin = look.px(12), top = look.px(8);
  const double used = toolbar(frame, {area.x + margin, area.y + top, area.w - 2 * margin, area.h}) + 2 * top;
  constexpr double presenter_zoom = 1.25;
  const double zoom = frame.model.settings.is_presenter ? presenter_zoom : 1.0;
  const Rect place{area.x, area.y + used, area.w, area.h - used};
  if (place.h < 40) return;
  part_buttons(frame, place, look.scale * zoom);  // before the picture, which else would take their clicks
  draw_figure(frame, {.kind = FigureKind::kSpeed, .name = "stage", .area = place, .zoom = zoom});
}

}  // namespace headroom
