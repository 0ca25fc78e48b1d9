#include <algorithm>
#include <cmath>
#include <string>

#include "core/figure/canvas.h"
#include "core/figure/heads_layout.h"
#include "core/figure/heads_sentences.h"
#include "core/figure/legend.h"
#include "core/figure/number_text.h"
#include "core/figure/tile_items.h"

namespace headroom {
namespace {

const char* short_name(HeadPattern pattern) {
  switch (pattern) {
    case HeadPattern::kPreviousToken:
      return "previous";
    case HeadPattern::kFirstToken:
      return "first";
    case HeadPattern::kSelf:
      return "self";
    case HeadPattern::kBroadcast:
      return "broadcast";
  }
  return "";
}

/// For tiles that are narrower than the word.
const char* shortest_name(HeadPattern pattern) {
  switch (pattern) {
    case HeadPattern::kPreviousToken:
      return "prev";
    case HeadPattern::kBroadcast:
      return "bcast";
    case HeadPattern::kFirstToken:
    case HeadPattern::kSelf:
      break;
  }
  return short_name(pattern);
}

std::optional<HeadPattern> pattern_of(HeadSort sort) {
  switch (sort) {
    case HeadSort::kPreviousToken:
      return HeadPattern::kPreviousToken;
    case HeadSort::kFirstToken:
      return HeadPattern::kFirstToken;
    case HeadSort::kSelf:
      return HeadPattern::kSelf;
    case HeadSort::kBroadcast:
      return HeadPattern::kBroadcast;
    case HeadSort::kLayer:
    case HeadSort::kEntropy:
      return std::nullopt;
  }
  return std::nullopt;
}

double score_of(const HeadMetrics& metrics, HeadPattern pattern) { return metrics.scores[static_cast<std::size_t>(pattern)]; }

std::string head_name(const HeadRef& head) { return "L" + std::to_string(head.layer) + " H" + std::to_string(head.head); }

class HeadsPicture {
 public:
  explicit HeadsPicture(const FigureInput& input)
      : input_(input), snapshot_(*input.snapshot), canvas_(input, "Attention of every layer and head") {}

  Figure draw() {
    prepare();
    place();
    draw_axes();
    canvas_.clip(viewport_);
    for (const HeadPlace& place : layout_.places)
      draw_head(place);
    canvas_.unclip();
    lay_out_legend(canvas_, legend_, legend_area_, LegendPass::kDraw);
    return canvas_.take();
  }

 private:
  const HeadMetrics& metrics(const HeadRef& head) const {
    return snapshot_.heads[static_cast<std::size_t>(head.layer)][static_cast<std::size_t>(head.head)];
  }
  bool is_grid() const { return input_.session.view.sort == HeadSort::kLayer; }

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
    const std::int64_t n = std::ssize(snapshot_.tokens);
    sample_ = make_tile(input_, {}, {0, 0, 1, 1}, {0, n, 0, n});
    sample_.request.quantity = Quantity::kProbs;
    sample_.value_max = largest_shown();
    legend_ = legend_of(sample_);
    legend_.has_pruned = n_pruned > 0;
    if (n == 1) {
      legend_.sentences.insert(legend_.sentences.begin(), "A single token can only look at itself: type more words.");
      return;
    }
    if (const std::optional<HeadPattern> sorted = pattern_of(input_.session.view.sort)) {
      legend_.sentences.insert(legend_.sentences.begin(),
                               "Numbers: score of the pattern " + std::string(pattern_name(*sorted)) + ".");
    }
    const std::string counts = std::to_string(n_unnamed) + " of " + std::to_string(n_all);
    legend_.sentences.insert(legend_.sentences.begin(), "Pattern: a score of " + fixed(kPatternThreshold, 2) +
                                                            " or more, measured on this sentence; – : none (" + counts + ").");
    legend_.sentences.insert(legend_.sentences.begin() + 1, "Line under a head: entropy, as a share of the largest possible.");
    if (const std::string sampled = sampled_sentence(snapshot_); !sampled.empty())
      legend_.sentences.insert(legend_.sentences.begin(), sampled);
    if (const std::string dark = dark_sentence(snapshot_, input_.session.view.scale); !dark.empty())
      legend_.sentences.insert(legend_.sentences.begin(), dark);
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
    layout_ = is_grid() ? lay_out_grid({n_layers_, n_heads_, fold_}, room) : lay_out_flow(ranked(), room);
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

  std::vector<HeadRef> ranked() const {
    struct Ranked {
      HeadRef head;
      double key;
    };
    std::vector<Ranked> all;
    const std::optional<HeadPattern> pattern = pattern_of(input_.session.view.sort);
    for (std::int64_t l = 0; l < n_layers_; ++l) {
      for (std::int64_t h = 0; h < std::ssize(snapshot_.heads[static_cast<std::size_t>(l)]); ++h) {
        const HeadMetrics& m = metrics({l, h});
        // Sharpest first by entropy, strongest first by pattern; removed heads come last.
        const double key = m.is_pruned ? 1e9 : pattern ? -score_of(m, *pattern) : m.entropy;
        all.push_back({{l, h}, key});
      }
    }
    std::stable_sort(all.begin(), all.end(), [](const Ranked& a, const Ranked& b) { return a.key < b.key; });
    std::vector<HeadRef> order;
    for (const Ranked& ranked : all)
      order.push_back(ranked.head);
    return order;
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
      canvas_.text({place.tile.x, place.tile.y - kNameHeight / 2}, head_name(place.head), name, place.tile.w);
    }
    if (!pruned && layout_.gap >= 4) draw_entropy_line(place, metrics(place.head));
    if (layout_.has_badges) draw_badge(place);
    if (input_.session.view.head == place.head) {
      const double rim = layout_.gap >= 8 ? 3 : 1;
      const Rect& t = place.tile;
      canvas_.outline({t.x - rim, t.y - rim, t.w + 2 * rim, t.h + 2 * rim}, canvas_.theme().accent, rim >= 3 ? 2 : 1,
                      rim >= 3 ? 4 : 0);
    }
    canvas_.hit({.shape = seen,
                 .tooltip = tooltip(place.head),
                 .click = HeadOpened{place.head},
                 .double_click = HeadOpened{place.head},
                 .ctrl_click = HeadPruneToggled{place.head},
                 .name = "head " + head_name(place.head)});
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
    const std::int64_t n = std::ssize(snapshot_.tokens);
    AttentionTile tile = is_long() ? long_tile(place) : make_tile(input_, place.head, place.tile, {0, n, 0, n});
    tile.request.quantity = Quantity::kProbs;
    tile.value_max = sample_.value_max;
    // The thumbnail, where a finer picture could not be seen.
    if (!is_long() && place.tile.w <= static_cast<double>(kThumbnailCells) * 1.5 && input_.session.view.pooling == Pooling::kMax) {
      tile.request.rows = std::min(n, kThumbnailCells);
      tile.request.cols = tile.request.rows;
    }
    canvas_.cells(trimmed({.rect = place.tile, .request = tile.request, .opens_head = true}, viewport_));
    canvas_.add(tile);
  }

  void draw_pruned(const HeadPlace& place) {
    const Theme& theme = canvas_.theme();
    canvas_.fill(place.tile, mix(theme.panel, theme.masked, 0.6));
    canvas_.add(Hatch{.rect = place.tile, .color = with_alpha(theme.text_faint, 0.55), .spacing = layout_.side >= 40 ? 6.0 : 3.0});
    canvas_.outline(place.tile, theme.border);
  }

  void draw_badge(const HeadPlace& place) {
    const HeadMetrics& m = metrics(place.head);
    const double y = place.tile.y + place.tile.h + kBadgeHeight / 2, x = place.tile.x, right = x + place.tile.w;
    if (m.is_pruned) {
      canvas_.text({x, y}, "pruned", canvas_.faint(), place.tile.w);
      return;
    }
    TextStyle name = canvas_.small(), value = canvas_.small();
    value.anchor = Anchor::kRight;
    name.color = canvas_.theme().text;
    const std::optional<HeadPattern> sorted = pattern_of(input_.session.view.sort);
    std::string word = "–", number = "entropy " + fixed(m.relative_entropy, 2);
    if (input_.session.view.sort == HeadSort::kEntropy) {
      number = fixed(m.entropy, 2) + " nats";
      if (m.has_pattern) word = short_name(m.strongest);
    } else if (sorted) {
      number = fixed(score_of(m, *sorted), 2);
      // The number belongs to the pattern that is sorted by; another pattern's name beside it would claim it.
      word = m.has_pattern && m.strongest == *sorted ? short_name(*sorted) : "";
    } else if (m.has_pattern) {
      word = std::string(pattern_name(m.strongest));
      number = fixed(score_of(m, m.strongest), 2);
      if (canvas_.width(word, name) + canvas_.width(number, value) + 6 > place.tile.w) word = short_name(m.strongest);
    }
    const double used = canvas_.width(word, name), needed = canvas_.width(number, value);
    if (used + needed + 6 <= place.tile.w) {
      canvas_.text({right, y}, number, value);
      canvas_.text({x, y}, word, name);
    } else if (needed <= place.tile.w && !m.has_pattern) {
      canvas_.text({right, y}, number, value);
    } else {
      const bool is_named = m.has_pattern && !word.empty();
      if (used > place.tile.w && is_named) word = shortest_name(sorted.value_or(m.strongest));
      canvas_.text({x, y}, word, name, place.tile.w);
    }
  }

  /// A line under the tile: empty for a head whose rows each look at one key, full for one that looks at all alike.
  void draw_entropy_line(const HeadPlace& place, const HeadMetrics& m) {
    const Rect track{place.tile.x, place.tile.y + place.tile.h + 1, place.tile.w, 2};
    canvas_.fill(track, canvas_.theme().border);
    canvas_.fill({track.x, track.y, track.w * std::clamp(m.relative_entropy, 0.0, 1.0), track.h}, canvas_.theme().text_dim);
  }

  std::string tooltip(const HeadRef& head) const {
    const HeadMetrics& m = metrics(head);
    std::string text = "Layer " + std::to_string(head.layer) + ", head " + std::to_string(head.head);
    if (m.is_pruned) return text + "\npruned: removed from the model\nclick opens it, Ctrl-click restores it";
    text += "\nentropy " + fixed(m.entropy, 2) + " nats, " + fixed(m.relative_entropy, 2) + " of the largest possible";
    for (const HeadPattern pattern : kHeadPatterns)
      text += "\n" + std::string(pattern_name(pattern)) + " " + fixed(score_of(m, pattern), 2);
    return text + "\nclick opens it, Ctrl-click prunes it";
  }

  const FigureInput& input_;
  const Snapshot& snapshot_;
  Canvas canvas_;
  std::int64_t n_layers_ = 0, n_heads_ = 0, fold_ = 1;  ///< fold: lines that one layer takes
  AttentionTile sample_;
  Legend legend_;
  HeadsLayout layout_;
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
  return HeadsPicture(input).draw();
}

}  // namespace headroom
