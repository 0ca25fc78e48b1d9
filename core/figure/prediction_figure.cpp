#include <algorithm>
#include <cmath>
#include <optional>

#include "core/figure/canvas.h"
#include "core/figure/number_text.h"
#include "core/figure/prediction_rows.h"
#include "core/session/on_demand.h"
#include "core/session/texts.h"

namespace headroom {
namespace {

constexpr std::size_t kMostPredictions = 10;
/// Before the word that really stands there: a colour alone would not do.
constexpr const char* kFollowed = "▸ ";

/// What a marked row says.
std::string really_text(const Snapshot& snapshot, std::int64_t at) {
  if (predicted(snapshot.config) == LossOf::kHiddenTokens) return "▸ the word that is hidden";
  const bool is_written = at >= std::ssize(snapshot.tokens) - static_cast<std::int64_t>(snapshot.n_written);
  return is_written ? "▸ what the model wrote here" : "▸ what really follows in the text";
}

}  // namespace

std::int64_t chosen_token(const FigureInput& input) {
  const std::int64_t n = std::ssize(input.snapshot->tokens);
  const std::optional<std::int64_t>& query = input.session.view.query;
  return query && *query >= 0 && *query < n ? *query : n - 1;
}

std::string spelled(const Snapshot& snapshot, std::int32_t id) {
  if (snapshot.tokenizer == nullptr) return "id " + std::to_string(id);
  return display_token(bare_token(*snapshot.tokenizer, id));
}

double draw_predictions(Canvas& canvas, const Rect& area, std::int64_t position) {
  const FigureInput& input = canvas.input();
  const Snapshot& snapshot = *input.snapshot;
  const auto most = static_cast<std::size_t>(std::max(0.0, std::floor(area.h / kSmallLine)));
  if (most == 0) return 0;
  std::vector<Prediction> all = predictions_after(snapshot, position, std::min(kMostPredictions, most));
  if (all.empty()) {
    return canvas.paragraph(area, why_no_predictions(snapshot), canvas.small(), std::min<std::size_t>(most, 4));
  }
  // What really stands there is always among the rows, the last of them where it is not one of the most probable.
  const std::int64_t at = followed_by(snapshot, position);
  const std::int32_t really = at < 0 ? -1 : snapshot.tokens[static_cast<std::size_t>(at)].id;
  const std::optional<Odds> odds = at < 0 ? std::nullopt : odds_of(snapshot, position, really);
  if (odds && std::ranges::find(all, really, &Prediction::id) == all.end()) {
    if (all.size() == most) all.pop_back();
    all.push_back({really, odds->probability});
  }
  const auto name_of = [&](std::int32_t id) { return (id == really ? kFollowed : "") + spelled(snapshot, id); };
  const double pitch = std::clamp(area.h / static_cast<double>(std::max<std::size_t>(all.size(), 1)), kSmallLine, 24.0);
  const TextStyle number = canvas.mono();
  const double number_width = canvas.width("0.000", number);
  double word_width = 0;
  for (const Prediction& prediction : all)
    word_width = std::max(word_width, canvas.width(name_of(prediction.id), canvas.small()));
  word_width = std::clamp(word_width, 32.0, std::max(32.0, area.w * 0.4));
  const double bar_x = area.x + word_width + 12, bar_w = area.x + area.w - number_width - 12 - bar_x;
  double y = area.y;
  for (const Prediction& prediction : all) {
    const double middle = y + pitch / 2;
    TextStyle word = canvas.small(), right = number;
    word.color = canvas.theme().text;
    right.anchor = Anchor::kRight;
    const bool is_really = prediction.id == really;
    if (is_really) word.color = canvas.theme().accent;
    const std::string name = spelled(snapshot, prediction.id);
    canvas.text({area.x, middle}, name_of(prediction.id), word, word_width);
    if (bar_w >= 16) canvas.bar({bar_x, middle - 3, bar_w, 6}, prediction.probability, canvas.theme().attention);
    canvas.text({area.x + area.w, middle}, probability_text(prediction.probability), right);
    canvas.hit({.shape = {area.x, y, area.w, pitch},
                .tooltip = name + "\nprobability " + probability_text(prediction.probability) + ", computed by the model" +
                           (is_really && odds ? "\n" + really_text(snapshot, at) + ", rank " + count_text(odds->rank) + " of " +
                                                    count_text(snapshot.config.shape.vocab_size)
                                              : ""),
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
  if (const std::string& why = input.snapshot->no_prediction; !why.empty()) {  // then no token is hidden, and none comes next
    Canvas canvas(input, "Prediction");
    const Rect area = panel_area(input.size);
    const double top = canvas.panel_title({area.x, area.y}, "PREDICTION", "none", area.w) + 8;
    canvas.paragraph({area.x, area.y + top, area.w, area.h - top}, why, canvas.small(), 4);
    return canvas.take();
  }
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
