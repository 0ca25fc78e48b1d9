#include "core/figure/written_figure.h"

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

constexpr const char* kTitle = "What the model writes";
constexpr double kChipHeight = 36, kChipGap = 4;
constexpr double kTitleHeight = kSmallLine + 8;
constexpr std::size_t kAlternatives = 5;

/// One written token and what the model gave it.
struct Step {
  std::int64_t token = 0;  ///< its place in the text
  std::string word;
  std::optional<Odds> odds;
  std::vector<Prediction> others;  ///< most probable first, the written one among them or not
};

class WrittenPicture {
 public:
  explicit WrittenPicture(const FigureInput& input)
      : input_(input), snapshot_(*input.snapshot), canvas_(input, kTitle), area_(panel_area(input.size)) {
    make_pages();
    // Odds are of the whole vocabulary: only of what is shown.
    for (std::int64_t i = pages_[page_]; i < end_of(page_); ++i)
      steps_.push_back(step_of(i));
  }

  Figure draw() {
    const bool is_own = snapshot_.compute.continuation.empty();
    const std::string how =
        is_own ? "the decoder by itself, always the most probable word" : "the model's own probabilities, computed";
    std::string what = counted(snapshot_.n_written, "token") + " · " + how;
    if (pages_.size() > 1) {
      const auto number = [&](std::int64_t token) { return count_text(token - first() + 1); };
      what = number(pages_[page_]) + "–" + number(end_of(page_) - 1) + " of " + what;
    }
    double y = area_.y + canvas_.panel_title({area_.x, area_.y}, "WRITTEN", what, area_.w - (pages_.size() > 1 ? 64 : 0)) + 8;
    draw_turning();
    y = draw_chips(y);
    draw_table(y + 12);
    return canvas_.take();
  }

 private:
  static std::string counted(std::size_t n, const std::string& what) {
    return count_text(static_cast<std::int64_t>(n)) + " " + what + (n == 1 ? "" : "s");
  }
  const std::vector<Token>& text() const { return snapshot_.target.empty() ? snapshot_.tokens : snapshot_.target; }
  std::int64_t first() const { return std::ssize(text()) - static_cast<std::int64_t>(snapshot_.n_written); }
  /// Whether the rows that the views show are those that wrote.
  bool shows_rows() const { return snapshot_.target.empty() || snapshot_.compute.stack != AttentionStack::kEncoder; }

  double chip_width(const std::string& word) const {
    const double number = canvas_.width("0.0e−00", canvas_.faint());
    return std::min(160.0, std::ceil(std::max(canvas_.width(word, canvas_.mono()), number)) + 14);
  }

  /// As many chips a page as fit below the title; the page of the chosen row is shown, else the first.
  void make_pages() {
    const double right = area_.x + area_.w;
    const auto fitting = static_cast<std::int64_t>(std::floor((area_.h - kTitleHeight + kChipGap) / (kChipHeight + kChipGap)));
    const std::int64_t most = std::max<std::int64_t>(1, fitting);
    double x = area_.x;
    std::int64_t lines = 1;
    pages_ = {first()};
    for (std::int64_t i = first(); i < std::ssize(text()); ++i) {
      const double width = chip_width(display_token(text()[static_cast<std::size_t>(i)]));
      if (x > area_.x && x + width > right) {
        x = area_.x;
        if (++lines > most) {
          pages_.push_back(i);
          lines = 1;
        }
      }
      x += width + kChipGap;
    }
    const std::optional<std::int64_t>& query = input_.session.view.query;
    if (!shows_rows() || !query) return;
    while (page_ + 1 < pages_.size() && pages_[page_ + 1] <= *query + 1)
      ++page_;
  }
  /// One behind the last token of a page.
  std::int64_t end_of(std::size_t page) const { return page + 1 < pages_.size() ? pages_[page + 1] : std::ssize(text()); }

  /// To the page before and the next, where there are some.
  void draw_turning() {
    if (pages_.size() < 2 || !shows_rows()) return;
    const auto turn = [&](double x, const char* sign, std::size_t to, const char* name) {
      const bool is_there = to < pages_.size();
      TextStyle style = canvas_.small();
      style.anchor = Anchor::kCentre;
      style.color = is_there ? canvas_.theme().text : canvas_.theme().text_faint;
      const Rect place{x, area_.y, 24, kLine};
      canvas_.text({place.x + 12, place.y + kSmallLine / 2}, sign, style);
      if (!is_there) return;
      canvas_.hit({.shape = place,
                   .tooltip = "Tokens " + count_text(pages_[to] - first() + 1) + " to " + count_text(end_of(to) - first()) +
                              "\nchooses the row that wrote the first of them",
                   .click = QuerySelected{std::max<std::int64_t>(0, pages_[to] - 1)},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = name});
    };
    const double right = area_.x + area_.w;
    turn(right - 52, "‹", page_ - 1, "written before");  // before the first: no page has that number
    turn(right - 24, "›", page_ + 1, "written next");
  }

  Step step_of(std::int64_t i) const {
    Step step{.token = i, .word = display_token(text()[static_cast<std::size_t>(i)]), .odds = {}, .others = {}};
    if (!shows_rows() || i < 1) return step;
    step.odds = odds_of(snapshot_, i - 1, text()[static_cast<std::size_t>(i)].id);
    step.others = predictions_after(snapshot_, i - 1, kAlternatives);
    return step;
  }

  std::string tooltip(const Step& step) const {
    std::string tip = "token " + count_text(step.token) + " " + step.word;
    if (!step.odds) return tip + "\nits probability shows in the Decoder and Cross tabs";
    tip += "\nprobability " + probability_text(step.odds->probability) + ", rank " + count_text(step.odds->rank);
    for (const Prediction& other : step.others)
      tip += "\n" + spelled(snapshot_, other.id) + " " + probability_text(other.probability);
    const Token& before = text()[static_cast<std::size_t>(step.token - 1)];
    return tip + "\nclick chooses the row that wrote it: token " + count_text(step.token - 1) + " " + display_token(before);
  }

  void react(const Rect& shape, const Step& step, const std::string& what) {
    const bool leads = shows_rows() && step.token > 0;
    canvas_.hit({.shape = shape,
                 .tooltip = tooltip(step),
                 .click = leads ? std::optional<Action>(QuerySelected{step.token - 1}) : std::nullopt,
                 .double_click = {},
                 .ctrl_click = {},
                 .name = what + " " + std::to_string(step.token)});
  }
  bool is_chosen(const Step& step) const { return shows_rows() && input_.session.view.query == step.token - 1; }

  /// The tokens one after another, each over its probability. Returns where they end.
  double draw_chips(double y) {
    const double right = area_.x + area_.w, bottom = area_.y + area_.h;
    double x = area_.x;
    for (const Step& step : steps_) {
      const std::string odds = step.odds ? probability_text(step.odds->probability) : "–";
      TextStyle word = canvas_.mono(), number = canvas_.faint();
      const double width = chip_width(step.word);
      if (x > area_.x && x + width > right) {
        x = area_.x;
        y += kChipHeight + kChipGap;
      }
      if (y + kChipHeight > bottom) return y;
      const Rect chip{x, y, width, kChipHeight};
      canvas_.fill(chip, canvas_.theme().raised, 4);
      if (step.odds) {
        const double share = std::clamp(step.odds->probability, 0.0, 1.0);
        canvas_.fill({chip.x + 3, chip.y + chip.h - 4, (chip.w - 6) * share, 2}, canvas_.theme().attention, 1);
      }
      if (is_chosen(step)) canvas_.outline(chip, canvas_.theme().accent, 1.5, 4);
      canvas_.text({x + 7, y + 11}, step.word, word, width - 12);
      canvas_.text({x + 7, y + 24}, odds, number, width - 12);
      react(chip, step, "written");
      x += width + kChipGap;
    }
    return y + kChipHeight;
  }

  /// Each step with its alternatives, where the page has room for them.
  void draw_table(double y) {
    const double bottom = area_.y + area_.h;
    if (!shows_rows() || y + kLine + 2 * kSmallLine > bottom) return;
    y += canvas_.panel_title({area_.x, y}, "STEP BY STEP", "most probable words of each, and their probabilities", area_.w) + 4;
    const double index = std::ceil(canvas_.width("0,000", canvas_.mono())), word = 112, number = 64;
    for (const Step& step : steps_) {
      if (y + kSmallLine > bottom) return;
      const double middle = y + kSmallLine / 2;
      TextStyle right = canvas_.mono();
      right.anchor = Anchor::kRight;
      canvas_.text({area_.x + index, middle}, count_text(step.token), right);
      canvas_.text({area_.x + index + 12, middle}, step.word, canvas_.mono(), word);
      if (step.odds) canvas_.text({area_.x + index + 12 + word + number, middle}, probability_text(step.odds->probability), right);
      std::string others;
      for (const Prediction& other : step.others)
        others += (others.empty() ? "" : " · ") + spelled(snapshot_, other.id) + " " + probability_text(other.probability);
      const double left = area_.x + index + word + number + 32;
      canvas_.parts({left, middle}, others, canvas_.small(), area_.x + area_.w - left);
      react({area_.x, y, area_.w, kSmallLine}, step, "step");
      y += kSmallLine;
    }
  }

  const FigureInput& input_;
  const Snapshot& snapshot_;
  Canvas canvas_;
  Rect area_;
  std::vector<std::int64_t> pages_;  ///< the first token of each
  std::size_t page_ = 0;
  std::vector<Step> steps_;  ///< of the page
};

}  // namespace

std::string why_not_writing(const Snapshot& snapshot) {
  const ModelKind kind = snapshot.compute.trained.kind;
  if (snapshot.compute.model_source == ModelSource::kCapture)
    return "A capture holds attention that was computed elsewhere: open its model to let it write on.";
  if (kind == ModelKind::kMasked) return "This model tells hidden words from both sides; a model that reads on writes.";
  // An encoder predicts nothing, and its decoder writes all the same.
  if (kind == ModelKind::kCausal && !snapshot.config.predicts) return snapshot.no_prediction;
  return "";
}

Figure written_figure(const FigureInput& input) {
  if (!has_trace(input))
    return message_figure(input, kTitle, {"No picture yet", "Type a sentence: the model can write on after it."});
  const Snapshot& snapshot = *input.snapshot;
  if (const std::string why = why_not_writing(snapshot); !why.empty())
    return message_figure(input, kTitle, {"Nothing can be written", why});
  if (snapshot.n_written == 0)
    return message_figure(
        input, kTitle,
        {"Nothing written yet", "Press Write: the model goes on after the text, and every view shows what each step looked at."});
  return WrittenPicture(input).draw();
}

}  // namespace headroom
