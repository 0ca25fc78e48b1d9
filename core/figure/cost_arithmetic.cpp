#include <algorithm>
#include <cmath>

#include "core/figure/cost_figures.h"
#include "core/figure/cost_panels.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr double kMargin = 14, kGap = 32, kRow = 18, kFormulaLine = 15, kColumn = 460;

/// One section of figures in one column.
class SectionList {
 public:
  SectionList(Canvas& canvas, const PlanPart& part, double width) : canvas_(canvas), part_(part), width_(width) {}

  double height(const PlanSection& section) const {
    double h = kSmallLine + 8;
    for (const CostLine& line : section.lines)
      h += height_of(line);
    return h + 12;
  }

  /// Its first lines, as many as have room.
  void draw_first(const PlanSection& section, const Rect& area) {
    double y =
        area.y + canvas_.panel_title({area.x, area.y}, upper(section.title), "its formulas, the numbers filled in", width_) + 8;
    for (std::size_t i = 0; i < section.lines.size(); ++i) {
      const bool is_last = i + 1 == section.lines.size();
      const double needed = height_of(section.lines[i]) + (is_last ? 0 : kRow);  // room for the sentence below
      if (y + needed > area.y + area.h) {
        canvas_.text({area.x, y + kRow / 2},
                     "… " + count_text(std::ssize(section.lines) - static_cast<std::int64_t>(i)) +
                         " more, and every other figure: see its arithmetic",
                     canvas_.faint(), width_);
        return;
      }
      draw_line(section.lines[i], {area.x, y});
      y += height_of(section.lines[i]);
    }
  }

  void draw(const PlanSection& section, Point at) {
    double y = at.y + canvas_.panel_title(at, upper(section.title), "", width_) + 8;
    for (const CostLine& line : section.lines) {
      draw_line(line, {at.x, y});
      y += height_of(line);
    }
  }

 private:
  static std::string upper(std::string text) {
    for (char& c : text)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return text;
  }
  /// What is merely computed is the rule and is not said at each line.
  static std::string result_of(const CostLine& line) {
    return line.basis == Basis::kComputed ? line.result : line.result + ", " + basis_name(line.basis);
  }

  double label_width() const { return std::min(190.0, width_ * 0.4); }
  bool is_beside(const CostLine& line) const {
    return canvas_.width(line.formula, canvas_.faint()) <=
           width_ - label_width() - canvas_.width(result_of(line), canvas_.mono()) - 16;
  }
  std::vector<std::string> below(const CostLine& line) const {
    return is_beside(line) ? std::vector<std::string>{} : canvas_.wrap(line.formula, canvas_.faint(), width_ - 12);
  }
  double height_of(const CostLine& line) const { return kRow + kFormulaLine * static_cast<double>(below(line).size()); }

  void draw_line(const CostLine& line, Point at) {
    const double middle = at.y + kRow / 2;
    TextStyle label = canvas_.small(), result = canvas_.mono();
    result.anchor = Anchor::kRight;
    const double result_width = canvas_.text({at.x + width_, middle}, result_of(line), result, width_ * 0.6);
    const bool beside = is_beside(line);
    canvas_.text({at.x, middle}, line.label, label, beside ? label_width() - 6 : width_ - result_width - 12);
    if (beside) canvas_.text({at.x + label_width(), middle}, line.formula, canvas_.faint());
    double y = at.y + kRow;
    for (const std::string& text : below(line)) {
      canvas_.text({at.x + 12, y + kFormulaLine / 2}, text, canvas_.faint(), width_ - 12);
      y += kFormulaLine;
    }
    canvas_.hit({.shape = {at.x, at.y, width_, y - at.y},
                 .tooltip = line.label + ", " + basis_name(line.basis) + "\n" + (line.formula.empty() ? "" : line.formula + " = ") +
                            line.result,
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = std::string(part_.side == PlanSide::kFirst ? "cost/line " : "cost/second line ") + line.key});
  }

  Canvas& canvas_;
  PlanPart part_;
  double width_;
};

/// The plan's sections over the columns, each in the one that is shortest so far. Returns the lowest y.
double draw_sections(Canvas& canvas, const Rect& area, const PlanPart& part) {
  const auto columns = static_cast<std::size_t>(std::clamp(std::floor((area.w + kGap) / (kColumn + kGap)), 1.0, 3.0));
  const double width = std::floor((area.w - kGap * static_cast<double>(columns - 1)) / static_cast<double>(columns));
  std::vector<double> bottoms(columns, area.y);
  SectionList list(canvas, part, width);
  for (const PlanSection& section : part.cost.sections) {
    if (section.lines.empty()) continue;
    const auto shortest = std::min_element(bottoms.begin(), bottoms.end());
    list.draw(section, {area.x + static_cast<double>(shortest - bottoms.begin()) * (width + kGap), *shortest});
    *shortest += list.height(section);
  }
  return *std::max_element(bottoms.begin(), bottoms.end());
}

double draw_plan(Canvas& canvas, const Rect& area, const PlanPart& part) {
  const TextStyle name{.color = canvas.theme().text, .size = kHeadingSize, .face = FontFace::kSansMedium};
  double y = area.y;
  canvas.text({area.x, y + 12}, plan_title(part.cost), name, area.w);
  y += 26;
  y += canvas.paragraph({area.x, y, area.w, 0}, plan_choices_text(part.cost.plan), canvas.small(), 3) + 4;
  y += draw_plan_notes(canvas, {area.x, y, area.w, 1000}, part.cost) + 10;
  y = draw_sections(canvas, {area.x, y, area.w, 0}, part);
  if (part.cost.assumptions.empty()) return y;
  y += canvas.panel_title({area.x, y}, "ASSUMPTIONS", "", area.w) + 6;
  for (const std::string& sentence : part.cost.assumptions)
    y += canvas.paragraph({area.x, y, area.w, 0}, "· " + sentence, canvas.small(), 8) + 2;
  return y;
}

}  // namespace

void draw_plan_arithmetic(Canvas& canvas, const Rect& area, const PlanPart& part) {
  constexpr double kLeast = 120;
  if (area.h < kLeast) return;
  for (const PlanSection& section : part.cost.sections) {
    const bool is_of_a_pass =
        std::any_of(section.lines.begin(), section.lines.end(), [](const CostLine& line) { return line.key == "linear_flops"; });
    if (!is_of_a_pass) continue;
    SectionList(canvas, part, area.w).draw_first(section, area);
    return;
  }
}

Figure cost_arithmetic_figure(const FigureInput& input, const CostState& state) {
  const std::string title = "Arithmetic of a plan";
  if (input.size.w < 300 || input.size.h < 120)
    return message_figure(input, title, {title, "There is too little room to show it."});
  if (!state.plan) return message_figure(input, title, {title, "Computing the plan…"});
  Canvas canvas(input, "Arithmetic of " + plan_title(state.plan->cost));
  const Rect area{kMargin, kMargin, input.size.w - 2 * kMargin, input.size.h - 2 * kMargin};
  double bottom = area.y;
  if (state.beside) {
    const double w = std::floor((area.w - kGap) / 2);
    bottom = std::max(draw_plan(canvas, {area.x, area.y, w, area.h}, {state.plan->cost, PlanSide::kFirst}),
                      draw_plan(canvas, {area.x + w + kGap, area.y, w, area.h}, {state.beside->cost, PlanSide::kSecond}));
  } else {
    bottom = draw_plan(canvas, area, {state.plan->cost, PlanSide::kFirst});
  }
  canvas.set_height(std::max(input.size.h, std::ceil(bottom + kMargin)));
  return canvas.take();
}

}  // namespace headroom
