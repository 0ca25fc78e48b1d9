#include <algorithm>
#include <cmath>

#include "core/figure/legend.h"
#include "core/figure/number_text.h"
#include "core/figure/token_axis.h"
#include "core/figure/train_arrows.h"
#include "core/figure/train_panels.h"
#include "core/figure/train_tiles.h"

namespace headroom {
namespace {

constexpr double kDiagonal = 0.7071067811865476;
constexpr double kLargestCell = 44;

std::vector<Token> tokens_of(const std::vector<FrameWord>& words) {
  std::vector<Token> tokens;
  for (const FrameWord& word : words) {
    Token token;
    token.id = word.id;
    token.text = token.source = word.text;
    token.is_special = word.is_special;
    token.is_unknown = word.is_unknown;
    tokens.push_back(token);
  }
  return tokens;
}

/// The chosen head on the watched sentence: where the chosen word looks as arrows over the words, and the whole heatmap below.
class TrainHeadPicture {
 public:
  TrainHeadPicture(Canvas& canvas, const Rect& area, const TrainInput& train)
      : canvas_(canvas), area_(area), facts_(canvas.input(), train), tiles_(canvas.input(), train) {}

  void draw() {
    const std::optional<HeadRef>& chosen = canvas_.input().session.train_view.head;
    if (tiles_.is_empty() || !chosen || !exists(*chosen)) {
      draw_none(chosen);
      return;
    }
    head_ = *chosen;
    row_ = std::clamp<std::int64_t>(canvas_.input().hovered_query.value_or(tiles_.telling_row(head_)), 0, tiles_.stack().seq_q - 1);
    double top = area_.y + draw_title();
    const double arrows = train_arrows_height(tiles_);
    if (area_.y + area_.h - top >= arrows + 120) {
      draw_train_arrows(canvas_, {area_.x, top, area_.w, arrows}, {tiles_, head_, row_});
      top += arrows + 12;
    }
    draw_heatmap({area_.x, top, area_.w, area_.y + area_.h - top});
  }

 private:
  bool exists(HeadRef head) const { return head.layer < tiles_.stack().n_layers && head.head < tiles_.stack().n_heads; }

  void draw_none(const std::optional<HeadRef>& chosen) {
    canvas_.panel_title({area_.x, area_.y}, chosen ? "HEAD " + head_label(*chosen) : "HEAD", "", area_.w);
    const Rect room{area_.x, area_.y + kLine, area_.w, area_.h - kLine};
    if (tiles_.is_empty()) {
      draw_train_promise(canvas_, room, "No picture yet",
                         "Once it trains, the chosen head shows here where each word of the watched sentence looks.");
    } else {
      draw_train_promise(canvas_, room, "No head is chosen",
                         "Click a head among all of them: it shows here, large and with its words.");
    }
  }

  double draw_title() {
    const std::string shown = tokens_text(static_cast<double>(tiles_.shown_tokens())) + " TOKENS";
    std::string text = head_label(head_) + " AT " + shown;
    if (tiles_.is_difference()) text += " AND AT " + tokens_text(static_cast<double>(tiles_.compared_tokens()));
    std::string detail;
    const HeadReport* report = facts_.shown();
    const RoleScore* role = report == nullptr ? nullptr : best_role_of(*report, canvas_.input().session.train_view.stack, head_);
    if (role != nullptr) {
      const double score = role->of(head_);
      detail = role->names(score) ? "looks at " + role->role->looks_at + ": " + fixed(score, 2)
                                  : "no role; " + short_role_name(*role->role) + " " + fixed(score, 2);
    }
    return canvas_.panel_title({area_.x, area_.y}, text, detail, area_.w) + 8;
  }

  void draw_heatmap(const Rect& area) {
    const std::int64_t n_q = tiles_.stack().seq_q, n_k = tiles_.stack().seq_k;
    const std::vector<Token> queries = tokens_of(tiles_.queries()), keys = tokens_of(tiles_.keys());
    TokenAxis rows{queries, 0, n_q, 0, 0, 0, 0, {row_}, TokenAxis::Labels::kTokens};
    TokenAxis columns{keys, 0, n_k, 0, 0, 0, 0, {}, TokenAxis::Labels::kTokens};
    rows.room = label_room(canvas_, rows, std::clamp(area.w * 0.2, 24.0, 120.0));
    columns.room = label_room(canvas_, columns, std::clamp(area.h * 0.2, 24.0, 96.0));
    const Legend legend = make_legend();
    const double left = rows.room + 12, lean = std::ceil(columns.room * kDiagonal) + 12;
    // The legend stands to the right where the picture leaves room there, else below.
    const double legend_below = lay_out_legend(canvas_, legend, {area.x, 0, area.w, 3 * kLine}, LegendPass::kMeasure) + 8;
    const bool is_beside = area.w >= 560;
    const double legend_w = is_beside ? 200 : 0;
    const double w = area.w - left - lean - legend_w, h = area.h - lean - 4 - (is_beside ? 0 : legend_below);
    double cell = std::min({w / static_cast<double>(n_k), h / static_cast<double>(n_q), kLargestCell});
    if (cell >= 6) cell = std::floor(cell);
    if (cell < 1) return;
    const Rect rect{area.x + left, area.y + lean, cell * static_cast<double>(n_k), cell * static_cast<double>(n_q)};
    AttentionTile tile = tiles_.tile(canvas_, head_, rect);
    tile.shows_grid = true;
    canvas_.add(tile);
    canvas_.outline({rect.x - 1, rect.y + static_cast<double>(row_) * cell - 1, rect.w + 2, cell + 2}, canvas_.theme().accent,
                    cell >= 8 ? 2 : 1, 2);
    rows.start = rect.y;
    rows.length = rect.h;
    rows.edge = rect.x;
    columns.start = rect.x;
    columns.length = rect.w;
    columns.edge = rect.y;
    draw_row_labels(canvas_, rows);
    draw_column_labels(canvas_, columns);
    add_cells(rect, cell);
    if (is_beside) {
      const double x = rect.x + rect.w + std::max(24.0, lean);
      lay_out_legend(canvas_, legend, {x, rect.y, std::min(area.x + area.w - x, 320.0), rect.h}, LegendPass::kDraw);
    } else {
      lay_out_legend(canvas_, legend, {area.x, rect.y + rect.h + 8, area.w, legend_below}, LegendPass::kDraw);
    }
  }

  Legend make_legend() const {
    Legend legend = legend_of(tiles_.sample());
    legend.has_masked = tiles_.stack().seq_q > 1 && !tiles_.is_visible(0, 1);
    if (tiles_.is_difference()) legend.sentences.emplace_back("Orange: looks there more than at the other time; blue: less.");
    legend.sentences.emplace_back("Row: the word that looks. Column: the word looked at.");
    return legend;
  }

  void add_cells(const Rect& rect, double cell) {
    // The grid tells which row is hovered; clicks are the cells' own, for its actions are about another model.
    canvas_.cells({.rect = rect, .request = tiles_.sample().request, .opens_head = true});
    for (std::int64_t q = 0; q < tiles_.stack().seq_q; ++q) {
      for (std::int64_t k = 0; k < tiles_.stack().seq_k; ++k) {
        const double p = tiles_.probability(head_, q, k);
        std::string text =
            head_label(head_) + "\n" + frame_word_text(tiles_.queries()[static_cast<std::size_t>(q)]) + "  →  " +
            frame_word_text(tiles_.keys()[static_cast<std::size_t>(k)]) +
            (tiles_.is_visible(q, k) ? "\nprobability " + probability_text(p) : "\nmasked: a word sees no later one");
        if (tiles_.is_difference() && tiles_.is_visible(q, k)) {
          const double before = tiles_.compared_probability(head_, q, k);
          text += "\nat " + tokens_text(static_cast<double>(tiles_.compared_tokens())) + " tokens " + probability_text(before) +
                  ": " + signed_fixed(p - before, 3);
        }
        canvas_.hit({.shape = {rect.x + static_cast<double>(k) * cell, rect.y + static_cast<double>(q) * cell, cell, cell},
                     .tooltip = std::move(text),
                     .click = TrainHeadSelected{head_},
                     .double_click = {},
                     .ctrl_click = TrainHeadSelected{head_},
                     .name = "cell " + std::to_string(q) + " " + std::to_string(k)});
      }
    }
  }

  Canvas& canvas_;
  Rect area_;
  TrainFacts facts_;
  TrainTiles tiles_;
  HeadRef head_;
  std::int64_t row_ = 0;
};

}  // namespace

void draw_train_head(Canvas& canvas, const Rect& area, const TrainInput& train) { TrainHeadPicture(canvas, area, train).draw(); }

}  // namespace headroom
