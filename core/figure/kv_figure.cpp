#include <algorithm>
#include <cmath>

#include "core/figure/canvas.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

struct KvRow {
  std::string name;
  KvCacheShape shape;
  Color color;
  std::string tooltip;
};

class KvPicture {
 public:
  explicit KvPicture(const FigureInput& input)
      : input_(input), snapshot_(*input.snapshot), canvas_(input, "Size of the KV cache") {}

  Figure draw() {
    const bool is_panel = is_panel_size(input_.size);
    const Rect area = panel_area(input_.size);
    make_rows();
    double y = area.y + canvas_.panel_title({area.x, area.y}, "KV CACHE", what(), area.w) + 4;

    TextStyle formula = canvas_.small();
    const std::string text = kv_formula(now_);
    const double bottom = area.y + area.h;
    const auto lines = static_cast<double>(canvas_.wrap(text, formula, area.w).size());
    // The formula is the first thing to say; of the bars the last ones (other types) may go.
    const double formula_height = std::min(lines, 3.0) * kSmallLine + 4;
    if (bottom - y >= formula_height + 3 * kLine) y += canvas_.paragraph({area.x, y, area.w, 0}, text, formula, 3) + 4;
    const double note = is_panel ? 0 : 2 * kSmallLine + 12;
    const auto fitting = static_cast<std::size_t>(std::max(1.0, std::floor((bottom - note - y) / kLine)));
    if (rows_.size() > fitting) rows_.resize(fitting);
    const double pitch = std::clamp((bottom - note - y) / static_cast<double>(rows_.size()), kLine, is_panel ? 24.0 : 32.0);
    draw_rows({area.x, y, area.w, pitch * static_cast<double>(rows_.size())}, pitch);
    y += pitch * static_cast<double>(rows_.size());
    if (!is_panel) {
      y += 12;
      y += draw_layers({area.x, y, area.w, bottom - y - note});
      const std::string_view whole =
          "Bytes = 2 (K and V) · layers · batch · tokens · K/V heads · d_k · bytes of a number; integer types add the scale of "
          "each row.";
      const bool has_room = canvas_.wrap(whole, canvas_.faint(), area.w).size() <= 2;
      canvas_.paragraph({area.x, y, area.w, 0}, has_room ? whole : "Integer types add the scale of each row.", canvas_.faint(), 2);
    }
    return canvas_.take();
  }

 private:
  /// What the bytes are of: an encoder reads a whole text at once, and keeps nothing for a next token.
  const char* what() const {
    const ModelKind kind = snapshot_.compute.trained.kind;
    const bool is_encoder =
        kind == ModelKind::kMasked || (kind == ModelKind::kEncoderDecoder && snapshot_.compute.stack == AttentionStack::kEncoder);
    return is_encoder ? "of one pass, computed · an encoder keeps none" : "keys and values kept, computed";
  }

  void make_rows() {
    const Compute& compute = snapshot_.compute;
    const View& view = input_.session.view;
    const std::size_t n_layers = snapshot_.n_kv_heads_left.empty() ? static_cast<std::size_t>(snapshot_.config.shape.n_layers)
                                                                   : snapshot_.n_kv_heads_left.size();
    now_.n_kv_heads = snapshot_.n_kv_heads_left;
    if (now_.n_kv_heads.empty()) now_.n_kv_heads.assign(n_layers, compute.n_kv_heads);
    now_.d_head = compute.d_head();
    now_.context = view.kv_context > 0 ? view.kv_context : static_cast<std::int64_t>(snapshot_.seq());
    now_.type = view.kv_type;
    const auto uniform = [&](std::int64_t heads) {
      KvCacheShape shape = now_;
      shape.n_kv_heads.assign(n_layers, heads);
      return shape;
    };
    const Theme& theme = canvas_.theme();
    const std::int64_t h = compute.n_heads, kv = compute.n_kv_heads;
    const char* kind = kv == h ? "MHA" : kv == 1 ? "MQA" : "GQA";
    const bool is_pruned = kv_bytes(now_) != kv_bytes(uniform(kv));
    const std::string heads = std::to_string(kv);
    rows_.push_back({"MHA, " + std::to_string(h), uniform(h), theme.other, "Multi-head attention\na K/V head for each query head"});
    rows_.push_back({std::string(kind) + ", " + heads + (is_pruned ? " pruned (now)" : " (now)"), now_, theme.accent,
                     std::string("The model as it is\n") + kv_formula(now_)});
    rows_.push_back({"MQA, 1", uniform(1), theme.other, "Multi-query attention\none K/V head for all query heads"});
    for (const KvType type : {KvType::kInt8, KvType::kFloat16, KvType::kFloat32}) {
      if (type == view.kv_type) continue;
      KvCacheShape other = now_;
      other.type = type;
      rows_.push_back({std::string("now in ") + kv_type_name(type), other, mix(theme.accent, theme.panel, 0.45),
                       std::string("The model as it is, its cache kept in ") + kv_type_name(type)});
    }
  }

  void draw_rows(const Rect& area, double pitch) {
    TextStyle label = canvas_.small(), number = canvas_.mono();
    number.anchor = Anchor::kRight;
    std::int64_t largest = 1;
    double label_width = 0, number_width = 0;
    for (const KvRow& row : rows_) {
      const std::int64_t bytes = kv_bytes(row.shape);
      largest = std::max(largest, bytes);
      label_width = std::max(label_width, canvas_.width(row.name, label));
      number_width = std::max(number_width, canvas_.width(bytes_text(bytes), number));
    }
    const double bar_x = area.x + label_width + 12, bar_w = area.w - label_width - number_width - 24;
    double y = area.y;
    for (const KvRow& row : rows_) {
      const std::int64_t bytes = kv_bytes(row.shape);
      const double middle = y + pitch / 2;
      label.color = &row == &rows_[1] ? canvas_.theme().text : canvas_.theme().text_dim;
      canvas_.text({area.x, middle}, row.name, label, area.w - number_width - 8);
      canvas_.text({area.x + area.w, middle}, bytes_text(bytes), number);
      if (bar_w >= 24) {
        canvas_.bar({bar_x, middle - 3, bar_w, 6}, static_cast<double>(bytes) / static_cast<double>(largest), row.color);
      }
      canvas_.hit({.shape = {area.x, y, area.w, pitch},
                   .tooltip = row.tooltip + "\n" + bytes_text(bytes) + ", computed",
                   .click = {},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = "kv " + row.name});
      y += pitch;
    }
  }

  /// K/V bytes of each layer, when there is room and they say something: pruning makes layers uneven.
  double draw_layers(const Rect& area) {
    const std::size_t n = now_.n_kv_heads.size();
    if (area.h < 96 || n == 0) return 0;
    TextStyle small = canvas_.small();
    double y = area.y + canvas_.panel_title({area.x, area.y}, "BY LAYER", "now, computed", area.w) + 4;
    const double pitch = std::min(24.0, (area.y + area.h - y) / static_cast<double>(n));
    const bool has_text = pitch >= kSmallLine;
    std::int64_t largest = 1;
    for (std::size_t l = 0; l < n; ++l)
      largest = std::max(largest, kv_bytes_of_layer(now_, l));
    const double label = canvas_.width("L" + std::to_string(n - 1), small) + 12;
    const double number = canvas_.width("999 heads  1023.99 KiB", canvas_.mono()) + 12;
    TextStyle right = canvas_.mono();
    right.anchor = Anchor::kRight;
    for (std::size_t l = 0; l < n; ++l) {
      const std::int64_t bytes = kv_bytes_of_layer(now_, l), heads = now_.n_kv_heads[l];
      const double middle = y + pitch / 2;
      const double thickness = std::clamp(pitch - 2, 0.5, 6.0);
      canvas_.bar({area.x + label, middle - thickness / 2, std::max(8.0, area.w - label - number), thickness},
                  static_cast<double>(bytes) / static_cast<double>(largest), canvas_.theme().accent);
      if (has_text) {
        canvas_.text({area.x, middle}, "L" + std::to_string(l), small);
        canvas_.text({area.x + area.w, middle}, std::to_string(heads) + (heads == 1 ? " head  " : " heads  ") + bytes_text(bytes),
                     right);
      }
      canvas_.hit({.shape = {area.x, y, area.w, pitch},
                   .tooltip = "Layer " + std::to_string(l) + "\n" + std::to_string(heads) + " K/V heads, " + bytes_text(bytes) +
                              ", computed",
                   .click = {},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = "kv layer " + std::to_string(l)});
      y += pitch;
    }
    return y - area.y + 12;
  }

  const FigureInput& input_;
  const Snapshot& snapshot_;
  Canvas canvas_;
  KvCacheShape now_;
  std::vector<KvRow> rows_;
};

}  // namespace

Figure kv_figure(const FigureInput& input) {
  if (input.snapshot == nullptr) {
    return message_figure(input, "Size of the KV cache", {"No model yet", "The cache of the opened model is computed here."});
  }
  if (input.snapshot->capture && !input.snapshot->capture->knows_d_head) {
    return message_figure(
        input, "Size of the KV cache",
        {"d_k is not known", "The capture holds attention without q and k: the size of their cache follows from d_k."});
  }
  return KvPicture(input).draw();
}

}  // namespace headroom
