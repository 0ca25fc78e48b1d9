#include <algorithm>
#include <cmath>

#include "core/figure/legend.h"
#include "core/figure/number_text.h"
#include "core/figure/train_panels.h"
#include "core/figure/train_tiles.h"
#include "core/runs/report.h"

namespace headroom {
namespace {

constexpr double kGap = 12, kRim = 3, kLargestTile = 240;
constexpr double kTitle = kSmallLine + 6;
constexpr double kTwoLines = 34, kOneLine = 18;  // below a tile: its name and curve; what it does

/// Lines of heads, and how large their tiles are.
struct Grid {
  std::int64_t columns = 1, rows = 1;
  double cell = 0;  ///< side of one pair
  double tile_w = 0, tile_h = 0, below = 0;
};

/// Every head on the watched sentence, each with the curve of the role that it does best.
class TrainHeadsGrid {
 public:
  TrainHeadsGrid(Canvas& canvas, const Rect& area, const TrainInput& train)
      : canvas_(canvas), area_(area), facts_(canvas.input(), train), frame_(train.frame), tiles_(canvas.input(), train) {}

  /// Of the whole picture in so much room.
  double height() {
    if (tiles_.is_empty()) return area_.h;
    place({area_.x, area_.y + kTitle, area_.w, area_.h - kTitle});
    return kTitle + used_ + 4 + legend_h_;
  }

  void draw() {
    const double title = draw_title();
    Rect below{area_.x, area_.y + title, area_.w, area_.h - title};
    if (below.h < 24) return;
    if (tiles_.is_empty()) {
      draw_empty(below);
      return;
    }
    place(below);
    const FrameStack& stack = tiles_.stack();
    if (grid_.tile_w < 4 || grid_.tile_h < 4) return;
    for (std::int64_t i = 0; i < stack.n_layers * stack.n_heads; ++i)
      draw_head({i / stack.n_heads, i % stack.n_heads}, place_of(below, i));
    lay_out_legend(canvas_, make_legend(), {below.x, below.y + used_ + 4, below.w, legend_h_}, LegendPass::kDraw);
  }

 private:
  /// Finds the grid below the title, how high it is and what the legend needs.
  void place(const Rect& below) {
    legend_h_ = lay_out_legend(canvas_, make_legend(), {below.x, 0, below.w, std::clamp(below.h / 5, kSmallLine, 3 * kLine)},
                               LegendPass::kMeasure);
    const FrameStack& stack = tiles_.stack();
    const double room = below.h - legend_h_ - 8;
    grid_ = best_grid({below.w - 2 * kRim, room - kRim}, stack.n_layers, stack.n_heads, stack.seq_q, stack.seq_k);
    used_ = std::min(room, kRim + static_cast<double>(grid_.rows) * (grid_.tile_h + grid_.below) + 4);
  }

  std::string when() const {
    if (tiles_.is_empty()) return "";
    const std::string shown = tokens_text(static_cast<double>(tiles_.shown_tokens()));
    if (tiles_.is_difference()) return shown + " MINUS " + tokens_text(static_cast<double>(tiles_.compared_tokens())) + " TOKENS";
    return "AT " + shown + " TOKENS";
  }

  double draw_title() {
    double right = area_.x + area_.w;
    if (frame_ != nullptr && frame_->stacks.size() > 1) right = draw_stacks(right);
    std::string text = "EVERY HEAD";
    if (!tiles_.is_empty()) text += ", " + when();
    const std::string detail = frame_ != nullptr && facts_.is_live() && !tiles_.is_difference() ? "live" : "";
    return canvas_.panel_title({area_.x, area_.y}, text, detail, std::max(40.0, right - area_.x - 12)) + 6;
  }

  /// Which attention is shown; returns where they begin.
  double draw_stacks(double right) {
    const AttentionStack shown = canvas_.input().session.train_view.stack;
    for (auto stack = frame_->stacks.rbegin(); stack != frame_->stacks.rend(); ++stack) {
      const std::string name = stack_name(stack->stack);
      TextStyle style = canvas_.small();
      const bool is_shown = stack->stack == shown;
      if (is_shown) style.color = canvas_.theme().text;
      const double w = canvas_.width(name, style);
      if (right - w < area_.x + area_.w / 3) break;
      const Rect box{right - w, area_.y, w, kSmallLine};
      canvas_.text({box.x, box.y + kSmallLine / 2}, name, style);
      if (is_shown) canvas_.fill({box.x, box.y + kSmallLine + 1, w, 2}, canvas_.theme().accent);
      canvas_.hit({.shape = {box.x - 4, box.y, w + 8, kSmallLine + 3},
                   .tooltip = name + "\n" + about(stack->stack),
                   .click = TrainStackSet{stack->stack},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = "stack " + name});
      right -= w + 16;
    }
    return right;
  }
  static std::string about(AttentionStack stack) {
    switch (stack) {
      case AttentionStack::kSelf:
        return "the translation's words look back at each other";
      case AttentionStack::kEncoder:
        return "the words of the source look at each other, both ways";
      case AttentionStack::kCross:
        return "each word of the translation looks at the source";
    }
    return {};
  }

  Legend make_legend() const {
    Legend legend = legend_of(tiles_.sample());
    legend.has_masked = tiles_.stack().seq_q > 1 && !tiles_.is_visible(0, 1);
    const std::vector<RoleScore>* roles = facts_.shown() == nullptr ? nullptr : &facts_.shown()->roles;
    if (tiles_.is_difference())
      legend.sentences.push_back("At " + tokens_text(static_cast<double>(tiles_.shown_tokens())) + " tokens minus at " +
                                 tokens_text(static_cast<double>(tiles_.compared_tokens())) +
                                 ": orange looks there more, blue less.");
    if (roles != nullptr && !roles->empty())
      legend.sentences.emplace_back(
          "A role's name: above its threshold and its fixed offset; – : none. Line: its score over the run.");
    if (canvas_.input().session.train_view.compared && !tiles_.is_difference())
      legend.sentences.insert(legend.sentences.begin(), "No difference is drawn: the two times do not hold the same words (yet).");
    if (frame_ != nullptr) {
      for (const std::string& notice : frame_->notices)
        legend.sentences.push_back(notice);
    }
    return legend;
  }

  /// As large as they fit; two lines of words below each where that costs little.
  static Grid best_grid(Size room, std::int64_t n_layers, std::int64_t n_heads, std::int64_t seq_q, std::int64_t seq_k) {
    Grid best;
    double best_worth = -1;
    for (const double below : {kTwoLines, kOneLine, 0.0}) {
      for (std::int64_t columns = 1; columns <= n_layers * n_heads; ++columns) {
        const bool is_whole = columns % n_heads == 0 ? n_layers % (columns / n_heads) == 0 : n_heads % columns == 0;
        if (!is_whole) continue;
        Grid grid;
        grid.columns = columns;
        grid.rows = n_layers * n_heads / columns;
        grid.below = below;
        const auto q = static_cast<double>(seq_q), k = static_cast<double>(seq_k);
        const double w = room.w / static_cast<double>(columns) - kGap, h = room.h / static_cast<double>(grid.rows) - below - 6;
        grid.cell = std::min({w / k, h / q, kLargestTile / std::max(q, k)});
        grid.tile_w = std::floor(grid.cell * k);
        grid.tile_h = std::floor(grid.cell * q);
        // Words count for something, but not below a tile that has no room for them.
        const bool has_words = below == 0 || (grid.tile_w >= 44 && grid.tile_h >= 28);
        const double worth = has_words ? grid.cell * (below == kTwoLines ? 1.6 : below == kOneLine ? 1.25 : 1) : -1;
        if (worth <= best_worth) continue;
        best_worth = worth;
        best = grid;
      }
    }
    best.below += 6;
    return best;
  }

  Rect place_of(const Rect& area, std::int64_t index) const {
    const double pitch = std::min((area.w - 2 * kRim + kGap) / static_cast<double>(grid_.columns), grid_.tile_w + 2.5 * kGap);
    return {std::floor(area.x + kRim + static_cast<double>(index % grid_.columns) * pitch),
            std::floor(area.y + kRim + static_cast<double>(index / grid_.columns) * (grid_.tile_h + grid_.below)), grid_.tile_w,
            grid_.tile_h};
  }

  void draw_head(HeadRef head, const Rect& place) {
    const Theme& theme = canvas_.theme();
    const TrainView& view = canvas_.input().session.train_view;
    const RoleScore* role = facts_.shown() == nullptr ? nullptr : best_role_of(*facts_.shown(), view.stack, head);
    if (tiles_.is_off(head)) {
      canvas_.fill(place, mix(theme.panel, theme.masked, 0.6));
      canvas_.add(Hatch{.rect = place, .color = with_alpha(theme.text_faint, 0.55), .spacing = place.w >= 40 ? 6.0 : 3.0});
    } else {
      canvas_.add(tiles_.tile(canvas_, head, place));
    }
    const bool is_chosen = view.head == head;
    if (is_chosen) canvas_.outline({place.x - kRim, place.y - kRim, place.w + 2 * kRim, place.h + 2 * kRim}, theme.accent, 2, 4);
    if (grid_.below >= kOneLine) draw_words(head, place, role);
    canvas_.hit({.shape = {place.x - kRim, place.y - kRim, place.w + 2 * kRim, place.h + grid_.below},
                 .tooltip = tooltip(head, role),
                 .click = TrainHeadSelected{head},
                 .double_click = TrainHeadOpened{head},
                 .ctrl_click = {},
                 .name = "head " + head_label(head)});
  }

  void draw_words(HeadRef head, const Rect& place, const RoleScore* role) {
    TextStyle name = canvas_.small(), does = canvas_.small();
    name.color = canvas_.theme().text;
    name.face = FontFace::kSansMedium;
    const double y = place.y + place.h + 6 + kSmallLine / 2;
    const double used = canvas_.text({place.x, y}, head_label(head), name, place.w);
    if (tiles_.is_off(head)) {
      if (grid_.below >= kTwoLines) canvas_.text({place.x, y + kSmallLine}, "off", canvas_.faint(), place.w);
      return;
    }
    const bool is_named = role != nullptr && role->names(role->of(head));
    std::string text = is_named ? short_role_name(*role->role) + " " + fixed(role->of(head), 2) : "–";
    if (grid_.below >= kTwoLines) {
      canvas_.text({place.x, y + kSmallLine}, text, is_named ? does : canvas_.faint(), place.w);
      if (role != nullptr) draw_sparkline(head, *role, {place.x + used + 8, y - 6, place.w - used - 8, 12});
      return;
    }
    const double room = place.w - used - 8;
    if (is_named && canvas_.width(text, does) > room) text = short_role_name(*role->role);
    if (is_named && canvas_.width(text, does) <= room) {
      does.anchor = Anchor::kRight;
      canvas_.text({place.x + place.w, y}, text, does);
    } else if (role != nullptr) {
      draw_sparkline(head, *role, {place.x + used + 8, y - 6, room, 12});
    }
  }

  /// The head's score in its role over the run so far, from 0 to 1, with the threshold as a hairline and a dot at the shown time.
  void draw_sparkline(HeadRef head, const RoleScore& role, const Rect& area) {
    if (area.w < 16) return;
    const Theme& theme = canvas_.theme();
    const auto end = static_cast<double>(std::max<std::int64_t>(1, facts_.run().tokens));
    const auto at = [&](double tokens, double score) {
      return Point{area.x + area.w * tokens / end, area.y + area.h * (1 - score)};
    };
    const double threshold = role.role->threshold;
    canvas_.line(at(0, threshold), at(end, threshold), mix(theme.panel, theme.border, 0.9));
    Polyline line{.points = {}, .color = theme.accent, .width = 1.25, .is_closed = false, .fill = {}};
    std::optional<Point> dot;
    for (const auto& report : facts_.reports()) {
      const RoleScore* score = report->role(role.role->id);
      const auto index = score == nullptr ? 0 : static_cast<std::size_t>(head.layer * score->n_heads + head.head);
      if (score == nullptr || index >= score->by_head.size()) continue;
      const Point p = at(static_cast<double>(report->tokens), std::clamp(static_cast<double>(score->by_head[index]), 0.0, 1.0));
      line.points.push_back(p);
      if (report->tokens <= facts_.shown_tokens()) dot = p;
    }
    if (line.points.size() < 2) return;
    if (!role.names(role.of(head))) line.color = theme.text_faint;
    canvas_.add(line);
    if (dot) canvas_.fill({dot->x - 2, dot->y - 2, 4, 4}, line.color, 2);
  }

  std::string tooltip(HeadRef head, const RoleScore* role) const {
    std::string text = "Layer " + std::to_string(head.layer) + ", head " + std::to_string(head.head);
    if (tiles_.is_off(head)) return text + "\nswitched off: it looks nowhere";
    if (role != nullptr) {
      const double score = role->of(head);
      text += "\n" + role->role->name + " " + fixed(score, 2) + ", measured in " + count_text(role->n_cases) +
              " cases; threshold " + fixed(role->role->threshold, 2);
      if (role->role->has_baseline) text += ", fixed offset " + fixed(role->baseline, 2);
      text += role->names(score) ? "\nit has this role" : "\nno role of its own: this is what it does best";
    }
    return text + "\nclick chooses it, double-click shows it large";
  }

  void draw_empty(const Rect& area) {
    const Theme& theme = canvas_.theme();
    const std::int64_t n_layers = facts_.has_run() ? std::max<std::int64_t>(1, facts_.run().config.shape.n_layers) : 2;
    const std::int64_t n_heads = facts_.has_run() ? std::max<std::int64_t>(1, facts_.run().config.shape.n_heads) : 4;
    grid_ = best_grid({area.w - 2 * kRim, area.h - kRim}, n_layers, n_heads, 10, 10);
    for (std::int64_t i = 0; i < n_layers * n_heads && grid_.tile_w >= 8 && grid_.tile_h >= 8; ++i)
      canvas_.fill(place_of(area, i), mix(theme.panel, theme.masked, 0.8), 2);
    const double used = kRim + static_cast<double>(grid_.rows) * (grid_.tile_h + grid_.below);
    const Rect rest{area.x, area.y + used, area.w, area.h - used};
    const Rect place = rest.h >= 60 ? rest : area;  // below the tiles where there is room, else over them
    if (facts_.has_run()) {
      draw_train_promise(canvas_, place, "No picture yet",
                         "The first one comes as soon as the model has read the watched sentence.");
    } else {
      draw_train_promise(
          canvas_, place, "Every head's picture sharpens here",
          "Press Train: each head's heatmap on the watched sentence, ten times a second, with the curve of what it does best.");
    }
  }

  Canvas& canvas_;
  Rect area_;
  TrainFacts facts_;
  std::shared_ptr<const TrainFrame> frame_;
  TrainTiles tiles_;
  Grid grid_;
  double used_ = 0, legend_h_ = 0;
};

}  // namespace

double train_heads_height(Canvas& canvas, const Rect& area, const TrainInput& train) {
  return TrainHeadsGrid(canvas, area, train).height();
}

void draw_train_heads(Canvas& canvas, const Rect& area, const TrainInput& train) { TrainHeadsGrid(canvas, area, train).draw(); }

}  // namespace headroom
