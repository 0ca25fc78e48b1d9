#include <algorithm>
#include <cmath>

#include "core/figure/number_text.h"
#include "core/figure/speed_panels.h"

namespace headroom {
namespace {

constexpr double kGap = 28, kMargin = 12;
constexpr double kLeastWidth = 400, kLeastHeight = 230;  // of a part that says all it has to say

constexpr std::array<SpeedSection, 4> kSections{SpeedSection::kLadder, SpeedSection::kRoofline, SpeedSection::kGrowth,
                                                SpeedSection::kDevices};

std::string machine_text(const MachineFacts& machine) {
  std::string text;
  for (const std::string& fact : {machine.cpu, machine.simd, machine.compiler, machine.commit}) {
    if (fact.empty()) continue;
    text += (text.empty() ? "" : " · ") + (&fact == &machine.commit ? "commit " + fact : fact);
  }
  return text;
}

/// What the figures belong to, what they can teach, and whether they are of another shape than the session's.
void draw_header(Canvas& canvas, const Rect& area, const SpeedState& state) {
  const FigureInput& input = canvas.input();
  const std::int64_t n = input.snapshot == nullptr ? 0 : static_cast<std::int64_t>(input.snapshot->seq());
  const SpeedShape now = speed_shape_of(input.session, n);
  const bool has_report = state.report != nullptr;
  TextStyle title = canvas.body();
  title.face = FontFace::kSansMedium;
  const std::string shape = speed_shape_text(has_report ? state.report->shape : now);
  const double used =
      canvas.text({area.x, area.y + kLine / 2}, (has_report ? "Measured: " : "One attention layer: ") + shape, title, area.w);
  const double machine_room = area.w - used - 24;
  if (has_report && machine_room > 120) {
    TextStyle machine = canvas.faint();
    machine.anchor = Anchor::kRight;
    canvas.parts({area.x + area.w, area.y + kLine / 2}, machine_text(state.report->machine), machine, machine_room);
  }
  const bool is_stale = has_report && !(state.report->shape == now);
  TextStyle style = canvas.small();
  std::string text;
  if (is_stale) {
    style.color = canvas.theme().warning;
    text = "The session is now " + speed_shape_text(now) + ". These figures stay until they are measured again.";
  } else if (has_report) {
    text =
        "Medians of several rounds, each in turns with the machine's own limits. FLOPs and bytes are counted by the kernels as "
        "they run.";
  } else {
    text =
        "The same attention, computed ever better: “Measure” runs this layer in several ways on this machine. Nothing here is "
        "estimated.";
  }
  const double lines = std::max(1.0, std::floor((area.h - kLine) / kSmallLine));
  canvas.paragraph({area.x, area.y + kLine, area.w, 0}, text, style, static_cast<std::size_t>(lines));
}

Figure section_figure(const FigureInput& input, const SpeedState& state, SpeedSection section, const char* title) {
  Canvas canvas(input, title);
  const SpeedLayout layout = lay_out_speed(input.size, section);
  if (layout.header.h > 0) draw_header(canvas, layout.header, state);
  for (const SpeedPanel& panel : layout.panels)
    draw_speed_section(canvas, panel.rect, panel.section, state);
  if (!layout.left_out.empty() && layout.header.h > 0) {
    std::string text = "For want of room not shown here:";
    for (const SpeedSection left_out : layout.left_out)
      text += std::string(left_out == layout.left_out.front() ? " " : ", ") + speed_section_name(left_out);
    canvas.parts({layout.header.x, input.size.h - kSmallLine / 2}, text, canvas.faint(), layout.header.w);
  }
  return canvas.take();
}

}  // namespace

const char* speed_section_name(SpeedSection section) {
  switch (section) {
    case SpeedSection::kAll:
      return "all";
    case SpeedSection::kLadder:
      return "ladder";
    case SpeedSection::kRoofline:
      return "roofline";
    case SpeedSection::kGrowth:
      return "time over n";
    case SpeedSection::kDevices:
      return "CPU and GPU";
  }
  return "";
}

SpeedLayout lay_out_speed(Size size, SpeedSection section) {
  SpeedLayout layout;
  if (size.w < 160 || size.h < 96) return layout;
  const double w = size.w - 2 * kMargin;
  const double lines = std::clamp(std::ceil(860 / w), 1.0, 3.0);  // of the sentence below the shape
  layout.header = {kMargin, 4, w, kLine + lines * kSmallLine};
  const double top = layout.header.y + layout.header.h + 14, h = size.h - top - kMargin;
  if (section != SpeedSection::kAll) {
    layout.panels = {{section, {kMargin, top, w, h}}};
    return layout;
  }
  const int columns = w >= 2 * kLeastWidth + kGap ? 2 : 1;
  const int most_rows = 4 / columns;
  int rows = std::clamp(static_cast<int>((h + kGap) / (kLeastHeight + kGap)), 1, most_rows);
  const int n = rows * columns;
  for (int i = n; i < 4; ++i)
    layout.left_out.push_back(kSections[static_cast<std::size_t>(i)]);
  const double below = layout.left_out.empty() ? 0 : kSmallLine;
  const double cell_w = std::floor((w - kGap * (columns - 1)) / columns);
  const double cell_h = std::floor((h - below - kGap * (rows - 1)) / rows);
  for (int i = 0; i < n; ++i) {
    layout.panels.push_back({kSections[static_cast<std::size_t>(i)],
                             {kMargin + (i % columns) * (cell_w + kGap), top + (i / columns) * (cell_h + kGap), cell_w, cell_h}});
  }
  return layout;
}

void draw_speed_section(Canvas& canvas, const Rect& area, SpeedSection section, const SpeedState& state) {
  switch (section) {
    case SpeedSection::kAll:
      return;
    case SpeedSection::kLadder:
      return draw_ladder(canvas, area, state);
    case SpeedSection::kRoofline:
      return draw_roofline(canvas, area, state);
    case SpeedSection::kGrowth:
      return draw_growth(canvas, area, state);
    case SpeedSection::kDevices:
      return draw_devices(canvas, area, state);
  }
}

double draw_speed_title(Canvas& canvas, const Rect& area, const SpeedTitle& title, const SpeedState& state) {
  bool is_running = false;
  std::string failure;
  for (const SpeedPart part : speed_parts(title.section)) {
    is_running |= state.running == part;
    const auto failed = state.failures.find(part);
    if (failed != state.failures.end() && failure.empty()) failure = failed->second;
  }
  const std::string detail = is_running ? "measuring now" : title.measured.empty() ? "not measured yet" : title.measured;
  double y = area.y + canvas.panel_title({area.x, area.y}, title.title, detail, std::max(60.0, area.w - kSpeedButtonWidth)) + 8;
  if (!failure.empty()) {
    TextStyle style = canvas.small();
    style.color = canvas.theme().warning;
    y += canvas.paragraph({area.x, y, area.w, 0}, "Not measured: " + failure, style, 2) + 4;
  }
  return y - area.y;
}

void draw_speed_promise(Canvas& canvas, const Rect& area, const std::string& heading, const std::string& sentence) {
  TextStyle title = canvas.body(), style = canvas.small();
  title.face = FontFace::kSansMedium;
  title.anchor = style.anchor = Anchor::kCentre;
  const double w = std::min(area.w - 32, 460.0);
  if (w < 120) return;
  const double lines = static_cast<double>(canvas.wrap(sentence, style, w).size());
  const double h = kLine + 4 + lines * kSmallLine;
  if (h + 16 > area.h) return;
  const double x = std::floor(area.x + (area.w - w) / 2), y = std::floor(area.y + (area.h - h) / 2);
  canvas.fill({x - 12, y - 8, w + 24, h + 16}, canvas.theme().panel, 6);
  canvas.text({x + w / 2, y + kLine / 2}, heading, title, w);
  canvas.paragraph({x, y + kLine + 4, w, 0}, sentence, style, static_cast<std::size_t>(lines));
}

std::string gflops_text(double gflops) {
  if (gflops >= 9999.5) return fixed(gflops / 1000, 1) + " TFLOP/s";
  return (gflops >= 99.95 ? count_text(std::llround(gflops)) : fixed(gflops, gflops < 9.995 ? 2 : 1)) + " GFLOP/s";
}

std::string times_text(double ratio) {
  if (!std::isfinite(ratio)) return "–";
  return (ratio >= 99.5 ? count_text(std::llround(ratio)) : compact(ratio, 2)) + "×";
}

Figure speed_figure(const FigureInput& input, const SpeedState& state) {
  return section_figure(input, state, input.session.view.speed_section, "How fast attention runs on this machine");
}
Figure ladder_figure(const FigureInput& input, const SpeedState& state) {
  return section_figure(input, state, SpeedSection::kLadder, "Optimisation ladder of an attention layer");
}
Figure roofline_figure(const FigureInput& input, const SpeedState& state) {
  return section_figure(input, state, SpeedSection::kRoofline, "Roofline of this machine with each attention kernel");
}
Figure growth_figure(const FigureInput& input, const SpeedState& state) {
  return section_figure(input, state, SpeedSection::kGrowth, "Time and memory of attention over the number of tokens");
}
Figure devices_figure(const FigureInput& input, const SpeedState& state) {
  return section_figure(input, state, SpeedSection::kDevices, "The attention layer on the processor and on the GPU");
}

}  // namespace headroom
