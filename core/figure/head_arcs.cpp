#include <algorithm>
#include <cmath>

#include "core/figure/head_picture.h"
#include "core/figure/number_text.h"
#include "core/figure/token_axis.h"
#include "core/figure/token_part.h"

namespace headroom {
namespace {

/// Below this an arc cannot be told from the background.
constexpr double kFaintest = 0.02;
constexpr double kSmallestPitch = 14, kLargestPitch = 28;

/// The tokens of one side that are shown: all, or as many as can be labelled.
struct Side {
  const std::vector<Token>& tokens;
  std::int64_t begin = 0, end = 0;

  std::int64_t all() const { return std::ssize(tokens); }
  bool is_part() const { return end - begin < all(); }
  bool has(std::int64_t token) const { return token >= begin && token < end; }
  std::string label(std::int64_t token) const { return display_token(tokens[static_cast<std::size_t>(token)]); }
};

class Arcs {
 public:
  Arcs(Canvas& canvas, const HeadPicture& view)
      : canvas_(canvas),
        view_(view),
        snapshot_(*canvas.input().snapshot),
        part_(shown_part(canvas.input().session.view, snapshot_)),
        queries_{snapshot_.tokens},
        keys_{snapshot_.keys()} {}

  void draw() {
    focus_ = canvas_.input().hovered_query ? canvas_.input().hovered_query : view_.query;
    place();
    draw_headings();
    draw_curves();
    draw_queries();
    draw_keys();
    draw_legend();
  }

 private:
  double y_of(const Side& side, std::int64_t token) const {
    return top_ + (static_cast<double>(token - side.begin) + 0.5) * pitch_;
  }

  /// As many tokens as can be labelled; of long sentences a window, around the focus or where the picture was panned to.
  void place() {
    const Rect& area = view_.area;
    const double height = area.h - kLine - 2 * kSmallLine - 12;
    const auto most = std::max<std::int64_t>(2, static_cast<std::int64_t>(height / kSmallestPitch));
    const auto show = [&](Side& side, const std::vector<std::int64_t>& kept, const std::optional<std::int64_t>& focus) {
      const std::int64_t first = kept.front(), shown = std::min(kept.back() + 1 - first, most), last = kept.back() + 1 - shown;
      const double pan = canvas_.input().session.view.pan_y;
      side.begin = std::clamp<std::int64_t>(first + std::llround(pan * static_cast<double>(last - first)), first, last);
      side.end = side.begin + shown;
      if (!focus || side.has(*focus)) return;
      side.begin = std::clamp<std::int64_t>(*focus - shown / 2, first, last);
      side.end = side.begin + shown;
    };
    show(queries_, part_.queries, focus_);
    // A text's own tokens stand side by side; another text's keys are shown about the chosen one.
    if (snapshot_.key_tokens.empty() && part_.queries == part_.keys) {
      keys_.begin = queries_.begin;
      keys_.end = queries_.end;
    } else {
      show(keys_, part_.keys, view_.key);
    }
    pitch_ =
        std::min(height / static_cast<double>(std::max(queries_.end - queries_.begin, keys_.end - keys_.begin)), kLargestPitch);
    top_ = area.y + kLine;
    room_ = canvas_.width("query", canvas_.small());
    for (const Side* side : {&queries_, &keys_}) {
      const TokenAxis axis{side->tokens, side->begin, side->end, 0, 0, 0, 0, {}};
      room_ = std::max(room_, label_room(canvas_, axis, std::clamp(area.w * 0.24, 32.0, 140.0)));
    }
    const double percent = canvas_.width("< 0.1 %", canvas_.mono()) + 12;
    const double spread = std::min(area.w - 2 * room_ - percent - 32, 560.0);
    const double lead = std::floor(std::clamp((area.w - spread - 2 * room_ - percent - 32) / 2, 0.0, area.w / 4));
    left_ = area.x + lead + room_ + 12;
    right_ = left_ + std::max(24.0, spread);
  }

  void draw_headings() {
    TextStyle style = canvas_.small();
    const double y = view_.area.y + kSmallLine / 2;
    canvas_.text({right_ + 12, y}, "key", style);
    style.anchor = Anchor::kRight;
    canvas_.text({left_ - 12, y}, "query", style);
  }

  void draw_curves() {
    const HeadRef& head = view_.head;
    for (std::int64_t query = queries_.begin; query < queries_.end; ++query) {
      if ((focus_ && *focus_ != query) || !part_.has_query(query)) continue;
      const std::vector<float> row = evaluate_row(*snapshot_.trace, head.layer, head.head, query);
      if (focus_) probabilities_ = row;
      for (std::int64_t key = keys_.begin; key < keys_.end; ++key) {
        const double p = row[static_cast<std::size_t>(key)];
        if (!(p >= (focus_ ? 0.002 : kFaintest)) || !part_.has_key(key)) continue;
        arc({query, key, p});
      }
    }
  }

  struct Arc {
    std::int64_t query, key;
    double probability;
  };
  void arc(const Arc& arc) {
    const double reach = (right_ - left_) * 0.45;
    const Point from{left_, y_of(queries_, arc.query)}, to{right_, y_of(keys_, arc.key)};
    const double opacity = focus_ ? std::max(arc.probability, 0.04) : 0.55 * arc.probability;
    canvas_.add(Curve{.from = from,
                      .control_from = {from.x + reach, from.y},
                      .control_to = {to.x - reach, to.y},
                      .to = to,
                      .color = with_alpha(canvas_.theme().attention, opacity),
                      .width = focus_ ? 2.5 : 1.5});
  }

  void draw_queries() {
    const Theme& theme = canvas_.theme();
    for (std::int64_t token = queries_.begin; token < queries_.end; ++token) {
      const double y = y_of(queries_, token);
      const std::string label = queries_.label(token);
      const bool is_focus = focus_ == token;
      TextStyle query = token_style(canvas_);
      query.anchor = Anchor::kRight;
      query.color = is_focus ? theme.text : focus_ ? theme.text_faint : theme.text_dim;
      if (is_focus)
        canvas_.fill({left_ - 16 - room_, y - std::min(pitch_, 18.0) / 2, room_ + 12, std::min(pitch_, 18.0)}, theme.raised, 3);
      canvas_.text({left_ - 12, y}, label, query, room_);
      canvas_.fill({left_ - 5, y - 2, 4, 4}, theme.q, 2);
      canvas_.hit({.shape = {left_ - 16 - room_, y - pitch_ / 2, room_ + 16, pitch_},
                   .tooltip = "query " + std::to_string(token) + " " + label + "\nclick shows where it looks",
                   .click = QuerySelected{token},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = "query " + std::to_string(token)});
    }
  }

  void draw_keys() {
    const Theme& theme = canvas_.theme();
    for (std::int64_t token = keys_.begin; token < keys_.end; ++token) {
      const double y = y_of(keys_, token);
      const std::string label = keys_.label(token);
      const double p = probabilities_.empty() ? 0 : static_cast<double>(probabilities_[static_cast<std::size_t>(token)]);
      const bool is_key = p >= 0.05 || view_.key == token;
      TextStyle key = token_style(canvas_);
      key.color = is_key ? theme.text : focus_ ? theme.text_faint : theme.text_dim;
      canvas_.fill({right_ + 1, y - 2, 4, 4}, theme.k, 2);
      canvas_.text({right_ + 12, y}, label, key, room_);
      if (focus_ && !std::isnan(p) && p >= 0.005) {
        canvas_.text({right_ + 24 + room_, y}, percent_text(p),
                     {.color = key.color, .size = kSmallTextSize, .face = FontFace::kMono});
      }
      const std::optional<Action> pick = focus_ ? std::optional<Action>(CellSelected{*focus_, token}) : std::nullopt;
      canvas_.hit({.shape = {right_, y - pitch_ / 2, room_ + 16, pitch_},
                   .tooltip = focus_ ? cell_tooltip(snapshot_, tile_request(), *focus_, token)
                                     : "key " + std::to_string(token) + " " + label + "\nchoose a query at the left first",
                   .click = pick,
                   .double_click = {},
                   .ctrl_click = {},
                   .name = "key " + std::to_string(token)});
    }
  }

  TileRequest tile_request() const {
    TileRequest request;
    request.layer = view_.head.layer;
    request.head = view_.head.head;
    return request;
  }

  static std::string part_text(const char* what, const Side& side) {
    return std::string(" ") + what + " " + std::to_string(side.begin) + " to " + std::to_string(side.end - 1) + " of " +
           count_text(side.all()) + ".";
  }

  void draw_legend() {
    const Rect& area = view_.area;
    std::string text = focus_
                           ? "Opacity: the probability with which the chosen query looks at each key."
                           : "Opacity: probability, from " + percent_text(kFaintest) + " on. Click a query to see its percentages.";
    if (snapshot_.key_tokens.empty()) {
      if (queries_.is_part()) text += part_text("Tokens", queries_);
    } else {
      if (queries_.is_part()) text += part_text("Queries", queries_);
      if (keys_.is_part()) text += part_text("Keys", keys_);
    }
    if (keys_.is_part() && focus_) {
      double outside = 0;
      for (std::int64_t key = 0; key < keys_.all(); ++key) {
        const double p = probabilities_[static_cast<std::size_t>(key)];
        if (!keys_.has(key) && !std::isnan(p)) outside += p;
      }
      text += " Outside of these: " + percent_text(outside) + ".";
    }
    const std::int64_t rows = std::max(queries_.end - queries_.begin, keys_.end - keys_.begin);
    const double y = std::min(top_ + static_cast<double>(rows) * pitch_ + 8, area.y + area.h - 2 * kSmallLine);
    const double x = left_ - room_ - 12;
    canvas_.paragraph({x, y, area.x + area.w - x, 2 * kSmallLine}, text, canvas_.faint(), 2);
  }

  Canvas& canvas_;
  HeadPicture view_;
  const Snapshot& snapshot_;
  TokenPart part_;
  std::optional<std::int64_t> focus_;
  Side queries_, keys_;
  double pitch_ = 0, top_ = 0, left_ = 0, right_ = 0, room_ = 0;
  std::vector<float> probabilities_;  ///< of the focus; empty without one
};

}  // namespace

void draw_arcs(Canvas& canvas, const HeadPicture& view) { Arcs(canvas, view).draw(); }

}  // namespace headroom
