#include <algorithm>
#include <cmath>

#include "core/figure/decode_panels.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr double kChipHeight = 20, kChipGap = 3, kRow = 24, kMostWidth = 150;

struct Chip {
  std::int64_t position = 0;
  double x = 0, w = 0;
  std::size_t row = 0;
};

/// Which K/V heads of all layers hold each token of the text.
std::vector<std::int64_t> holders(const DecodeLook& look, std::int64_t& n_heads) {
  std::vector<std::int64_t> held(static_cast<std::size_t>(look.step.position), 0);
  n_heads = 0;
  for (std::size_t l = 0; l < look.step.layers.size(); ++l) {
    const LayerStep& layer = look.step.layers[l];
    if (layer.positions.empty()) continue;
    const std::int64_t heads = std::ssize(look.run.kv_heads[l]);
    n_heads += heads;
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t slot = 0; slot < layer.n_slots; ++slot) {
        const std::int32_t position = layer.position_of(h, slot);
        if (position >= 0 && position < look.step.position) ++held[static_cast<std::size_t>(position)];
      }
    }
  }
  return held;
}

class TokenChips {
 public:
  TokenChips(Canvas& canvas, const Rect& area, const DecodeLook& look)
      : canvas_(canvas), area_(area), look_(look), slots_(look.slots()), held_(holders(look, n_heads_)) {
    lay_out();
  }

  std::size_t n_rows() const { return chips_.empty() ? 0 : chips_.back().row + 1; }

  void draw() {
    if (chips_.empty()) return;
    const auto n_rows = static_cast<std::size_t>(std::max(1.0, std::floor(area_.h / kRow)));
    const std::int64_t last = std::min<std::int64_t>(std::ssize(chips_) - 1, look_.step.position - first_);
    const std::size_t wanted = chips_[static_cast<std::size_t>(last)].row, all = chips_.back().row + 1;
    // The row of the newest token stands low, so that what it follows is seen.
    std::size_t first = wanted + 1 > n_rows ? wanted + 1 - n_rows : 0;
    if (first + n_rows < all && wanted == first + n_rows - 1 && n_rows > 2) ++first;
    for (const Chip& chip : chips_) {
      if (chip.row >= first && chip.row < first + n_rows) draw_chip(chip, area_.y + static_cast<double>(chip.row - first) * kRow);
    }
    if (first == 0 && first_ == 0) return;
    // What stands before is scrolled away: said at the left edge, where the first row begins.
    canvas_.hit({.shape = {area_.x, area_.y, 14, kChipHeight},
                 .tooltip = "Earlier tokens\nAn earlier step (Left, Home) brings them back.",
                 .click = DecodeStepSet{0},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "decode earlier"});
    canvas_.text({area_.x, area_.y + kChipHeight / 2}, "…", canvas_.faint());
  }

 private:
  void lay_out() {
    double x = 0;
    std::size_t row = 0;
    // Of a long text the part around the step: what is farther away has no room anyhow.
    constexpr std::int64_t kBefore = 400, kAfter = 200;
    first_ = std::max<std::int64_t>(0, look_.step.position - kBefore);
    const std::int64_t n = std::min<std::int64_t>(std::ssize(look_.decoded.tokens), look_.step.position + kAfter);
    for (std::int64_t i = first_; i < n; ++i) {
      const double w = std::ceil(std::min(kMostWidth, canvas_.width(look_.word(i), canvas_.mono()) + 10));
      if (x > 0 && x + w > area_.w) {
        x = 16;  // room for the sign that more stands before
        ++row;
      }
      chips_.push_back({i, x, w, row});
      x += w + kChipGap;
    }
  }

  std::string tooltip(std::int64_t position, std::int64_t step) const {
    const DecodeRun& run = look_.run;
    std::string tip = "token " + count_text(position) + " " + look_.word(position);
    if (step >= 0) {
      const DecodeStep& written = *run.steps[static_cast<std::size_t>(step)];
      tip += "\nwritten in step " + count_text(step + 1) + ", probability " + probability_text(written.probability);
      if (written.differs()) tip += "\na cache of all tokens in float32 would have written another";
    } else {
      tip += "\nof the text that was read";
    }
    if (position < look_.step.position) {
      const std::int64_t held = held_[static_cast<std::size_t>(position)];
      tip += "\nits keys and values are held by " + count_text(held) + " of " + count_text(n_heads_) + " K/V heads (all layers)";
      if (slots_[static_cast<std::size_t>(position)] < 0 && look_.has_head()) tip += "; not by " + look_.kv_head_text();
    } else if (position == look_.step.position) {
      tip += "\nthe newest: its keys and values come when the next step reads it";
    } else {
      tip += "\nof a later step";
    }
    return tip + "\nclick looks at " + (step >= 0 ? "the step that wrote it" : "the first step, which reads it");
  }

  void draw_chip(const Chip& chip, double y) {
    const Theme& theme = canvas_.theme();
    const std::int64_t position = chip.position, step = position - std::ssize(look_.run.prompt);
    const Rect rect{area_.x + chip.x, y, chip.w, kChipHeight};
    const bool is_newest = position == look_.step.position, is_later = position > look_.step.position;
    const bool is_given_up = position < look_.step.position && look_.has_head() && slots_[static_cast<std::size_t>(position)] < 0;
    TextStyle style = canvas_.mono();
    if (is_later) style.color = theme.text_faint;
    if (step >= 0) canvas_.fill(rect, is_later ? mix(theme.panel, theme.raised, 0.5) : theme.raised, 4);
    if (is_given_up) {
      canvas_.add(Hatch{rect, theme.border, 5});
      style.color = theme.text_dim;
    }
    if (step >= 0 && !is_later && look_.run.steps[static_cast<std::size_t>(step)]->differs())
      canvas_.fill({rect.x + 3, rect.y + rect.h - 2, rect.w - 6, 2}, theme.warning, 1);
    if (is_newest) canvas_.outline(rect, theme.accent, 1.5, 4);
    canvas_.text({rect.x + 5, rect.y + rect.h / 2}, look_.word(position), style, rect.w - 9);
    canvas_.hit({.shape = rect,
                 .tooltip = tooltip(position, step),
                 .click = DecodeStepSet{std::max<std::int64_t>(0, step)},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "decode token " + std::to_string(position)});
  }

  Canvas& canvas_;
  Rect area_;
  const DecodeLook& look_;
  std::vector<std::int64_t> slots_;
  std::int64_t n_heads_ = 0;
  std::vector<std::int64_t> held_;
  std::vector<Chip> chips_;
  std::int64_t first_ = 0;  ///< token that the first chip shows
};

}  // namespace

std::size_t decode_token_rows(Canvas& canvas, double width, const DecodeLook& look) {
  return TokenChips(canvas, {0, 0, width, 0}, look).n_rows();
}

void draw_decode_tokens(Canvas& canvas, const Rect& area, const DecodeLook& look) { TokenChips(canvas, area, look).draw(); }

}  // namespace headroom
