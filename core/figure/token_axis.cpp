#include "core/figure/token_axis.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/figure/number_text.h"

namespace headroom {
namespace {

double cell_length(const TokenAxis& axis) { return axis.length / static_cast<double>(axis.end - axis.begin); }
double centre_of(const TokenAxis& axis, std::int64_t token) {
  return axis.start + (static_cast<double>(token - axis.begin) + 0.5) * cell_length(axis);
}
bool is_emphasised(const TokenAxis& axis, std::int64_t token) {
  return std::find(axis.emphasised.begin(), axis.emphasised.end(), token) != axis.emphasised.end();
}
/// Of a pair: which of the sentences a token belongs to.
bool is_of_second(const Token& token) { return token.part != 0 || token.type != 0; }
bool is_pair(const std::vector<Token>& tokens) {
  // A second sentence ends the row; a document has none.
  return !tokens.empty() && (is_of_second(tokens.back()) || (tokens.size() > 1 && is_of_second(tokens[tokens.size() - 2])));
}

std::string label_of(const TokenAxis& axis, std::int64_t token) {
  const Token& shown = axis.tokens[static_cast<std::size_t>(token)];
  std::string word = display_token(shown);
  if (is_pair(axis.tokens)) word = (is_of_second(shown) ? "B: " : "A: ") + word;
  return axis.labels == TokenAxis::Labels::kNumbered ? count_text(token) + " " + word : word;
}

/// As much of the label as there is room for: a number is never cut, its word may go.
std::string fitting_label(const Canvas& canvas, const TokenAxis& axis, std::int64_t token) {
  const TextStyle style = token_style(canvas);
  std::string label = label_of(axis, token);
  if (canvas.width(label, style) <= axis.room) return label;
  if (axis.labels == TokenAxis::Labels::kNumbered) label = count_text(token);
  return shorten_middle(label, axis.room, style.face, style.size, canvas.input().measurer);
}

/// 1, 2, 5, 10, 20, 50, … : the next that is not below `least`.
std::int64_t round_step(std::int64_t least) {
  for (std::int64_t power = 1;; power *= 10) {
    for (const std::int64_t digit : {1, 2, 5}) {
      if (digit * power >= least) return digit * power;
    }
  }
}

}  // namespace

TextStyle token_style(const Canvas& canvas) {
  return {.color = canvas.theme().text_dim, .size = kSmallTextSize, .face = FontFace::kMono};
}

std::vector<std::int64_t> labelled_tokens(const TokenAxis& axis, double pitch) {
  std::vector<std::int64_t> labelled;
  if (axis.end <= axis.begin || axis.length <= 0) return labelled;
  const double cell = cell_length(axis);
  const auto is_free = [&](std::int64_t token) {
    return std::all_of(labelled.begin(), labelled.end(),
                       [&](std::int64_t other) { return std::abs(static_cast<double>(token - other)) * cell >= pitch - 1e-9; });
  };
  for (const std::int64_t token : axis.emphasised) {
    if (token >= axis.begin && token < axis.end && is_free(token)) labelled.push_back(token);
  }
  auto step = std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(pitch / cell - 1e-9)));
  if (axis.labels == TokenAxis::Labels::kNumbered) step = round_step(step);
  const std::size_t n_emphasised = labelled.size();
  for (std::int64_t token = (axis.begin + step - 1) / step * step; token < axis.end; token += step) {
    const bool is_far =
        std::all_of(labelled.begin(), labelled.begin() + static_cast<std::ptrdiff_t>(n_emphasised),
                    [&](std::int64_t e) { return std::abs(static_cast<double>(token - e)) * cell >= pitch - 1e-9; });
    if (is_far) labelled.push_back(token);
  }
  std::sort(labelled.begin(), labelled.end());
  return labelled;
}

double label_room(const Canvas& canvas, const TokenAxis& axis, double limit) {
  // At most a few hundred labels can stand beside a picture; the longest of thousands of tokens need not be found.
  double widest = 0;
  // As much for every part of a long text, so that its picture stands still while it is moved.
  if (axis.labels == TokenAxis::Labels::kNumbered)
    return std::ceil(std::min(limit, canvas.width(count_text(std::ssize(axis.tokens)) + " a longer", token_style(canvas))));
  const std::int64_t step = std::max<std::int64_t>(1, (axis.end - axis.begin) / 256);
  for (std::int64_t token = axis.begin; token < axis.end && widest < limit; token += step)
    widest = std::max(widest, canvas.width(label_of(axis, token), token_style(canvas)));
  return std::ceil(std::min(widest, limit));
}

void draw_row_labels(Canvas& canvas, const TokenAxis& axis) {
  for (const std::int64_t token : labelled_tokens(axis, kRowLabelPitch)) {
    TextStyle style = token_style(canvas);
    style.anchor = Anchor::kRight;
    if (is_emphasised(axis, token)) style.color = canvas.theme().text;
    canvas.text({axis.edge - 8, centre_of(axis, token)}, fitting_label(canvas, axis, token), style, axis.room);
  }
}

void draw_column_labels(Canvas& canvas, const TokenAxis& axis) {
  for (const std::int64_t token : labelled_tokens(axis, kColumnLabelPitch)) {
    TextStyle style = token_style(canvas);
    if (is_emphasised(axis, token)) style.color = canvas.theme().text;
    std::string shown = fitting_label(canvas, axis, token);
    if (shown.empty()) continue;
    canvas.add(TextRun{.at = {centre_of(axis, token), axis.edge - 8},
                       .text = std::move(shown),
                       .face = style.face,
                       .size = style.size,
                       .color = style.color,
                       .anchor = Anchor::kLeft,
                       .angle = 45,
                       .max_width = 0});
  }
}

}  // namespace headroom
