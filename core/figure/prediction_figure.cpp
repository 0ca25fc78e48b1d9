#include <algorithm>
#include <cmath>

#include "core/figure/canvas.h"
#include "core/figure/number_text.h"
#include "core/figure/prediction_rows.h"
#include "core/session/on_demand.h"

namespace headroom {
namespace {

constexpr std::size_t kMostPredictions = 8;

}  // namespace

std::int64_t chosen_token(const FigureInput& input) {
  const std::int64_t n = std::ssize(input.snapshot->tokens);
  const std::optional<std::int64_t>& query = input.session.view.query;
  return query && *query >= 0 && *query < n ? *query : n - 1;
}

std::string spelled(const Snapshot& snapshot, std::int32_t id) {
  const std::string_view text = snapshot.tokenizer != nullptr ? snapshot.tokenizer->token_text(id) : std::string_view();
  if (text.empty()) return "id " + std::to_string(id);
  Token token;
  token.id = id;
  token.text = text;
  return display_token(token);
}

double draw_predictions(Canvas& canvas, const Rect& area, std::int64_t position) {
  const FigureInput& input = canvas.input();
  const auto most = static_cast<std::size_t>(std::max(0.0, std::floor(area.h / kLine)));
  if (most == 0) return 0;
  const std::vector<Prediction> all = predictions_after(*input.snapshot, position, std::min(kMostPredictions, most));
  if (all.empty()) {
    return canvas.paragraph(area, why_no_predictions(*input.snapshot), canvas.small(), std::min<std::size_t>(most, 4));
  }
  const double pitch = std::clamp(area.h / static_cast<double>(std::max<std::size_t>(all.size(), 1)), kLine, 24.0);
  const TextStyle number = canvas.mono();
  const double number_width = canvas.width("0.000", number);
  double word_width = 0;
  for (const Prediction& prediction : all)
    word_width = std::max(word_width, canvas.width(spelled(*input.snapshot, prediction.id), canvas.small()));
  word_width = std::clamp(word_width, 32.0, std::max(32.0, area.w * 0.4));
  const double bar_x = area.x + word_width + 12, bar_w = area.x + area.w - number_width - 12 - bar_x;
  double y = area.y;
  for (const Prediction& prediction : all) {
    const double middle = y + pitch / 2;
    TextStyle word = canvas.small(), right = number;
    word.color = canvas.theme().text;
    right.anchor = Anchor::kRight;
    const std::string name = spelled(*input.snapshot, prediction.id);
    canvas.text({area.x, middle}, name, word, word_width);
    if (bar_w >= 16) canvas.bar({bar_x, middle - 3, bar_w, 6}, prediction.probability, canvas.theme().attention);
    canvas.text({area.x + area.w, middle}, probability_text(prediction.probability), right);
    canvas.hit({.shape = {area.x, y, area.w, pitch},
                .tooltip = name + "\nprobability " + probability_text(prediction.probability) + ", computed by the model",
                .click = {},
                .double_click = {},
                .ctrl_click = {},
                .name = "prediction " + std::to_string(&prediction - all.data())});
    y += pitch;
  }
  return y - area.y;
}

Figure prediction_figure(const FigureInput& input) {
  if (!has_trace(input))
    return message_figure(input, "Next token", {"No prediction yet", "Type a sentence: the model's next words show here."});
  const bool is_hidden = predicted(input.snapshot->config) == LossOf::kHiddenTokens;
  Canvas canvas(input, is_hidden ? "Hidden token" : "Next token");
  const std::int64_t position = chosen_token(input);
  const Rect area = panel_area(input.size);
  const std::string token = display_token(input.snapshot->tokens[static_cast<std::size_t>(position)]);
  const std::string of = is_hidden ? "computed, “" + token + "” hidden" : "computed, after “" + token + "”";
  const double top = canvas.panel_title({area.x, area.y}, is_hidden ? "HIDDEN TOKEN" : "NEXT TOKEN", of, area.w) + 8;
  const Rect rows{area.x, area.y + top, area.w, area.h - top};
  if (input.snapshot->is_untrained) {
    const double used = canvas.paragraph(rows, "Untrained parameters: these probabilities mean nothing.", canvas.faint(), 2) + 4;
    draw_predictions(canvas, {rows.x, rows.y + used, rows.w, rows.h - used}, position);
  } else {
    draw_predictions(canvas, rows, position);
  }
  return canvas.take();
}

}  // namespace headroom
