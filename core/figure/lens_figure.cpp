#include "core/figure/lens_figure.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/figure/canvas.h"
#include "core/figure/number_text.h"
#include "core/figure/prediction_rows.h"
#include "core/session/on_demand.h"

namespace headroom {
namespace {

constexpr double kNarrowestColumn = 60, kWidestColumn = 240, kLegendWidth = 64;
constexpr const char* kTitle = "Logit lens";

class LensPicture {
 public:
  LensPicture(const FigureInput& input, const LogitLens& lens)
      : input_(input),
        snapshot_(*input.snapshot),
        lens_(lens),
        canvas_(input, kTitle),
        area_(panel_area(input.size)),
        bottom_(area_.y + area_.h) {}

  Figure draw() {
    const std::string token = display_token(snapshot_.tokens[static_cast<std::size_t>(lens_.position)]);
    const bool is_hidden = predicted(snapshot_.config) == LossOf::kHiddenTokens;
    const std::string of = is_hidden ? "“" + token + "” hidden" : "after “" + token + "”";
    area_.y += canvas_.panel_title(
                   {area_.x, area_.y}, "LOGIT LENS",
                   "computed, " + of + " · each layer's residual stream through the model's final norm and output head", area_.w) +
               8;
    place();
    draw_headings();
    for (std::size_t column = 0; column < shown_.size(); ++column)
      draw_column(column);
    draw_ranks();
    draw_legend();
    return canvas_.take();
  }

 private:
  std::int64_t n_columns() const { return std::ssize(lens_.layers); }
  std::string answer() const { return spelled(snapshot_, lens_.answer); }
  /// What the column's residual stream is.
  std::string name_of(std::int64_t column) const {
    return column == 0 ? std::string("input") : "after L" + std::to_string(column - 1);
  }
  double x_of(std::size_t column) const { return columns_.x + static_cast<double>(column) * pitch_; }
  const LensLayer& layer(std::size_t column) const { return lens_.layers[static_cast<std::size_t>(shown_[column])]; }

  void place() {
    const double gutter = std::ceil(std::max(canvas_.width("rank", canvas_.small()), canvas_.width("10", canvas_.mono()))) + 12;
    columns_ = {area_.x + gutter, area_.y, area_.w - gutter, 0};
    // Every so many layers where not all have room for a word; the last always.
    const auto room = std::max<std::int64_t>(1, static_cast<std::int64_t>(columns_.w / kNarrowestColumn));
    step_ = (n_columns() + room - 1) / room;
    for (std::int64_t column = n_columns() - 1; column >= 0; column -= step_)
      shown_.push_back(column);
    std::ranges::reverse(shown_);
    pitch_ = std::min(kWidestColumn, std::floor(columns_.w / static_cast<double>(shown_.size())));
    const double below = 2 * kSmallLine + 12;  // ranks, legend
    const double room_h = bottom_ - area_.y - kSmallLine - below;
    const auto most = static_cast<std::int64_t>(std::floor(room_h / kSmallLine));
    n_words_ = std::clamp<std::int64_t>(most, 1, std::ssize(lens_.layers.front().top));
    row_ = std::clamp(std::floor(room_h / static_cast<double>(n_words_)), kSmallLine, 28.0);
    columns_.y = area_.y + kSmallLine;
    columns_.h = row_ * static_cast<double>(n_words_);
  }

  void draw_headings() {
    TextStyle name = canvas_.faint(), place = canvas_.faint();
    name.anchor = Anchor::kCentre;
    place.anchor = Anchor::kRight;
    for (std::size_t column = 0; column < shown_.size(); ++column)
      canvas_.text({x_of(column) + pitch_ / 2, area_.y + kSmallLine / 2}, name_of(shown_[column]), name, pitch_ - 2);
    for (std::int64_t word = 0; word < n_words_; ++word)
      canvas_.text({columns_.x - 8, columns_.y + (static_cast<double>(word) + 0.5) * row_}, std::to_string(word + 1), place);
  }

  void draw_column(std::size_t column) {
    const ColorMapName map = input_.session.view.colormap;
    const auto& top = layer(column).top;
    for (std::int64_t word = 0; word < std::min<std::int64_t>(n_words_, std::ssize(top)); ++word) {
      const Prediction& guess = top[static_cast<std::size_t>(word)];
      const Rect cell{x_of(column), columns_.y + static_cast<double>(word) * row_, pitch_ - 2, row_ - 2};
      const Color fill = colormap_color(map, guess.probability);
      canvas_.fill(cell, fill, 2);
      TextStyle style = canvas_.small();
      style.color = text_over(canvas_.theme(), fill);
      style.anchor = Anchor::kCentre;
      const bool is_answer = guess.id == lens_.answer;
      const std::string name = spelled(snapshot_, guess.id);
      canvas_.text({cell.x + cell.w / 2, cell.y + cell.h / 2}, (is_answer ? "▸ " : "") + name, style, cell.w - 6);
      if (is_answer) canvas_.outline({cell.x, cell.y, cell.w, cell.h}, canvas_.theme().accent, 1.5, 2);
      canvas_.hit({.shape = cell,
                   .tooltip = name_of(shown_[column]) + ": " + name + "\nprobability " + probability_text(guess.probability) +
                              ", rank " + std::to_string(word + 1) + (is_answer ? "\n▸ what the whole model says" : ""),
                   .click = {},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = "lens " + std::to_string(shown_[column]) + " " + std::to_string(word)});
    }
  }

  /// How far up the model's answer is at each layer.
  void draw_ranks() {
    const double y = columns_.y + columns_.h + 4 + kSmallLine / 2;
    TextStyle label = canvas_.small(), number = canvas_.mono();
    label.anchor = Anchor::kRight;
    number.anchor = Anchor::kCentre;
    canvas_.text({columns_.x - 8, y}, "rank", label);
    for (std::size_t column = 0; column < shown_.size(); ++column) {
      canvas_.text({x_of(column) + pitch_ / 2, y}, count_text(layer(column).answer_rank), number, pitch_ - 2);
      canvas_.hit({.shape = {x_of(column), y - kSmallLine / 2, pitch_ - 2, kSmallLine},
                   .tooltip = name_of(shown_[column]) + ": rank " + count_text(layer(column).answer_rank) + " of " +
                              count_text(snapshot_.config.shape.vocab_size) + "\nof “" + answer() +
                              "”, which the whole model says; its probability here " +
                              probability_text(layer(column).answer_probability),
                   .click = {},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = "lens rank " + std::to_string(shown_[column])});
    }
  }

  void draw_legend() {
    const double y = columns_.y + columns_.h + 8 + 1.5 * kSmallLine;
    const TextStyle faint = canvas_.faint();
    double x = columns_.x;
    x += canvas_.text({x, y}, "0", faint) + 4;
    canvas_.add(ColorRamp{.rect = {x, y - 4, kLegendWidth, 8}, .colormap = input_.session.view.colormap});
    x += kLegendWidth + 4;
    x += canvas_.text({x, y}, "1 probability", faint) + 16;
    std::string text;
    if (step_ > 1) text = "every " + std::to_string(step_) + (step_ == 2 ? "nd" : step_ == 3 ? "rd" : "th") + " layer is shown · ";
    text += "▸ and rank: “" + answer() + "”, the model's own answer · nostalgebraist 2020";
    canvas_.parts({x, y}, text, faint, area_.x + area_.w - x);
  }

  const FigureInput& input_;
  const Snapshot& snapshot_;
  const LogitLens& lens_;
  Canvas canvas_;
  Rect area_;
  double bottom_ = 0;
  Rect columns_;
  std::vector<std::int64_t> shown_;  ///< indices into lens_.layers
  std::int64_t step_ = 1, n_words_ = 1;
  double pitch_ = 0, row_ = 0;
};

}  // namespace

std::string why_no_lens(const Snapshot& snapshot) {
  if (snapshot.is_long) return "The lens needs the residual stream of every layer, which is not kept of a long text.";
  if (!snapshot.no_prediction.empty()) return snapshot.no_prediction;
  return snapshot.config.predicts ? "" : "This stack has no output: it predicts nothing, at no layer.";
}

std::int64_t lens_token(const View& view, const Snapshot& snapshot) {
  const std::int64_t n = std::ssize(snapshot.tokens);
  return view.query && *view.query >= 0 && *view.query < n ? *view.query : n - 1;
}

Figure lens_figure(const FigureInput& input, const LensState& state) {
  if (!has_trace(input))
    return message_figure(input, kTitle, {"No picture yet", "Type a sentence: what each layer would say next shows here."});
  if (const std::string why = why_no_lens(*input.snapshot); !why.empty())
    return message_figure(input, kTitle, {"No lens on this text", why});
  const LogitLens* lens = state.of(input.snapshot->trace, lens_token(input.session.view, *input.snapshot));
  if (lens != nullptr) return LensPicture(input, *lens).draw();
  if (!state.failure.empty()) return message_figure(input, kTitle, {"No lens", state.failure});
  return message_figure(input, kTitle,
                        {"Looking through the layers…", "What each layer would say, were it the last, is being computed."});
}

}  // namespace headroom
