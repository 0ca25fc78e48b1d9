#include <algorithm>
#include <cmath>

#include "core/figure/cost_panels.h"
#include "core/figure/number_text.h"
#include "core/figure/short_text.h"

namespace headroom {
namespace {

constexpr double kBar = 24, kSwatch = 9;

/// A stretch of the bar.
struct Stretch {
  std::string key;    ///< "weights"
  std::string label;  ///< "weights"
  double bytes = 0;
  Color color;
  enum class Texture { kFilled, kHatched, kEmpty } texture = Texture::kFilled;
  std::string tooltip;
};

class MemoryBar {
 public:
  MemoryBar(Canvas& canvas, const Rect& area, const PlanPart& part, double full)
      : canvas_(canvas), area_(area), part_(part), cost_(part.cost), full_(full) {}

  double draw() {
    const Device& device = cost_.device;
    std::string detail = short_bytes_text(device.memory_bytes) + ", " + basis_name(device.basis);
    if (device.usable_share < 1) detail += " · " + percent_text(device.usable_share) + " of it planned with, assumed";
    double y =
        area_.y +
        canvas_.panel_title({area_.x, area_.y}, cost_.plan.tensor_parallel > 1 ? "MEMORY OF EACH DEVICE" : "MEMORY OF THE DEVICE",
                            detail, area_.w) +
        6;
    track_ = {area_.x, y, area_.w, kBar};
    draw_stretches();
    y += kBar + 6;
    return y + draw_legend(y) - area_.y;
  }

 private:
  double x_of(double bytes) const { return track_.x + std::clamp(bytes / full_, 0.0, 1.0) * track_.w; }

  std::vector<Stretch> stretches() const {
    const Theme& theme = canvas_.theme();
    const PlanMemory& memory = cost_.memory;
    const double used = memory.kv_used / 2, empty = std::max(0.0, memory.kv - memory.kv_used);
    const std::string sharers = cost_.plan.tensor_parallel > 1 ? ", one device's part" : "";
    std::vector<Stretch> made{
        {"weights", "weights", memory.weights, theme.mlp, Stretch::Texture::kFilled,
         "Weights\nEvery parameter as it is kept, " + std::string(kv_type_name(cost_.plan.weights)) + ", with its scales" +
             sharers + ". They are read once for each step, however many texts there are."},
        {"keys", "K", used, theme.k, Stretch::Texture::kFilled,
         "Keys\nOf every text's tokens in every layer, " + std::string(kv_type_name(cost_.plan.kv)) + sharers +
             ". They grow with the texts and "
             "their tokens; weights do not."},
        {"values", "V", used, theme.v, Stretch::Texture::kFilled, "Values\nAs large as the keys: each token keeps both."},
        {"reserved", "reserved, still empty", empty, mix(theme.k, theme.v, 0.5), Stretch::Texture::kHatched,
         cost_.plan.page_rows > 0 ? "Unfilled rows\nThe last page of each text is not full: at most one page a text is wasted."
                                  : "Reserved, still empty\nWithout pages each text's memory is taken at once for " +
                                        count_text(cost_.reserved_tokens) + " tokens, however few it has. Pages give this back."},
        {"activations", "activations", memory.activations, theme.other, Stretch::Texture::kFilled,
         "Activations, estimated\nRows between the steps of the largest pass. Fused attention keeps no scores: they would need " +
             short_bytes_text(cost_.prefill.naive.score_bytes) + " for one text's layer."}};
    const double free = memory.usable - memory.total();
    if (free > 0)
      made.push_back({"free", "free", free, theme.border, Stretch::Texture::kEmpty,
                      "Free\nFor more texts, longer ones, or less rounding of the numbers."});
    return made;
  }

  void draw_stretches() {
    const Theme& theme = canvas_.theme();
    const double memory = cost_.device.memory_bytes, usable = cost_.memory.usable, total = cost_.memory.total();
    canvas_.fill({track_.x, track_.y, x_of(memory) - track_.x, kBar}, theme.masked, 2);
    canvas_.fill({track_.x, track_.y, x_of(usable) - track_.x, kBar}, mix(theme.panel, theme.raised, 0.6), 2);
    if (usable < memory) {
      const Rect rest{x_of(usable), track_.y, x_of(memory) - x_of(usable), kBar};
      canvas_.hit(region(rest, "system",
                         "Left to the system\n" + short_bytes_text(memory - usable) +
                             " for the driver, the runtime and what splits memory up: an assumption, not a measurement."));
    }
    double at = 0;
    for (const Stretch& stretch : stretches()) {
      if (!(stretch.bytes > 0)) continue;
      const Rect rect{x_of(at), track_.y, x_of(at + stretch.bytes) - x_of(at), kBar};
      at += stretch.bytes;
      if (stretch.texture == Stretch::Texture::kFilled) canvas_.fill(rect, stretch.color);
      if (stretch.texture == Stretch::Texture::kHatched) {
        canvas_.fill(rect, with_alpha(stretch.color, 0.18));
        canvas_.add(Hatch{.rect = rect, .color = stretch.color, .spacing = 5});
      }
      if (stretch.texture == Stretch::Texture::kFilled) draw_label(stretch, rect);
      canvas_.hit(region(rect, stretch.key, stretch.tooltip + "\n" + amount(stretch)));
    }
    canvas_.outline({track_.x, track_.y, x_of(memory) - track_.x, kBar}, theme.text_faint, 1, 2);
    if (total <= usable) return;
    // What is over stands behind the end of what may be used.
    const double end = x_of(usable);
    canvas_.add(Hatch{.rect = {end, track_.y, x_of(total) - end, kBar}, .color = theme.bad, .spacing = 4});
    canvas_.line({end, track_.y - 4}, {end, track_.y + kBar + 4}, theme.bad, 2);
  }

  void draw_label(const Stretch& stretch, const Rect& rect) {
    TextStyle style{.color = text_over(canvas_.theme(), stretch.color),
                    .size = kSmallTextSize,
                    .face = FontFace::kSansMedium,
                    .anchor = Anchor::kCentre};
    const double width = std::min(rect.x + rect.w, x_of(cost_.memory.usable)) - rect.x;  // what is over is hatched
    if (canvas_.width(stretch.label, style) + 10 > width) return;
    canvas_.text({rect.x + width / 2, rect.y + rect.h / 2}, stretch.label, style);
  }

  std::string amount(const Stretch& stretch) const {
    const double usable = cost_.memory.usable;
    return count_text(std::llround(stretch.bytes)) + " B" +
           (usable > 0 ? " · " + percent_text(stretch.bytes / usable) + " of what is planned with" : "");
  }

  /// Swatch, name and bytes of each stretch, in as many lines as they need. Returns the height used.
  double draw_legend(double top) {
    const Theme& theme = canvas_.theme();
    double x = area_.x, y = top;
    const auto place = [&](const std::string& text, const auto& swatch, Color color) {
      TextStyle style = canvas_.small();
      style.color = color;
      const double w = kSwatch + 6 + canvas_.width(text, style);
      if (x > area_.x && x + w > area_.x + area_.w) {
        x = area_.x;
        y += kSmallLine;
      }
      if (y + kSmallLine > area_.y + area_.h) return;
      swatch(Rect{x, y + (kSmallLine - kSwatch) / 2, kSwatch, kSwatch});
      canvas_.text({x + kSwatch + 6, y + kSmallLine / 2}, text, style, area_.w - kSwatch - 6);
      x += w + 18;
    };
    for (const Stretch& stretch : stretches()) {
      if (!(stretch.bytes > 0)) continue;
      place(
          stretch.label + " " + short_bytes_text(stretch.bytes),
          [&](const Rect& box) {
            if (stretch.texture == Stretch::Texture::kFilled) canvas_.fill(box, stretch.color, 2);
            if (stretch.texture == Stretch::Texture::kHatched)
              canvas_.add(Hatch{.rect = box, .color = stretch.color, .spacing = 3});
            if (stretch.texture == Stretch::Texture::kEmpty) canvas_.outline(box, theme.text_faint, 1, 2);
          },
          theme.text_dim);
    }
    const double over = cost_.memory.total() - cost_.memory.usable;
    if (over > 0)
      place(
          "over by " + short_bytes_text(over),
          [&](const Rect& box) { canvas_.add(Hatch{.rect = box, .color = theme.bad, .spacing = 3}); }, theme.bad);
    return std::min(y + kSmallLine, area_.y + area_.h) - top;
  }

  HitRegion region(const Rect& shape, const std::string& key, const std::string& tooltip) const {
    return {.shape = shape,
            .tooltip = tooltip,
            .click = {},
            .double_click = {},
            .ctrl_click = {},
            .name = std::string(part_.side == PlanSide::kFirst ? "cost/memory " : "cost/second memory ") + key};
  }

  Canvas& canvas_;
  Rect area_, track_;
  PlanPart part_;
  const PlanCost& cost_;
  double full_;
};

}  // namespace

double memory_extent(const PlanCost& cost) { return std::max({cost.device.memory_bytes, cost.memory.total(), 1.0}); }

double draw_plan_memory(Canvas& canvas, const Rect& area, const PlanPart& part, double full) {
  return MemoryBar(canvas, area, part, full).draw();
}

}  // namespace headroom
