#include <algorithm>
#include <array>
#include <cmath>

#include "core/figure/cost_panels.h"
#include "core/figure/number_text.h"
#include "core/figure/short_text.h"

namespace headroom {
namespace {

constexpr double kRow = 18;

/// "saves 12.0 GiB", "takes 1.2 GiB more", "the same".
std::string saved_text(double bytes) {
  if (std::abs(bytes) < 0.5) return "the same";
  return (bytes > 0 ? "−" : "+") + short_bytes_text(std::abs(bytes));
}

std::string rate_cell(double rate) {
  if (!(rate > 0)) return "–";
  return rate >= 99.95 ? (rate >= 999'999.5 ? short_count(rate) : count_text(std::llround(rate))) : compact(rate, 3);
}

struct Column {
  const char* title;
  const char* tooltip;
  double width;
  std::string (*text)(const PlanChoice&);
};

constexpr std::array<Column, 6> kColumns{{
    {"K and V", "K and V\nOf all texts, of one device; computed.", 66,
     [](const PlanChoice& c) { return short_bytes_text(c.kv_bytes); }},
    {"change", "Against the plan as it is\nWeights, K and V together, of one device; computed. − is saved, + is taken more.", 78,
     [](const PlanChoice& c) { return c.is_current ? std::string("as it is") : saved_text(c.saved_bytes); }},
    {"fits", "Whether it fits\nInto the memory that is planned with; estimated, since activations are.", 30,
     [](const PlanChoice& c) { return std::string(c.fits ? "yes" : "no"); }},
    {"texts", "Texts at once that fit\nWith this change alone; estimated, since activations are.", 58,
     [](const PlanChoice& c) { return count_text(c.largest_batch); }},
    {"tokens/s", "Tokens a second of all texts\nOf as many texts as the plan has; at best, estimated.", 62,
     [](const PlanChoice& c) { return rate_cell(c.tokens_per_s); }},
    {"most tokens/s", "Tokens a second with as many texts as fit\nWhat a memory that is saved can be used for; at best, estimated.",
     92, [](const PlanChoice& c) { return c.largest_batch > 0 ? rate_cell(c.most_tokens_per_s) : std::string("–"); }},
}};

class ChoiceTable {
 public:
  ChoiceTable(Canvas& canvas, const Rect& area, const PlanPart& part) : canvas_(canvas), area_(area), part_(part) {
    for (const PlanChoice& choice : part.cost.choices)
      axis_ = std::max(axis_, canvas.width(plan_axis_name(choice.axis), canvas.small()) + 12);
    // As many columns as leave the names room: memory first, then time.
    double left = area.w - axis_ - kLeastName;
    for (const Column& column : kColumns) {
      if (left < column.width) break;
      left -= column.width;
      ++n_columns_;
    }
    name_ = area.w - axis_;
    for (std::size_t i = 0; i < n_columns_; ++i)
      name_ -= kColumns[i].width;
  }

  double draw() {
    double y = area_.y +
               canvas_.panel_title({area_.x, area_.y}, "WHAT EACH CHOICE SAVES",
                                   "the plan with one thing changed · a click takes it", area_.w) +
               4;
    draw_head(y);
    y += kRow;
    const std::vector<PlanChoice>& choices = part_.cost.choices;
    const auto room = static_cast<std::size_t>(std::max(0.0, std::floor((area_.y + area_.h - y) / kRow)));
    const std::size_t n = choices.size() <= room ? choices.size() : room > 0 ? room - 1 : 0;
    for (std::size_t i = 0; i < n; ++i) {
      draw_row(choices[i], y, i == 0 || choices[i - 1].axis != choices[i].axis);
      y += kRow;
    }
    if (n < choices.size() && room > 0)
      canvas_.text({area_.x, y + kRow / 2},
                   "… " + count_text(std::ssize(choices) - static_cast<std::int64_t>(n)) + " more in a larger window",
                   canvas_.faint(), area_.w);
    return n < choices.size() ? area_.h : y - area_.y;
  }

 private:
  static constexpr double kLeastName = 200;

  double right_of(std::size_t column) const {
    double x = area_.x + axis_ + name_;
    for (std::size_t i = 0; i <= column; ++i)
      x += kColumns[i].width;
    return x;
  }

  void draw_head(double y) {
    TextStyle style = canvas_.faint();
    style.anchor = Anchor::kRight;
    for (std::size_t i = 0; i < n_columns_; ++i) {
      const Column& column = kColumns[i];
      canvas_.text({right_of(i), y + kRow / 2}, column.title, style, column.width - 6);
      canvas_.hit(
          region({right_of(i) - column.width, y, column.width, kRow}, std::string("column ") + column.title, column.tooltip));
    }
  }

  void draw_row(const PlanChoice& choice, double y, bool begins_axis) {
    const Theme& theme = canvas_.theme();
    const double middle = y + kRow / 2;
    if (begins_axis) canvas_.line({area_.x, y}, {area_.x + area_.w, y}, theme.border);
    if (choice.is_current) canvas_.fill({area_.x + axis_ - 4, y + 1, area_.w - axis_ + 4, kRow - 2}, theme.raised, 3);
    if (begins_axis) canvas_.text({area_.x, middle}, plan_axis_name(choice.axis), canvas_.small(), axis_ - 8);
    TextStyle name = canvas_.small();
    name.color = theme.text;
    if (choice.is_current) name.face = FontFace::kSansMedium;
    canvas_.text({area_.x + axis_, middle}, choice.name, name, name_ - 6);
    TextStyle number = canvas_.mono();
    number.anchor = Anchor::kRight;
    for (std::size_t i = 0; i < n_columns_; ++i) {
      number.color = theme.text;
      if (kColumns[i].title == std::string("fits")) number.color = choice.fits ? theme.good : theme.bad;
      if (kColumns[i].title == std::string("change"))
        number.color = choice.is_current ? theme.text_faint : choice.saved_bytes > 0.5 ? theme.good : theme.text_dim;
      canvas_.text({right_of(i), middle}, kColumns[i].text(choice), number, kColumns[i].width - 4);
    }
    HitRegion hit = region({area_.x, y, area_.w, kRow}, std::string("choice ") + plan_axis_name(choice.axis) + " " + choice.name,
                           tooltip_of(choice));
    if (!choice.is_current) hit.click = with_plan(canvas_.input().session, part_.side, choice.plan);
    canvas_.hit(std::move(hit));
  }

  static std::string tooltip_of(const PlanChoice& choice) {
    std::string text = std::string(plan_axis_name(choice.axis)) + ": " + choice.name + "\n" + why(choice.axis);
    text += "\nweights " + short_bytes_text(choice.weight_bytes) + ", K and V " + short_bytes_text(choice.kv_bytes) + " (computed)";
    if (choice.is_current) return text + "\nThe plan is so now.";
    if (std::abs(choice.saved_bytes) >= 0.5)
      text += choice.saved_bytes > 0 ? "; " + short_bytes_text(choice.saved_bytes) + " less than now"
                                     : "; " + short_bytes_text(-choice.saved_bytes) + " more than now";
    return text + "\nClick plans so.";
  }

  static const char* why(PlanAxis axis) {
    switch (axis) {
      case PlanAxis::kKvHeads:
        return "Query heads that share one K/V head keep and read it once: the cache shrinks by as much. A model must be trained "
               "so (or healed "
               "after pooling).";
      case PlanAxis::kKvType:
        return "Fewer bits for K and V: less to keep and less to read for every token. Integers have a float32 scale for each row "
               "of each head.";
      case PlanAxis::kWeights:
        return "Fewer bits for the parameters: less to keep, and a step of few texts reads mostly them. Integers have a float16 "
               "scale for each "
               "128 values.";
      case PlanAxis::kReserving:
        return "Without pages each text's memory is taken at once for the longest text there may be. Pages are taken as a text "
               "grows; only its "
               "last one is partly empty.";
      case PlanAxis::kWindow:
        return "Each layer keeps its last tokens only: K and V stop growing. What is older cannot be attended to.";
    }
    return "";
  }

  HitRegion region(const Rect& shape, const std::string& key, std::string tooltip) const {
    return {.shape = shape,
            .tooltip = std::move(tooltip),
            .click = {},
            .double_click = {},
            .ctrl_click = {},
            .name = (part_.side == PlanSide::kFirst ? "cost/" : "cost/second ") + key};
  }

  Canvas& canvas_;
  Rect area_;
  PlanPart part_;
  double axis_ = 0, name_ = 0;
  std::size_t n_columns_ = 0;
};

}  // namespace

double draw_plan_choices(Canvas& canvas, const Rect& area, const PlanPart& part) { return ChoiceTable(canvas, area, part).draw(); }

void draw_plan_differences(Canvas& canvas, const Rect& area, const PlanCost& first, const PlanCost& second) {
  double y = area.y + canvas.panel_title({area.x, area.y}, "THE SECOND AGAINST THE FIRST", "", area.w) + 4;
  std::vector<PlanDifference> differences = compare_plans(first, second);
  double column = 60, ratio = 60;  // as wide as the longest number, where the names keep some room
  for (const PlanDifference& difference : differences) {
    column = std::max({column, canvas.width(difference.first, canvas.mono()), canvas.width(difference.second, canvas.mono())});
    ratio = std::max(ratio, canvas.width(difference.text, canvas.mono()));
  }
  column = std::min(column + 14, area.w * 0.27);
  ratio = std::min(ratio + 14, area.w * 0.2);
  const double label = area.w - 2 * column - ratio;
  const std::array<double, 3> rights{area.x + label + column, area.x + label + 2 * column, area.x + area.w};
  TextStyle head = canvas.faint(), number = canvas.mono();
  head.anchor = number.anchor = Anchor::kRight;
  constexpr std::array<const char*, 3> kTitles{"first", "second", "second is"};
  for (std::size_t i = 0; i < rights.size(); ++i)
    canvas.text({rights[i], y + kRow / 2}, kTitles[i], head, (i == 2 ? ratio : column) - 6);
  y += kRow;
  const auto room = static_cast<std::size_t>(std::max(0.0, std::floor((area.y + area.h - y) / kRow)));
  const std::size_t n = differences.size() <= room ? differences.size() : room > 0 ? room - 1 : 0;
  // Where there is no room for all, what differs is worth more.
  if (n < differences.size())
    std::stable_partition(differences.begin(), differences.end(), [](const PlanDifference& d) { return d.text != "the same"; });
  for (std::size_t i = 0; i < n; ++i) {
    const PlanDifference& difference = differences[i];
    const double middle = y + kRow / 2;
    canvas.line({area.x, y}, {area.x + area.w, y}, canvas.theme().border);
    canvas.text({area.x, middle}, difference.label, canvas.small(), label - 8);
    number.color = canvas.theme().text;
    canvas.text({rights[0], middle}, difference.first, number, column - 6);
    canvas.text({rights[1], middle}, difference.second, number, column - 6);
    if (difference.text == "the same") number.color = canvas.theme().text_faint;
    canvas.text({rights[2], middle}, difference.text, number, ratio - 6);
    const CostLine* line = second.find(difference.key);
    canvas.hit(
        {.shape = {area.x, y, area.w, kRow},
         .tooltip =
             difference.label + "\n" + difference.first + " → " + difference.second +
             (line == nullptr ? "" : "\nof the second: " + line->formula + " = " + line->result + ", " + basis_name(line->basis)),
         .click = {},
         .double_click = {},
         .ctrl_click = {},
         .name = "cost/difference " + difference.key});
    y += kRow;
  }
  if (n < differences.size() && room > 0)
    canvas.text({area.x, y + kRow / 2},
                "… " + count_text(std::ssize(differences) - static_cast<std::int64_t>(n)) + " more in a larger window",
                canvas.faint(), area.w);
}

}  // namespace headroom
