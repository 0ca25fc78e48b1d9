#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/figure/canvas.h"
#include "core/figure/number_text.h"
#include "core/figure/prediction_rows.h"
#include "core/figure/strip.h"
#include "core/figure/tile_items.h"
#include "core/session/on_demand.h"

namespace headroom {
namespace {

/// Room beside the outermost columns, over which their labels lean.
constexpr double kEdge = 8;

/// A stage of the way, a column of the picture.
struct Stage {
  std::string name, shape;
  double x = 0, w = 0;
  double largest = 0;  ///< size of its largest number: the ends of its colours
};

class TokenPicture {
 public:
  TokenPicture(const FigureInput& input, std::int64_t layer)
      : input_(input),
        snapshot_(*input.snapshot),
        layer_(layer),
        block_(snapshot_.trace->layers[static_cast<std::size_t>(layer)]),
        token_(chosen_token(input)),
        key_(chosen_key()),
        vectors_(token_vectors(snapshot_, layer, token_, key_)),
        canvas_(input, "One token's way through layer " + std::to_string(layer)) {}

  Figure draw() {
    const double margin = input_.size.w >= 480 ? 8 : 4;
    Rect area{margin, margin, input_.size.w - 2 * margin, input_.size.h - 2 * margin};
    draw_title(area);
    area.y += 28;
    area.h -= 28;
    Rect predictions;
    if (area.w >= 720) {
      const double w = std::clamp(area.w * 0.24, 190.0, 300.0);
      predictions = {area.x + area.w - w, area.y, w, area.h};
      area.w -= w + 28;
    } else if (area.h >= 260) {
      const double h = std::min(24 + 8 * kLine, std::floor(area.h * 0.36 / kLine) * kLine + 4);
      predictions = {area.x, area.y + area.h - h, area.w, h};
      area.h -= h + 12;
    }
    flow_ = area;
    place_stages();
    draw_headings();
    draw_links();
    draw_vectors();
    draw_notes();
    if (predictions.w > 0) draw_next(predictions);
    return canvas_.take();
  }

 private:
  bool is_cross() const { return !snapshot_.key_tokens.empty(); }
  /// Of cross-attention: the source's token whose k and v are shown. The chosen one, else what the chosen head looks at most.
  std::int64_t chosen_key() const {
    const View& view = input_.session.view;
    const auto n = std::ssize(snapshot_.keys());
    if (view.key && *view.key >= 0 && *view.key < n) return *view.key;
    if (!is_cross() || block_.heads.empty()) return 0;
    const std::int64_t head = view.head && block_.index_of(view.head->head) >= 0 ? view.head->head : block_.heads.front();
    const std::vector<float> row = evaluate_row(*snapshot_.trace, layer_, head, token_);
    return std::max_element(row.begin(), row.end()) - row.begin();
  }
  std::string key_text() const {
    return "source token " + std::to_string(key_) + " “" + display_token(snapshot_.keys()[static_cast<std::size_t>(key_)]) + "”";
  }

  /// Only rotary positions turn q and k.
  const char* rotated() const {
    return snapshot_.config.positions == PositionKind::kRotary && !is_cross() ? ", after rotation" : "";
  }

  std::size_t n_heads() const { return static_cast<std::size_t>(std::max<std::int64_t>(1, n_all_heads())); }
  /// Rows of the picture: every head of the unpruned layer, so that a removed one keeps its place.
  std::int64_t n_all_heads() const {
    const auto layer = static_cast<std::size_t>(layer_);
    return layer < snapshot_.heads.size() ? std::ssize(snapshot_.heads[layer]) : snapshot_.compute.n_heads;
  }
  /// Empty where the whole is.
  std::span<const float> part(std::span<const float> whole, std::int64_t index) const {
    const auto d = static_cast<std::size_t>(block_.d_head), begin = static_cast<std::size_t>(index) * d;
    return begin + d <= whole.size() ? whole.subspan(begin, d) : std::span<const float>();
  }
  bool has_all_vectors() const { return !vectors_.normed.empty() && !vectors_.v.empty() && !vectors_.out.empty(); }
  std::int64_t n_kv() const {
    return block_.d_head > 0 && block_.attention.k.rank() == 2 ? block_.attention.k.dim(1) / block_.d_head : 0;
  }
  bool is_empty_layer() const { return block_.heads.empty(); }

  void draw_title(const Rect& area) {
    TextStyle name = canvas_.body();
    name.face = FontFace::kSansMedium;
    const double middle = area.y + kLine / 2;
    const std::string token = display_token(snapshot_.tokens[static_cast<std::size_t>(token_)]);
    const double used = canvas_.text(
        {area.x, middle}, "Token " + std::to_string(token_) + " “" + token + "” in layer " + std::to_string(layer_), name, area.w);
    const std::string whose = is_cross() ? "k and v of " + key_text() + " · " : std::string();
    canvas_.parts({area.x + used + 12, middle},
                  whose + "vectors of this pass, computed · click a token of the sentence for another", canvas_.faint(),
                  area.w - used - 12);
  }

  /// Nine columns: x, q, k, v, attention, head out, concatenation, W_O, out.
  void place_stages() {
    const std::string d_model = std::to_string(snapshot_.config.shape.d_model), d_k = std::to_string(block_.d_head);
    const std::string heads = std::to_string(block_.heads.size()), kv = std::to_string(n_kv());
    const std::string joined = std::to_string(std::ssize(block_.heads) * block_.d_head);
    const auto add = [&](const std::string& name, const std::string& shape) { stages_.push_back({.name = name, .shape = shape}); };
    add("x", d_model);
    add("q", heads + " × " + d_k);
    add("k", kv + " × " + d_k);
    add("v", kv + " × " + d_k);
    add("attends", std::to_string(snapshot_.keys().size()) + (snapshot_.keys().size() == 1 ? " key" : " keys"));
    add("head out", heads + " × " + d_k);
    add("concat", joined);
    add("W_O", d_model + " × " + joined);
    add("out", d_model);
    // Vectors of d_model are thin and upright; the heads' strips share what is left.
    const double upright = std::clamp(flow_.w * 0.028, 10.0, 22.0), gap = std::clamp(flow_.w * 0.042, 8.0, 36.0);
    const double matrix = std::clamp(flow_.w * 0.06, 20.0, 48.0);
    const double strips = flow_.w - 2 * kEdge - 3 * upright - matrix - 8 * gap;
    const double strip = std::max(12.0, strips / 5);
    double x = flow_.x + kEdge;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      const bool is_upright = i == 0 || i == 6 || i == 8;
      stages_[i].x = x;
      stages_[i].w = is_upright ? upright : i == 7 ? matrix : strip;
      x += stages_[i].w + gap;
    }
    stages_[0].largest = largest_size(vectors_.normed);
    stages_[1].largest = largest_size(vectors_.q);
    stages_[2].largest = largest_size(vectors_.k);
    stages_[3].largest = largest_size(vectors_.v);
    stages_[5].largest = stages_[6].largest = largest_size(vectors_.head_out);
    stages_[8].largest = largest_size(vectors_.out);
    rows_ = {flow_.x, flow_.y + 2 * kSmallLine + 8, flow_.w, 0};
    rows_.h = std::max(16.0, flow_.y + flow_.h - rows_.y - 3 * kSmallLine - 8);
    // A few heads need not fill a tall page.
    rows_.h = std::min(rows_.h, std::max(200.0, 72.0 * static_cast<double>(n_heads())));
    pitch_ = rows_.h / static_cast<double>(n_heads());
    height_ = std::clamp(pitch_ * 0.5, 1.0, 20.0);
  }

  Point centre(std::size_t stage) const { return {stages_[stage].x + stages_[stage].w / 2, 0}; }
  double y_of(std::int64_t head) const { return rows_.y + (static_cast<double>(head) + 0.5) * pitch_; }
  /// A K/V head stands in the middle of the heads that read it.
  double y_of_kv(std::int64_t kv) const {
    double sum = 0, n = 0;
    for (std::size_t i = 0; i < block_.heads.size(); ++i) {
      if (block_.kv_head_of[i] != kv) continue;
      sum += y_of(block_.heads[i]);
      n += 1;
    }
    return n > 0 ? sum / n : rows_.y;
  }
  double left(std::size_t stage) const { return stages_[stage].x; }
  double right(std::size_t stage) const { return stages_[stage].x + stages_[stage].w; }

  /// Names over the columns, shapes below the names; narrow ones lean on the free space beside them.
  void draw_headings() {
    const Theme& theme = canvas_.theme();
    const Color marks[] = {theme.other,     theme.q,     theme.k,     theme.v,    theme.attention,
                           theme.attention, theme.other, theme.other, theme.other};
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      const Stage& stage = stages_[i];
      const double before = i == 0 ? flow_.x : (right(i - 1) + stage.x) / 2;
      const double after = i + 1 < stages_.size() ? (right(i) + stages_[i + 1].x) / 2 : flow_.x + flow_.w;
      const double room = 2 * std::min(centre(i).x - before, after - centre(i).x);
      TextStyle name = canvas_.small(), shape = canvas_.faint();
      name.anchor = shape.anchor = Anchor::kCentre;
      name.color = theme.text;
      shape.face = FontFace::kMono;
      shape.size = kSmallTextSize;
      if (canvas_.width(stage.name, name) <= room) canvas_.text({centre(i).x, flow_.y + kSmallLine / 2}, stage.name, name);
      if (canvas_.width(stage.shape, shape) <= room) canvas_.text({centre(i).x, flow_.y + kSmallLine * 1.5}, stage.shape, shape);
      canvas_.fill({stage.x, flow_.y + 2 * kSmallLine + 2, stage.w, 2}, marks[i], 1);
      // What the ends of the colours mean, below.
      if (stage.largest > 0) {
        const std::string range = "±" + compact(stage.largest, 2);
        const double y = rows_.y + rows_.h + kSmallLine / 2 + 4;
        if (canvas_.width(range, shape) <= room) canvas_.text({centre(i).x, y}, range, shape);
      }
    }
  }

  void link(Point from, Point to, Color color) {
    const double reach = (to.x - from.x) * 0.5;
    canvas_.add(Curve{.from = from,
                      .control_from = {from.x + reach, from.y},
                      .control_to = {to.x - reach, to.y},
                      .to = to,
                      .color = color,
                      .width = 1});
  }

  void draw_links() {
    const Theme& theme = canvas_.theme();
    const double middle = rows_.y + rows_.h / 2;
    const double faint = n_heads() > 24 ? 0.25 : 0.5;
    for (std::size_t i = 0; i < block_.heads.size(); ++i) {
      const double y = y_of(block_.heads[i]), kv = y_of_kv(block_.kv_head_of[i]);
      link({right(0), middle}, {left(1), y}, with_alpha(theme.q, faint));
      // A K/V head that several query heads read is linked to each of them.
      link({right(1), y}, {left(2), kv}, with_alpha(theme.k, faint));
      link({right(3), kv}, {left(4), y}, with_alpha(theme.v, faint));
      link({right(4), y}, {left(5), y}, with_alpha(theme.attention, faint));
      const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(block_.heads.size());
      link({right(5), y}, {left(6), rows_.y + share * rows_.h}, with_alpha(theme.attention, faint));
    }
    for (std::int64_t kv = 0; kv < n_kv(); ++kv)
      link({right(2), y_of_kv(kv)}, {left(3), y_of_kv(kv)}, with_alpha(theme.border, 1));
    link({right(6), middle}, {left(7), middle}, theme.text_faint);
    link({right(7), middle}, {left(8), middle}, theme.text_faint);
  }

  void draw_vectors() {
    upright(0, vectors_.normed,
            snapshot_.config.norm_place != NormPlace::kAfter ? "x, normed: what W_Q, W_K and W_V read"
                                                             : "x: what W_Q, W_K and W_V read");
    for (std::int64_t head = 0; head < n_all_heads(); ++head) {
      const std::int64_t index = block_.index_of(head);
      const std::string name = "head " + std::to_string(head);
      if (index < 0) {
        const Rect gone{left(1), y_of(head) - height_ / 2, right(5) - left(1), height_};
        canvas_.add(Hatch{.rect = gone, .color = with_alpha(canvas_.theme().text_faint, 0.5), .spacing = 6});
        canvas_.hit({.shape = gone,
                     .tooltip = name + "\n" + why_absent(snapshot_),
                     .click = {},
                     .double_click = {},
                     .ctrl_click = HeadPruneToggled{{layer_, head}},
                     .name = "pruned " + name});
        continue;
      }
      across({1, y_of(head)}, part(vectors_.q, index), "q of " + name + rotated());
      label({1, y_of(head)}, "H" + std::to_string(head));
      draw_attention(head);
      across({5, y_of(head)}, part(vectors_.head_out, index), "output of " + name);
    }
    for (std::int64_t kv = 0; kv < n_kv(); ++kv) {
      if (n_kv() < std::ssize(block_.heads)) label({2, y_of_kv(kv)}, "K/V " + std::to_string(kv));
      across({2, y_of_kv(kv)}, part(vectors_.k, kv),
             "k of K/V head " + std::to_string(kv) + (is_cross() ? ", of " + key_text() : rotated()));
      across({3, y_of_kv(kv)}, part(vectors_.v, kv),
             "v of K/V head " + std::to_string(kv) + (is_cross() ? ", of " + key_text() : ""));
    }
    upright(6, vectors_.head_out, "head outputs side by side");
    draw_matrix();
    upright(8, vectors_.out, "output of attention, after W_O");
  }

  /// An empty frame where a long text's vector would stand.
  void not_computed(const Rect& rect, const std::string& name) {
    canvas_.outline(rect, canvas_.theme().border, 1, 2);
    canvas_.hit({.shape = rect,
                 .tooltip = name + "\nnot computed: of a long text only q, k and v are known",
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "not computed"});
  }

  struct Place {
    std::size_t stage;
    double middle;
  };
  void across(const Place& place, std::span<const float> values, const std::string& name) {
    const Stage& stage = stages_[place.stage];
    const Rect rect{stage.x, place.middle - height_ / 2, stage.w, height_};
    if (values.empty()) return not_computed(rect, name);
    draw_strip(canvas_, {.rect = rect,
                         .values = values,
                         .largest = stage.largest,
                         .most_cells = std::clamp<std::size_t>(3000 / (4 * n_heads()), 6, 128),
                         .name = name,
                         .direction = Strip::Direction::kAcross});
  }
  /// Above a strip, where there is room.
  void label(const Place& place, const std::string& text) {
    const Stage& stage = stages_[place.stage];
    const TextStyle style = canvas_.faint();
    if (pitch_ - height_ < kSmallLine + 2 || canvas_.width(text, style) > stage.w) return;
    canvas_.text({stage.x, place.middle - height_ / 2 - kSmallLine / 2}, text, style);
  }
  void upright(std::size_t stage, std::span<const float> values, const std::string& name) {
    const Rect rect{stages_[stage].x, rows_.y, stages_[stage].w, rows_.h};
    if (values.empty() && is_empty_layer()) return;
    if (values.empty()) return not_computed(rect, name);
    draw_strip(
        canvas_,
        {.rect = rect, .values = values, .largest = stages_[stage].largest, .name = name, .direction = Strip::Direction::kDown});
  }

  /// This token's row of the head: where its q finds its keys.
  void draw_attention(std::int64_t head) {
    const Stage& stage = stages_[4];
    const std::int64_t n = std::ssize(snapshot_.keys());
    AttentionTile tile =
        make_tile(input_, {layer_, head}, {stage.x, y_of(head) - height_ / 2, stage.w, height_}, {token_, token_ + 1, 0, n});
    tile.request.quantity = Quantity::kProbs;
    tile.request.rows = 1;
    tile.value_min = 0;
    tile.value_max = 1;
    tile.first_token = FirstToken::kShown;
    canvas_.add(tile);
    canvas_.cells({.rect = tile.rect, .request = tile.request, .opens_head = false});
  }

  void draw_matrix() {
    const Stage& stage = stages_[7];
    const double side = std::min(stage.w, rows_.h);
    const Rect box{stage.x, rows_.y + rows_.h / 2 - side / 2, stage.w, side};
    canvas_.fill(box, canvas_.theme().raised, 4);
    canvas_.outline(box, canvas_.theme().border, 1, 4);
    TextStyle label = canvas_.small();
    label.anchor = Anchor::kCentre;
    if (canvas_.width("W_O", label) + 6 <= box.w) canvas_.text({box.x + box.w / 2, box.y + box.h / 2}, "W_O", label);
    canvas_.hit({.shape = box,
                 .tooltip = "W_O\n" + stage.shape + " parameters mix the heads into one vector",
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "W_O"});
  }

  void draw_notes() {
    const std::size_t h = block_.heads.size();
    const auto kv = static_cast<std::size_t>(n_kv());
    std::string note = is_empty_layer() ? (snapshot_.capture ? "This layer is not in the capture."
                                                             : "Every head of this layer is pruned: attention adds nothing here.")
                       : kv < h         ? std::to_string(h) + " query heads share " + std::to_string(kv) + " K/V heads."
                                        : "Each query head has keys and values of its own.";
    if (!is_empty_layer() && !has_all_vectors())
      note = snapshot_.capture ? "Empty frames are not known: a capture holds q, k and v at most."
                               : "Empty frames are not computed: of a long text only q, k and v of a token are known.";
    note += " Colours: blue below zero, orange above, to ± the number under each column.";
    const double y = rows_.y + rows_.h + kSmallLine + 8;
    const auto lines = static_cast<std::size_t>(std::max(0.0, std::floor((flow_.y + flow_.h - y) / kSmallLine)));
    if (lines > 0 && canvas_.wrap(note, canvas_.faint(), flow_.w).size() <= lines)
      canvas_.paragraph({flow_.x, y, flow_.w, 0}, note, canvas_.faint(), lines);
  }

  void draw_next(const Rect& area) {
    const bool is_hidden = predicted(snapshot_.config) == LossOf::kHiddenTokens;
    const double top = canvas_.panel_title({area.x, area.y}, is_hidden ? "HIDDEN TOKEN" : "NEXT TOKEN",
                                           is_hidden ? "computed, this token hidden" : "computed", area.w) +
                       8;
    const double rows = std::min(area.h - top, 8 * 24.0);
    draw_predictions(canvas_, {area.x, area.y + top, area.w, rows}, token_);
  }

  const FigureInput& input_;
  const Snapshot& snapshot_;
  std::int64_t layer_;
  const LayerTrace& block_;
  std::int64_t token_, key_;
  TokenVectors vectors_;
  Canvas canvas_;
  Rect flow_, rows_;
  std::vector<Stage> stages_;
  double pitch_ = 0, height_ = 0;
};

}  // namespace

Figure token_figure(const FigureInput& input) {
  if (!has_trace(input)) {
    return message_figure(input, "One token's way through a layer",
                          {"No picture yet", "Type a sentence: a token's vectors will show here on their way through a layer."});
  }
  if (input.snapshot->capture && !input.snapshot->capture->knows_d_head) {
    return message_figure(input, "One token's way through a layer",
                          {"No vectors of this token",
                           "The capture holds attention alone: where a token looks stands in the row of a head (key 2)."});
  }
  const std::int64_t n_layers = std::ssize(input.snapshot->trace->layers);
  const std::int64_t layer = input.session.view.head ? input.session.view.head->layer : 0;
  return TokenPicture(input, std::clamp<std::int64_t>(layer, 0, n_layers - 1)).draw();
}

}  // namespace headroom
