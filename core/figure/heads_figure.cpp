#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "core/figure/canvas.h"
#include "core/figure/head_badge.h"
#include "core/figure/heads_layout.h"
#include "core/figure/heads_sentences.h"
#include "core/figure/heads_together.h"
#include "core/figure/legend.h"
#include "core/figure/number_text.h"
#include "core/figure/tile_items.h"
#include "core/figure/token_part.h"
#include "core/formats/utf8.h"
#include "core/session/names.h"

namespace headroom {
namespace {

class HeadsPicture {
 public:
  HeadsPicture(const FigureInput& input, HeadsOrder order)
      : input_(input),
        snapshot_(*input.snapshot),
        canvas_(input, "Attention of every layer and head"),
        order_(std::move(order)),
        part_(shown_part(input.session.view, *input.snapshot)) {}

  Figure draw() {
    prepare();
    place();
    draw_axes();
    canvas_.clip(viewport_);
    draw_headings();
    for (std::size_t i = 0; i < layout_.places.size(); ++i)
      joined_.empty() ? draw_head(layout_.places[i]) : draw_joined(layout_.places[i], joined_[i]);
    canvas_.unclip();
    lay_out_legend(canvas_, legend_, legend_area_, LegendPass::kDraw);
    return canvas_.take();
  }

 private:
  const HeadMetrics& metrics(const HeadRef& head) const {
    return snapshot_.heads[static_cast<std::size_t>(head.layer)][static_cast<std::size_t>(head.head)];
  }
  bool is_grid() const { return order_.is_grid && joined_.empty(); }

  void prepare() {
    n_layers_ = std::ssize(snapshot_.heads);
    n_heads_ = 0;
    std::int64_t n_all = 0, n_unnamed = 0, n_pruned = 0;
    for (const auto& layer : snapshot_.heads) {
      n_heads_ = std::max(n_heads_, static_cast<std::int64_t>(layer.size()));
      for (const HeadMetrics& head : layer) {
        ++n_all;
        n_pruned += head.is_pruned ? 1 : 0;
        n_unnamed += !head.is_pruned && !head.has_pattern ? 1 : 0;
      }
    }
    const View& view = input_.session.view;
    if (view.together != HeadsTogether::kEach) joined_ = join_heads(view, order_);
    sample_ = make_tile(input_, {}, {0, 0, 1, 1}, part_.window());
    sample_.request.quantity = Quantity::kProbs;
    sample_.value_max = largest_shown();
    legend_ = legend_of(sample_);
    legend_.has_pruned = n_pruned > 0;
    legend_.has_not_numbers = holds_not_numbers(snapshot_);
    std::vector<std::string>& sentences = legend_.sentences;
    if (snapshot_.tokens.size() == 1 && snapshot_.key_tokens.empty()) {
      sentences.insert(sentences.begin(), "A single token can only look at itself: type more words.");
      return;
    }
    std::vector<std::string> first;
    if (!order_.problem.empty()) first.push_back(order_.problem);
    if (order_.n_shown < order_.n_all)
      first.push_back(std::to_string(order_.n_shown) + " of " + std::to_string(order_.n_all) + " heads are shown.");
    if (!part_.is_whole()) first.push_back(part_sentence());
    if (const std::string dark = dark_sentence(snapshot_, view.scale); !dark.empty()) first.push_back(dark);
    if (const std::string sampled = sampled_sentence(snapshot_); !sampled.empty()) first.push_back(sampled);
    if (!joined_.empty()) {
      first.push_back(joined_sentence());
    } else {
      unnamed_ = std::to_string(n_unnamed) + " of " + std::to_string(n_all);
      first.push_back(pattern_sentence("– : none (" + unnamed_ + ")"));
      first.emplace_back("Line under a head: entropy, as a share of the largest possible.");
      if (const std::optional<HeadPattern> sorted = pattern_of(view.sort))
        first.push_back("Numbers: score of the pattern " + std::string(pattern_name(*sorted)) + ".");
    }
    sentences.insert(sentences.begin(), first.begin(), first.end());
  }

  static std::string pattern_sentence(const std::string& unnamed) {
    return "Pattern: a score of " + fixed(kPatternThreshold, 2) + " or more, measured on this sentence; " + unnamed + ".";
  }

  std::string part_sentence() const {
    const View& view = input_.session.view;
    std::string text = "Shown: " + std::to_string(part_.queries.size()) + " of " + std::to_string(part_.n_queries) + " queries, " +
                       std::to_string(part_.keys.size()) + " of " + std::to_string(part_.n_keys) + " keys";
    if (view.special_tokens == SpecialCells::kHidden && has_special_tokens(snapshot_)) text += "; special tokens are hidden";
    return text + ".";
  }

  std::string joined_sentence() const {
    const bool is_mean = input_.session.view.together_by == Pooling::kMean;
    std::string text =
        std::string("Each picture: the ") + (is_mean ? "mean" : "largest") + " probability of its heads, pair by pair.";
    if (std::ssize(snapshot_.tokens) > kThumbnailCells && is_mean)
      text += " A cell that covers many pairs counts with each head's largest.";
    return text;
  }

  /// Without the first token the rest gets the colours: the largest of what is left, over all heads.
  double largest_shown() const {
    if (input_.session.view.first_token == FirstToken::kShown) return 1;
    double largest = 0;
    for (const auto& layer : snapshot_.thumbnails) {
      for (const Tile& tile : layer) {
        const std::int64_t cols = tile.request.cols;
        for (std::size_t i = 0; i < tile.values.size(); ++i) {
          if (static_cast<std::int64_t>(i) % cols != 0 && tile.values[i] > largest) largest = tile.values[i];
        }
      }
    }
    return largest > 0 ? largest : 1;
  }

  void place() {
    const double margin = input_.size.w >= 480 && input_.size.h >= 320 ? 8 : 4;
    const Rect page{margin, margin, input_.size.w - 2 * margin, input_.size.h - 2 * margin};
    const TextStyle label = canvas_.small();
    const bool has_labels = is_grid() && page.w >= 200 && page.h >= 160;
    fold_ = is_grid() ? best_fold({page.w, page.h}) : 1;
    const double left = has_labels ? std::ceil(canvas_.width(row_label(n_layers_ - 1, fold_ - 1), label)) + 12 : 0;
    const double top = has_labels && fold_ == 1 ? 24 : 0;
    const double legend_height =
        lay_out_legend(canvas_, legend_, {page.x, 0, page.w, std::max(80.0, page.h / 4)}, LegendPass::kMeasure);
    viewport_ = {page.x + left, page.y + top, page.w - left, page.h - top - legend_height - 16};
    // The outline of the chosen head reaches beyond its tile.
    constexpr double kRim = 4;
    const double zoom = std::clamp(input_.session.view.heads_zoom, 1.0, 16.0);
    const Size room{viewport_.w * zoom - 2 * kRim, viewport_.h * zoom - 2 * kRim};
    layout_ = lay_out(room);
    if (!layout_.has_badges && !unnamed_.empty()) {  // then no “–” stands under a head
      std::ranges::replace(legend_.sentences, pattern_sentence("– : none (" + unnamed_ + ")"),
                           pattern_sentence("none: " + unnamed_));
    }
    const double x = kRim + std::floor(std::max(0.0, room.w - layout_.content.w) / 2), y = kRim;
    const View& view = input_.session.view;
    origin_ = {viewport_.x + x - view.heads_pan_x * (zoom - 1) * viewport_.w,
               viewport_.y + y - view.heads_pan_y * (zoom - 1) * viewport_.h};
    origin_ = {std::round(origin_.x), std::round(origin_.y)};
    for (HeadPlace& place : layout_.places) {
      place.tile.x += origin_.x;
      place.tile.y += origin_.y;
    }
    if (zoom == 1) {  // The legend follows the picture; labels stay beside it.
      label_x_ = origin_.x - 12;
      const double bottom = std::min(viewport_.y + viewport_.h, std::ceil(origin_.y + layout_.content.h + kRim));
      viewport_.h = bottom - viewport_.y;
      legend_area_ = {std::min(origin_.x, std::max(page.x, page.x + page.w - 760)), bottom + 16, 0, std::max(80.0, page.h / 4)};
      legend_area_.x = std::max(page.x, legend_area_.x - left);
    } else {
      label_x_ = viewport_.x - 8;
      legend_area_ = {page.x, viewport_.y + viewport_.h + 16, 0, std::max(80.0, page.h / 4)};
    }
    // At another place the legend could need more lines than were kept for it.
    legend_area_.w = page.x + page.w - legend_area_.x;
    if (lay_out_legend(canvas_, legend_, legend_area_, LegendPass::kMeasure) > page.y + page.h - legend_area_.y) {
      legend_area_.x = page.x;
      legend_area_.w = page.w;
    }
    has_labels_ = has_labels;
  }

  /// Many heads in few layers: each layer takes several lines where that makes the tiles clearly larger.
  std::int64_t best_fold(Size room) const {
    constexpr double kWorthFolding = 1.3;
    std::int64_t best = 1;
    double side = lay_out_grid({n_layers_, n_heads_, 1}, room).side;
    for (const std::int64_t fold : {2, 4, 8}) {
      const double folded = lay_out_grid({n_layers_, n_heads_, fold}, room).side;
      if (n_heads_ % fold != 0 || folded <= kWorthFolding * side) continue;
      best = fold;
      side = folded;
    }
    return best;
  }

  /// "L3", or "L3 H16–31" for a line that holds a part of a layer.
  std::string row_label(std::int64_t layer, std::int64_t line) const {
    std::string text = "L" + std::to_string(layer);
    if (fold_ == 1) return text;
    const std::int64_t n = n_heads_ / fold_;
    return text + " H" + std::to_string(line * n) + "–" + std::to_string((line + 1) * n - 1);
  }

  HeadsLayout lay_out(Size room) const {
    if (is_grid()) return lay_out_grid({n_layers_, n_heads_, fold_}, room);
    if (joined_.empty() && input_.session.view.group == HeadGroup::kPatterns) return lay_out_groups(order_.groups, room);
    if (joined_.empty()) return lay_out_flow(order_.heads(), room);
    std::vector<HeadRef> firsts;
    for (const JoinedHeads& joined : joined_)
      firsts.push_back(joined.heads.front());
    return lay_out_flow(firsts, room);
  }

  void draw_headings() {
    TextStyle style = canvas_.body();
    style.face = FontFace::kSansMedium;
    for (const HeadsLayout::Heading& heading : layout_.headings)
      canvas_.text({origin_.x, origin_.y + heading.y}, heading.title, style, std::max(1.0, viewport_.w - 8));
  }

  /// Column and row labels, every one that has room.
  void draw_axes() {
    if (!has_labels_) return;
    const double pitch_x = layout_.side + layout_.gap;
    TextStyle style = canvas_.small();
    style.anchor = Anchor::kCentre;
    const double widest = canvas_.width("H" + std::to_string(n_heads_ - 1), style) + 8;
    const auto every = [](double need, double pitch) {
      return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(need / pitch)));
    };
    const std::int64_t step = every(widest, pitch_x);
    for (const HeadPlace& place : layout_.places) {
      if (fold_ > 1) break;  // a column then holds several heads of a layer: the lines say which
      if (place.head.layer != 0 || place.head.head % step != 0) continue;
      const double x = place.tile.x + place.tile.w / 2;
      if (x - widest / 2 < viewport_.x - 20 || x + widest / 2 > viewport_.x + viewport_.w + 8) continue;
      canvas_.text({x, viewport_.y - 10}, "H" + std::to_string(place.head.head), style);
    }
    style.anchor = Anchor::kRight;
    const std::int64_t n_cols = n_heads_ / fold_;
    const double pitch_y =
        n_layers_ * fold_ > 1 ? layout_.places[static_cast<std::size_t>(n_cols)].tile.y - layout_.places[0].tile.y : 1e9;
    const std::int64_t row_step = every(kSmallLine, pitch_y);
    for (const HeadPlace& place : layout_.places) {
      const std::int64_t line = place.head.head / n_cols;
      if (place.head.head % n_cols != 0 || (place.head.layer * fold_ + line) % row_step != 0) continue;
      const double y = place.tile.y + place.tile.h / 2;
      if (y - 8 < viewport_.y - 4 || y + 8 > viewport_.y + viewport_.h + 4) continue;
      canvas_.text({label_x_, y}, row_label(place.head.layer, line), style);
    }
  }

  void draw_head(const HeadPlace& place) {
    const double below = layout_.has_badges ? kBadgeHeight : 0, above = layout_.has_names ? kNameHeight : 0;
    const Rect whole{place.tile.x, place.tile.y - above, place.tile.w, place.tile.h + above + below};
    const Rect seen = intersection(whole, viewport_);
    if (seen.w <= 0) return;
    const bool pruned = metrics(place.head).is_pruned;
    pruned ? draw_pruned(place) : draw_tile(place);
    if (layout_.has_names) {
      const TextStyle name{.color = canvas_.theme().text_dim, .size = kSmallTextSize, .face = FontFace::kSansMedium};
      canvas_.text({place.tile.x, place.tile.y - kNameHeight / 2}, head_text(place.head), name, place.tile.w);
    }
    if (!pruned && layout_.gap >= 4) draw_entropy_line(canvas_, place, metrics(place.head));
    if (layout_.has_badges) draw_badge(canvas_, place, metrics(place.head));
    if (input_.session.view.head == place.head) {
      const double rim = layout_.gap >= 8 ? 3 : 1;
      const Rect& t = place.tile;
      canvas_.outline({t.x - rim, t.y - rim, t.w + 2 * rim, t.h + 2 * rim}, canvas_.theme().accent, rim >= 3 ? 2 : 1,
                      rim >= 3 ? 4 : 0);
    }
    canvas_.hit({.shape = seen,
                 .tooltip = head_tooltip(snapshot_, place.head, metrics(place.head)),
                 .click = HeadOpened{place.head},
                 .double_click = HeadOpened{place.head},
                 .ctrl_click = HeadPruneToggled{place.head},
                 .name = "head " + head_text(place.head)});
  }

  bool is_long() const { return snapshot_.tokens.size() > kLongTokens; }

  /// All heads of a long text are as fine as their thumbnails: finer ones would be hundreds of billions of pairs.
  AttentionTile long_tile(const HeadPlace& place) const {
    AttentionTile tile = make_tile(input_, place.head, place.tile, {0, 1, 0, 1});
    tile.request = thumbnail(place.head).request;
    return tile;
  }
  const Tile& thumbnail(const HeadRef& head) const {
    return snapshot_.thumbnails[static_cast<std::size_t>(head.layer)][static_cast<std::size_t>(head.head)];
  }

  void draw_tile(const HeadPlace& place) {
    if (!part_.is_block()) {  // rows and columns in between are left out: the cells are put together here
      const HeadRef heads[] = {place.head};
      draw_own_cells(place.tile, joined_tile(snapshot_, heads, Pooling::kMax, part_));
      return;
    }
    AttentionTile tile = is_long() ? long_tile(place) : make_tile(input_, place.head, place.tile, part_.window());
    tile.request.quantity = Quantity::kProbs;
    tile.value_max = sample_.value_max;
    // The thumbnail, where a finer picture could not be seen.
    const bool is_small = place.tile.w <= static_cast<double>(kThumbnailCells) * 1.5;
    if (!is_long() && part_.is_whole() && is_small && input_.session.view.pooling == Pooling::kMax) {
      tile.request.rows = std::min(part_.n_queries, kThumbnailCells);
      tile.request.cols = std::min(part_.n_keys, kThumbnailCells);
    }
    canvas_.cells(trimmed({.rect = place.tile, .request = tile.request, .opens_head = true}, viewport_));
    canvas_.add(tile);
  }

  void draw_own_cells(const Rect& rect, std::shared_ptr<const Tile> cells) {
    AttentionTile tile = sample_;
    tile.rect = rect;
    tile.request = cells->request;
    tile.own_cells = canvas_.own_cells(std::move(cells));
    canvas_.add(tile);
  }

  /// Several heads in one picture. A click shows them one by one.
  void draw_joined(const HeadPlace& place, const JoinedHeads& joined) {
    const double below = layout_.has_badges ? kBadgeHeight : 0, above = layout_.has_names ? kNameHeight : 0;
    const Rect whole{place.tile.x, place.tile.y - above, place.tile.w, place.tile.h + above + below};
    const Rect seen = intersection(whole, viewport_);
    if (seen.w <= 0) return;
    std::shared_ptr<const Tile> cells = joined_tile(snapshot_, joined.heads, input_.session.view.together_by, part_);
    cells->is_pruned ? draw_pruned(place) : draw_own_cells(place.tile, std::move(cells));
    if (layout_.has_names) {
      const TextStyle name{.color = canvas_.theme().text_dim, .size = kSmallTextSize, .face = FontFace::kSansMedium};
      canvas_.text({place.tile.x, place.tile.y - kNameHeight / 2}, joined.name, name, place.tile.w);
    }
    const std::string count = counted(joined.heads.size(), "head");
    const std::string what = (input_.session.view.together_by == Pooling::kMean ? "mean of " : "largest of ") + count;
    if (layout_.has_badges) {  // the legend says what they are joined by: where there is little room, their number is enough
      const bool fits = canvas_.width(what, canvas_.small()) <= place.tile.w;
      canvas_.text({place.tile.x, place.tile.y + place.tile.h + kBadgeHeight / 2}, fits ? what : count, canvas_.small(),
                   place.tile.w);
    }
    canvas_.hit({.shape = seen,
                 .tooltip = joined.name + ": " + what + "\nclick shows each of them",
                 .click = HeadSearchSet{joined.search},
                 .name = "heads " + joined.name});
  }

  void draw_pruned(const HeadPlace& place) {
    const Theme& theme = canvas_.theme();
    canvas_.fill(place.tile, mix(theme.panel, theme.masked, 0.6));
    canvas_.add(Hatch{.rect = place.tile, .color = with_alpha(theme.text_faint, 0.55), .spacing = layout_.side >= 40 ? 6.0 : 3.0});
    canvas_.outline(place.tile, theme.border);
  }

  const FigureInput& input_;
  const Snapshot& snapshot_;
  Canvas canvas_;
  std::int64_t n_layers_ = 0, n_heads_ = 0, fold_ = 1;  ///< fold: lines that one layer takes
  HeadsOrder order_;
  TokenPart part_;
  std::vector<JoinedHeads> joined_;  ///< one a picture; empty: a picture for each head
  AttentionTile sample_;
  Legend legend_;
  HeadsLayout layout_;
  std::string unnamed_;  ///< "12 of 32", where the legend says so
  Rect viewport_, legend_area_;
  Point origin_;
  double label_x_ = 0;
  bool has_labels_ = false;
};

}  // namespace

Figure heads_figure(const FigureInput& input) {
  const bool has_heads = has_trace(input) && !input.snapshot->heads.empty() && !input.snapshot->heads.front().empty();
  if (!has_heads) {
    return message_figure(input, "Attention of every layer and head",
                          {"No picture yet", "Type a sentence: every head of the model will show here where its tokens look."});
  }
  HeadsOrder order = order_heads(input.session.view, input.snapshot->heads);
  if (order.n_shown == 0) {
    const std::string why =
        order.problem.empty() ? "No head of this model fits the filter and the search on this sentence." : order.problem;
    return message_figure(input, "Attention of every layer and head", {"No head is shown", why});
  }
  return HeadsPicture(input, std::move(order)).draw();
}

}  // namespace headroom
