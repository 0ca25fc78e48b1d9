#include <algorithm>
#include <array>
#include <cmath>

#include "core/cost/thousands.h"
#include "core/figure/card_panels.h"
#include "core/figure/decode_panels.h"
#include "core/figure/number_text.h"
#include "core/session/session.h"

namespace headroom {
namespace {

/// Pairs of a query and a key in reach of one head, under the causal mask.
struct Pairs {
  double cached = 0, whole = 0;
};
/// Nothing under a pattern that leaves pairs out: then the counted work alone says it.
std::optional<Pairs> pairs_of(const DecodeLook& look) {
  if (look.decoded.request.compute.mask.pattern.kind != PatternKind::kDense) return std::nullopt;
  const std::int64_t n = look.step.position, rows = look.step.cached.n_rows;
  const std::int64_t budget = token_budget(look.run.cache).value_or(n);
  // A row sees those before it and itself, a cache with a budget at most that many.
  const auto seen_by_first = [&](std::int64_t count) {
    const double full = static_cast<double>(std::min(count, budget));
    return full * (full + 1) / 2 + static_cast<double>(std::max<std::int64_t>(0, count - budget)) * static_cast<double>(budget);
  };
  return Pairs{.cached = seen_by_first(n) - seen_by_first(n - rows),
               .whole = static_cast<double>(n) * static_cast<double>(n + 1) / 2};
}

/// The lower triangle of all pairs; the rows that this step computes are filled.
class Triangle {
 public:
  Triangle(Canvas& canvas, const Rect& rect, const DecodeLook& look) : canvas_(canvas), rect_(rect), look_(look) {}

  void draw_cached(Color color) {
    const double n = static_cast<double>(look_.step.position), rows = static_cast<double>(look_.step.cached.n_rows);
    draw_rows(0, n - rows, mix(canvas_.theme().panel, canvas_.theme().border, 0.55));
    draw_rows(n - rows, n, color);
    hatch_given_up(n - rows);
    draw_outline();
  }
  void draw_whole(Color color) {
    draw_rows(0, static_cast<double>(look_.step.position), color);
    draw_outline();
  }

 private:
  /// Rows [from, to) of the triangle: a trapezium.
  void draw_rows(double from, double to, Color color) {
    const double n = static_cast<double>(look_.step.position);
    if (to <= from || n <= 0) return;
    constexpr double kThinnest = 2;
    double top = rect_.y + rect_.h * from / n;
    const double bottom = rect_.y + rect_.h * to / n;
    top = std::min(top, bottom - kThinnest);
    const auto reach = [&](double y) { return rect_.x + rect_.w * std::clamp((y - rect_.y) / rect_.h, 0.0, 1.0); };
    Polyline shape{.points = {{rect_.x, top}, {reach(top), top}, {reach(bottom), bottom}, {rect_.x, bottom}},
                   .color = with_alpha(color, 0),
                   .width = 0,
                   .is_closed = true,
                   .fill = color};
    canvas_.add(shape);
  }
  /// Columns of the new row that the chosen head's cache no longer holds.
  void hatch_given_up(double from) {
    if (!look_.has_head() || look_.step.position > 4096) return;
    const std::vector<std::int64_t> slots = look_.slots();
    const double n = static_cast<double>(slots.size()), top = std::min(rect_.y + rect_.h * from / n, rect_.y + rect_.h - 2);
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (slots[i] >= 0) continue;
      std::size_t end = i;
      while (end < slots.size() && slots[end] < 0)
        ++end;
      const double x = rect_.x + rect_.w * static_cast<double>(i) / n, right = rect_.x + rect_.w * static_cast<double>(end) / n;
      canvas_.fill({x, top, right - x, rect_.y + rect_.h - top}, canvas_.theme().masked);
      i = end;
    }
  }
  void draw_outline() {
    canvas_.add(Polyline{.points = {{rect_.x, rect_.y}, {rect_.x + rect_.w, rect_.y + rect_.h}, {rect_.x, rect_.y + rect_.h}},
                         .color = canvas_.theme().text_faint,
                         .width = 1,
                         .is_closed = true,
                         .fill = {}});
  }

  Canvas& canvas_;
  Rect rect_;
  const DecodeLook& look_;
};

/// One line of the table: what it costs with the cache, without, and how many times.
struct WorkLine {
  std::string label, cached, whole;
  double ratio = 0;  ///< whole over cached; 0: none
  std::string tooltip;
};

std::string counted(std::int64_t n, const char* what) { return count_text(n) + " " + what + (n == 1 ? "" : "s"); }

std::vector<WorkLine> lines_of(const DecodeLook& look) {
  const StepCost& cached = look.step.cached;
  const StepCost* whole = look.step.whole ? &*look.step.whole : nullptr;
  const auto ratio = [&](double a, double b) { return whole != nullptr && a > 0 ? b / a : 0; };
  const auto or_dash = [&](const std::string& text) { return whole == nullptr ? std::string("–") : text; };
  const auto whole_of = [&](auto member) { return whole == nullptr ? 0.0 : static_cast<double>(whole->*member); };
  std::vector<WorkLine> lines;
  lines.push_back(
      {"tokens read", count_text(cached.n_rows), or_dash(count_text(whole == nullptr ? 0 : whole->n_rows)),
       ratio(static_cast<double>(cached.n_rows), whole_of(&StepCost::n_rows)),
       "Tokens that go through all layers in this step, counted\nWith the cache those that were not read yet; without it "
       "all of the text, anew."});
  if (const auto pairs = pairs_of(look)) {
    lines.push_back(
        {"pairs a head", count_text(std::llround(pairs->cached)), count_text(std::llround(pairs->whole)),
         pairs->cached > 0 ? pairs->whole / pairs->cached : 0,
         "Pairs q·k of a query and a key that one head looks at, computed\nA row sees the tokens before it and itself: without "
         "the cache n (n + 1) / 2, with it those of the new rows that are still held."});
  }
  lines.push_back({"work", flop_text(cached.flops), or_dash(flop_text(whole_of(&StepCost::flops))),
                   ratio(cached.flops, whole_of(&StepCost::flops)),
                   "All products of the step, counted as they ran: a multiply-add counts two.\nOf it attention: " +
                       flop_text(cached.attention_flops) + " with the cache, " +
                       or_dash(flop_text(whole_of(&StepCost::attention_flops))) + " without."});
  lines.push_back({"of it attention", flop_text(cached.attention_flops), or_dash(flop_text(whole_of(&StepCost::attention_flops))),
                   ratio(cached.attention_flops, whole_of(&StepCost::attention_flops)),
                   "The products q·k and of the probabilities with v, counted by attention itself."});
  lines.push_back(
      {"bytes moved", short_bytes_text(cached.bytes), or_dash(short_bytes_text(whole_of(&StepCost::bytes))),
       ratio(cached.bytes, whole_of(&StepCost::bytes)),
       "Parameters, rows, keys and values that the products read and write, counted\nOf it attention: " +
           short_bytes_text(cached.attention_bytes) + " with the cache, " +
           or_dash(short_bytes_text(whole_of(&StepCost::attention_bytes))) +
           " without. With the cache each parameter is read for one token: the time of a step is the time to read them."});
  if (cached.ms > 0) {
    lines.push_back({"time", ms_text(cached.ms), or_dash(ms_text(whole_of(&StepCost::ms))),
                     ratio(cached.ms, whole_of(&StepCost::ms)),
                     "Measured on this machine: from the ids to the logits, the least of " + counted(cached.n_runs, "run") +
                         " with the cache" + (whole != nullptr ? ", of " + counted(whole->n_runs, "run") + " without" : "") + "."});
    lines.push_back({"of it attention", ms_text(cached.attention_ms), or_dash(ms_text(whole_of(&StepCost::attention_ms))),
                     ratio(cached.attention_ms, whole_of(&StepCost::attention_ms)),
                     "Measured: in all layers, from q, k and v to what the heads give."});
  }
  return lines;
}

std::string ratio_text(double ratio) {
  if (!(ratio > 0)) return "";
  return (ratio >= 99.5 ? count_text(std::llround(ratio)) : compact(ratio, 2)) + "×";
}

void draw_table(Canvas& canvas, const Rect& area, const std::vector<WorkLine>& lines) {
  const double label = std::min(104.0, area.w * 0.32), ratio = 44, number = (area.w - label - ratio) / 2;
  const auto right = [&](TextStyle style) {
    style.anchor = Anchor::kRight;
    return style;
  };
  double y = area.y;
  for (const WorkLine& line : lines) {
    if (y + kSmallLine > area.y + area.h + 0.5) break;
    const double middle = y + kSmallLine / 2;
    canvas.text({area.x, middle}, line.label, canvas.small(), label - 4);
    canvas.text({area.x + label + number - 6, middle}, line.cached, right(canvas.mono()), number - 8);
    canvas.text({area.x + label + 2 * number - 6, middle}, line.whole, right(canvas.mono()), number - 8);
    canvas.text({area.x + area.w, middle}, ratio_text(line.ratio), right(canvas.small()), ratio);
    canvas.hit({.shape = {area.x, y, area.w, kSmallLine},
                .tooltip = line.label + "\n" + line.tooltip,
                .click = {},
                .double_click = {},
                .ctrl_click = {},
                .name = "decode work " + line.label});
    y += kSmallLine;
  }
}

}  // namespace

void draw_decode_work(Canvas& canvas, const Rect& area, const DecodeLook& look) {
  const bool has_times = look.step.cached.ms > 0;
  const double title =
      canvas.panel_title({area.x, area.y}, "THIS STEP", has_times ? "counted, times measured" : "counted", area.w) + 6;
  const std::vector<WorkLine> lines = lines_of(look);
  const double names = kSmallLine + 2;
  double table = static_cast<double>(lines.size()) * kSmallLine;
  const double room = area.h - title - names;
  constexpr double kLeastTriangle = 44;
  table = std::min(table, std::max(0.0, std::floor((room - kLeastTriangle) / kSmallLine)) * kSmallLine);
  const double label = std::min(104.0, area.w * 0.32), ratio = 44, number = (area.w - label - ratio) / 2;
  const double side = std::min({room - table - 8, number - 16, 150.0});
  const DecodeSigns signs = decode_signs(canvas.theme());
  double y = area.y + title;
  TextStyle name = canvas.small();
  name.anchor = Anchor::kRight;
  name.color = canvas.theme().text;
  const char* cached_name = canvas.width("with the cache", name) <= number - 8 ? "with the cache" : "cached";
  canvas.text({area.x + label + number - 6, y + kSmallLine / 2}, cached_name, name, number - 8);
  canvas.text({area.x + label + 2 * number - 6, y + kSmallLine / 2}, "without", name, number - 8);
  y += names;
  if (side >= 24) {
    const std::array<Rect, 2> squares{
        {{area.x + label + number - 6 - side, y, side, side}, {area.x + label + 2 * number - 6 - side, y, side, side}}};
    Triangle(canvas, squares[0], look).draw_cached(signs.cached);
    if (look.step.whole) {
      Triangle(canvas, squares[1], look).draw_whole(signs.whole);
    } else {
      canvas.paragraph({area.x + label + number, y + side / 2 - kSmallLine, number - 6, 0}, look.run.not_whole, canvas.faint(), 3);
    }
    canvas.paragraph({area.x, y + std::max(0.0, (side - 3 * kSmallLine) / 2), label - 10, 0}, "rows: queries columns: keys",
                     canvas.faint(), 3);
    canvas.hit({.shape = squares[0],
                .tooltip =
                    "With the cache\nKeys and values of the tokens before lie in memory (grey): only the new rows are computed. "
                    "What was given up is in the colour of masked pairs.",
                .click = {},
                .double_click = {},
                .ctrl_click = {},
                .name = "decode with"});
    canvas.hit({.shape = squares[1],
                .tooltip =
                    "Without a cache\nEvery row is computed again, though only the last one says anything new: n (n + 1) / 2 "
                    "pairs for one word.",
                .click = {},
                .double_click = {},
                .ctrl_click = {},
                .name = "decode without"});
    y += side + 8;
  }
  draw_table(canvas, {area.x, y, area.w, area.y + area.h - y}, lines);
}

}  // namespace headroom
