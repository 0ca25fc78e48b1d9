#include "core/figure/train_arrows.h"

#include <algorithm>
#include <cmath>

#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr double kRise = 44, kPercents = 15, kWords = 20, kBetween = 12;
constexpr double kFaintest = 0.03, kTold = 0.05;  ///< probabilities: drawn, and printed
constexpr double kCrossRise = 56;

/// Words in a line, as many as fit around the one that must be seen.
struct WordLine {
  std::vector<std::string> texts;
  std::vector<double> centres, widths;  ///< of those in [begin, end)
  std::int64_t begin = 0, end = 0;
  bool holds(std::int64_t i) const { return i >= begin && i < end; }
  double centre(std::int64_t i) const { return centres[static_cast<std::size_t>(i - begin)]; }
};

class Arrows {
 public:
  Arrows(Canvas& canvas, const Rect& area, const TrainArrows& arrows)
      : canvas_(canvas), area_(area), tiles_(arrows.tiles), head_(arrows.head), row_(arrows.row) {}

  void draw() {
    is_cross_ = tiles_.stack().stack == AttentionStack::kCross;
    keys_ = lay_out(tiles_.keys(), is_cross_ ? strongest() : row_);
    queries_ = is_cross_ ? lay_out(tiles_.queries(), row_) : keys_;
    if (is_cross_) {
      const double top = area_.y + kPercents + kWords / 2, bottom = top + kWords + kCrossRise;
      if (tiles_.is_difference()) draw_straight(top, bottom, Time::kCompared);
      draw_straight(top, bottom, Time::kShown);
      draw_percents(area_.y + kPercents / 2, Time::kShown);
      draw_line(keys_, top, Line::kKeys);
      draw_line(queries_, bottom, Line::kQueries);
      return;
    }
    const double middle = area_.y + kRise + kPercents + kWords / 2;
    draw_arcs(middle - kWords / 2 - kPercents, -1, Time::kShown);
    draw_percents(middle - kWords / 2 - kPercents / 2, Time::kShown);
    if (tiles_.is_difference()) {
      draw_arcs(middle + kWords / 2 + kPercents, 1, Time::kCompared);
      draw_percents(middle + kWords / 2 + kPercents / 2, Time::kCompared);
    }
    draw_line(keys_, middle, Line::kBoth);
  }

 private:
  enum class Time { kShown, kCompared };
  enum class Line { kKeys, kQueries, kBoth };

  double probability(std::int64_t key, Time time) const {
    return time == Time::kShown ? tiles_.probability(head_, row_, key) : tiles_.compared_probability(head_, row_, key);
  }
  std::int64_t strongest(Time time = Time::kShown) const {
    std::int64_t best = 0;
    for (std::int64_t k = 1; k < tiles_.stack().seq_k; ++k) {
      if (probability(k, time) > probability(best, time)) best = k;
    }
    return best;
  }
  TextStyle word_style() const { return {.color = canvas_.theme().text_dim, .size = kTextSize}; }
  /// The same whatever the probabilities, so that words stand still while it trains; room for "99 %" above a short word.
  double slot(const std::string& text) const {
    return std::max(canvas_.width(text, word_style()), canvas_.width("99 %", canvas_.mono())) + kBetween;
  }

  WordLine lay_out(const std::vector<FrameWord>& words, std::int64_t seen) const {
    WordLine line;
    const auto n = std::ssize(words);
    std::vector<double> slots;
    for (const FrameWord& word : words) {
      const TextStyle style = word_style();
      line.texts.push_back(shorten_middle(frame_word_text(word), 110, style.face, style.size, canvas_.input().measurer));
      slots.push_back(slot(line.texts.back()));
    }
    // Grows from the word that must be seen: to the left first, for that is where a causal model looks.
    line.begin = std::clamp<std::int64_t>(seen, 0, n - 1);
    line.end = line.begin + 1;
    double used = slots[static_cast<std::size_t>(line.begin)];
    for (bool has_grown = true; has_grown;) {
      has_grown = false;
      if (line.begin > 0 && used + slots[static_cast<std::size_t>(line.begin) - 1] <= area_.w - 24) {
        used += slots[static_cast<std::size_t>(--line.begin)];
        has_grown = true;
      }
      if (line.end < n && used + slots[static_cast<std::size_t>(line.end)] <= area_.w - 24) {
        used += slots[static_cast<std::size_t>(line.end++)];
        has_grown = true;
      }
    }
    double x = area_.x + (line.begin > 0 ? 16 : 0);
    for (std::int64_t i = line.begin; i < line.end; ++i) {
      const double w = slots[static_cast<std::size_t>(i)];
      line.centres.push_back(x + w / 2);
      line.widths.push_back(w - kBetween);
      x += w;
    }
    return line;
  }

  void draw_line(const WordLine& line, double y, Line which) {
    const Theme& theme = canvas_.theme();
    if (line.begin > 0) canvas_.text({area_.x, y}, "…", canvas_.faint());
    for (std::int64_t i = line.begin; i < line.end; ++i) {
      const double x = line.centre(i), w = line.widths[static_cast<std::size_t>(i - line.begin)];
      const bool is_row = which != Line::kKeys && i == row_,
                 is_key = which != Line::kQueries && probability(i, Time::kShown) >= 0.2;
      TextStyle style = word_style();
      style.anchor = Anchor::kCentre;
      if (is_row || is_key) style.color = theme.text;
      if (is_row) style.face = FontFace::kSansMedium;
      if (is_row) canvas_.fill({x - w / 2 - 4, y - kWords / 2 + 1, w + 8, kWords - 2}, theme.raised, 3);
      canvas_.text({x, y}, line.texts[static_cast<std::size_t>(i)], style, w + kBetween - 2);
      if (which == Line::kKeys) continue;
      // Hovering a word shows where it looks.
      const Rect box{x - w / 2 - 4, y - kWords / 2, w + 8, kWords};
      TileRequest row;
      row.row_begin = i;
      row.row_end = i + 1;
      row.col_end = 1;
      canvas_.cells({.rect = box, .request = row, .opens_head = true});
      canvas_.hit({.shape = box,
                   .tooltip = line.texts[static_cast<std::size_t>(i)] + "\nword " + std::to_string(i) +
                              " of the watched sentence: where it looks",
                   .click = TrainHeadSelected{head_},
                   .double_click = {},
                   .ctrl_click = TrainHeadSelected{head_},
                   .name = "word " + std::to_string(i)});
    }
    const std::int64_t n = which == Line::kQueries ? tiles_.stack().seq_q : tiles_.stack().seq_k;
    if (line.end < n && !line.centres.empty())
      canvas_.text({line.centres.back() + line.widths.back() / 2 + kBetween / 2 + 2, y}, "…", canvas_.faint());
  }

  Color color_of(Time time, double p) const {
    const Color color = time == Time::kShown ? canvas_.theme().attention : canvas_.theme().text_faint;
    return with_alpha(color, std::clamp(0.25 + 0.75 * p, 0.0, 1.0));
  }

  /// From the row's word over the line to each key; `side` -1: upwards.
  void draw_arcs(double y, double side, Time time) {
    if (!queries_.holds(row_)) return;
    const double from = queries_.centre(row_);
    double farthest = 1;
    for (std::int64_t k = keys_.begin; k < keys_.end; ++k)
      farthest = std::max(farthest, std::abs(keys_.centre(k) - from));
    for (std::int64_t k = keys_.begin; k < keys_.end; ++k) {
      const double p = probability(k, time);
      if (!tiles_.is_visible(row_, k) || p < kFaintest) continue;
      double to = keys_.centre(k), start = from;
      if (k == row_) {  // a loop back to itself
        start += 8;
        to -= 8;
      }
      // A cubic with both controls at one height rises to three quarters of it.
      const double rise = (k == row_ ? 18 : 16 + (kRise - 18) * std::abs(to - from) / farthest) * 4 / 3;
      const double width = 1 + 2.5 * p;
      canvas_.add(Curve{.from = {start, y},
                        .control_from = {start, y + side * rise},
                        .control_to = {to, y + side * rise},
                        .to = {to, y},
                        .color = color_of(time, p),
                        .width = width});
      const double tip = 3 + width;
      if (p >= kTold)
        canvas_.add(Polyline{.points = {{to - tip, y + side * tip}, {to + tip, y + side * tip}, {to, y}},
                             .color = color_of(time, p),
                             .width = 0,
                             .is_closed = true,
                             .fill = color_of(time, p)});
    }
  }

  /// From the translation's word up to the source's.
  void draw_straight(double top, double bottom, Time time) {
    if (!queries_.holds(row_)) return;
    const Point from{queries_.centre(row_), bottom - kWords / 2};
    for (std::int64_t k = keys_.begin; k < keys_.end; ++k) {
      const double p = probability(k, time);
      if (p < kFaintest) continue;
      const Point to{keys_.centre(k), top + kWords / 2};
      const double half = (from.y - to.y) / 2;
      canvas_.add(Curve{.from = from,
                        .control_from = {from.x, from.y - half},
                        .control_to = {to.x, to.y + half},
                        .to = to,
                        .color = color_of(time, p),
                        .width = 1 + 2.5 * p});
    }
  }

  void draw_percents(double y, Time time) {
    for (std::int64_t k = keys_.begin; k < keys_.end; ++k) {
      const double p = probability(k, time);
      if (!tiles_.is_visible(row_, k) || p < kTold) continue;
      TextStyle style = canvas_.mono();
      style.anchor = Anchor::kCentre;
      style.color = time == Time::kShown ? canvas_.theme().text : canvas_.theme().text_faint;
      canvas_.text({keys_.centre(k), y}, fixed(p * 100, 0) + " %", style);
    }
  }

  Canvas& canvas_;
  Rect area_;
  const TrainTiles& tiles_;
  HeadRef head_;
  std::int64_t row_ = 0;
  bool is_cross_ = false;
  WordLine keys_, queries_;
};

}  // namespace

double train_arrows_height(const TrainTiles& tiles) {
  if (tiles.stack().stack == AttentionStack::kCross) return kPercents + 2 * kWords + kCrossRise;
  const double side = kRise + kPercents;
  return kWords + side * (tiles.is_difference() ? 2 : 1);
}

void draw_train_arrows(Canvas& canvas, const Rect& area, const TrainArrows& arrows) { Arrows(canvas, area, arrows).draw(); }

}  // namespace headroom
