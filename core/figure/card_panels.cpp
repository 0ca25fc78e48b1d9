#include "core/figure/card_panels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/cost/thousands.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr double kRow = 18, kBar = 3;

/// Width of the labels that rows begin with.
double label_width(Canvas& canvas, const std::vector<CardRow>& rows) {
  double width = 0;
  for (const CardRow& row : rows)
    width = std::max(width, canvas.width(row.line.label, canvas.small()));
  return width + 14;
}

Color part_color(const Theme& theme, CardPart part) {
  switch (part) {
    case CardPart::kQuery:
      return theme.q;
    case CardPart::kKey:
      return theme.k;
    case CardPart::kValue:
      return theme.v;
    case CardPart::kOutProjection:
    case CardPart::kCross:
      return theme.attention;
    case CardPart::kMlp:
      return theme.mlp;
    default:
      return theme.other;
  }
}

std::string contexts_text(std::int64_t tokens) {
  return tokens >= 8192 && tokens % 1024 == 0 ? count_text(tokens / 1024) + " Ki" : count_text(tokens);
}

/// How much of a row there is room for.
enum class Density { kFull, kOneLine, kTight };

class RowList {
 public:
  RowList(Canvas& canvas, const Rect& area, const std::vector<CardRow>& rows)
      : canvas_(canvas), area_(area), rows_(rows), label_(std::min(label_width(canvas, rows), area.w * 0.4)) {
    for (const Density density : {Density::kFull, Density::kOneLine, Density::kTight}) {
      density_ = density;
      if (height() <= area.h) break;
    }
    // Sums stay; of the others the last ones give way.
    double used = height();
    for (std::size_t i = rows.size(); i-- > 0 && used > area.h;) {
      if (rows[i].is_total) continue;
      if (n_left_out_++ == 0) used += kRow;  // the line that says so
      used -= height_of(rows[i]);
      first_left_out_ = i;
    }
  }

  double draw() {
    double y = area_.y;
    bool has_said = n_left_out_ == 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (i < first_left_out_ || rows_[i].is_total) {
        y += draw_row(rows_[i], y);
      } else if (!std::exchange(has_said, true)) {
        canvas_.text({area_.x, y + kRow / 2}, "… " + count_text(n_left_out_) + " more in a larger window", canvas_.faint(),
                     area_.w);
        y += kRow;
      }
    }
    return y - area_.y;
  }

 private:
  double beside(const CardRow& row) const { return area_.w - label_ - canvas_.width(row.line.result, canvas_.mono()) - 12; }
  /// Lines of a formula that does not fit between label and result.
  std::vector<std::string> below(const CardRow& row) const {
    if (density_ != Density::kFull || canvas_.width(row.line.formula, canvas_.faint()) <= beside(row)) return {};
    std::vector<std::string> lines = canvas_.wrap(row.line.formula, canvas_.faint(), area_.w - 12);
    if (lines.size() > 2) lines.resize(2);
    return lines;
  }
  double bar_height() const { return density_ == Density::kTight ? kBar - 1 : kBar + 3; }
  double height_of(const CardRow& row) const {
    return kRow + 15 * static_cast<double>(below(row).size()) + (row.share ? bar_height() : 0) + (row.is_total ? 4 : 0);
  }
  double height() const {
    double sum = 0;
    for (const CardRow& row : rows_)
      sum += height_of(row);
    return sum;
  }

  double draw_row(const CardRow& row, double top) {
    TextStyle name = canvas_.small(), formula = canvas_.faint(), result = canvas_.mono();
    result.anchor = Anchor::kRight;
    double y = top;
    if (row.is_total) {
      name.face = FontFace::kSansMedium;
      name.color = canvas_.theme().text;
      canvas_.line({area_.x, y + 2}, {area_.x + area_.w, y + 2}, canvas_.theme().border);
      y += 4;
    }
    const double middle = y + kRow / 2;
    const std::vector<std::string> lines = below(row);
    canvas_.text({area_.x, middle}, row.line.label, name, label_ - 8);
    if (lines.empty()) canvas_.text({area_.x + label_, middle}, row.line.formula, formula, beside(row));
    canvas_.text({area_.x + area_.w, middle}, row.line.result, result, area_.w - label_);
    y += kRow;
    for (const std::string& line : lines) {
      canvas_.text({area_.x + 12, y + 6}, line, formula, area_.w - 12);
      y += 15;
    }
    if (row.share) {
      canvas_.bar({area_.x, y - (density_ == Density::kTight ? 1 : 0), area_.w, kBar}, *row.share, row.color);
      y += bar_height();
    }
    const std::string tooltip =
        !row.tooltip.empty() ? row.tooltip : row.line.label + ", computed\n" + row.line.formula + " = " + row.line.result;
    canvas_.hit({.shape = {area_.x, top, area_.w, y - top}, .tooltip = tooltip, .name = "card/" + row.line.label});
    return y - top;
  }

  Canvas& canvas_;
  Rect area_;
  const std::vector<CardRow>& rows_;
  double label_;
  Density density_ = Density::kFull;
  std::size_t first_left_out_ = static_cast<std::size_t>(-1);
  std::int64_t n_left_out_ = 0;
};

}  // namespace

double draw_card_rows(Canvas& canvas, const Rect& area, const std::vector<CardRow>& rows) {
  return RowList(canvas, area, rows).draw();
}

double draw_card_parameters(Canvas& canvas, const Rect& area, const ShownCard& shown) {
  const CardParameters count = count_parameters(shown.card);
  const char* how = count.total ? "computed from the configuration, exact" : "what shapes alone decide, without biases";
  double y = area.y + canvas.panel_title({area.x, area.y}, "PARAMETERS", how, area.w) + 6;
  std::int64_t largest = 1;
  for (const PartCount& part : count.parts)
    largest = std::max(largest, part.n.value_or(0));
  std::vector<CardRow> rows;
  for (const PartCount& part : count.parts) {
    const std::string name = card_part_name(part.part);
    if (!part.n) {
      rows.push_back({.line = {name, "not told", "?"}, .tooltip = name + "\nThe configuration does not tell enough to count it."});
      continue;
    }
    rows.push_back(
        {.line = {name, part.formula, count_text(*part.n)},
         .share = static_cast<double>(*part.n) / static_cast<double>(largest),
         .color = part_color(canvas.theme(), part.part),
         .tooltip = name + ", computed\n" + part.formula + " = " + count_text(*part.n) +
                    (count.total ? "\n" + percent_text(static_cast<double>(*part.n) / static_cast<double>(*count.total)) +
                                       " of all parameters"
                                 : "")});
  }
  if (count.total)
    rows.push_back({.line = {"all", "the sum: " + short_count(static_cast<double>(*count.total)), count_text(*count.total)},
                    .is_total = true});
  if (count.active && *count.active != *count.total)
    rows.push_back(
        {.line = {"met by one token",
                  count_text(shown.card.block->n_experts_used) + " of " + count_text(shown.card.block->n_experts) + " experts",
                  count_text(*count.active)}});
  if (shown.tensors && !shown.tensors->tensors.empty()) {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 62U;  // a tensor without values may claim any shape
    std::uint64_t elements = 0;
    for (const ListedTensor& tensor : shown.tensors->tensors)
      elements = std::min(kMost, elements + std::min(kMost, tensor.elements));
    rows.push_back(
        {.line = {"in the files", "counted: all numbers of all tensors", count_text(static_cast<std::int64_t>(elements))},
         .tooltip =
             "Counted in the files\nEvery tensor, copies and buffers too; so it may differ from what the configuration implies."});
  }
  y += draw_card_rows(canvas, {area.x, y, area.w, area.y + area.h - y}, rows);
  return y - area.y;
}

double draw_card_cache(Canvas& canvas, const Rect& area, const ModelCard& card) {
  const View& view = canvas.input().session.view;
  const std::int64_t context = card_context(view, card);
  double y = area.y + canvas.panel_title({area.x, area.y}, "KV CACHE", "computed, of one sequence", area.w) + 6;
  if (!card_cache(card, view.kv_type, context)) {
    const char* why = card.kind == CardKind::kEncoder
                          ? "An encoder reads a whole text at once: it keeps no keys and values for later tokens."
                          : "The configuration does not tell enough: see what is missing.";
    return y + canvas.paragraph({area.x, y, area.w, 0}, why, canvas.small(), 2) - area.y;
  }
  std::vector<CardRow> rows;
  for (const CardLine& line : card_lines(card, view.kv_type, context).cache)
    rows.push_back({.line = line});
  y += draw_card_rows(canvas, {area.x, y, area.w, area.y + area.h - y}, rows) + 6;
  // The table: a row a type, a column a context.
  std::vector<std::int64_t> contexts{1, 4096, 32768, 131072, context};
  std::sort(contexts.begin(), contexts.end());
  contexts.erase(std::unique(contexts.begin(), contexts.end()), contexts.end());
  constexpr double kTypes = 118;
  const double column = (area.w - kTypes) / static_cast<double>(contexts.size());
  if (y + 4 * kRow > area.y + area.h || column < 56) return y - area.y;
  const auto x_of = [&](std::size_t i) { return area.x + kTypes + column * static_cast<double>(i + 1); };
  TextStyle head = canvas.small();
  head.anchor = Anchor::kRight;
  canvas.text({area.x, y + kRow / 2}, "tokens", canvas.small());
  for (std::size_t i = 0; i < contexts.size(); ++i) {
    head.color = contexts[i] == context ? canvas.theme().accent : canvas.theme().text_dim;
    canvas.text({x_of(i), y + kRow / 2}, contexts_text(contexts[i]), head, column - 6);
  }
  y += kRow;
  struct TypeRow {
    KvType type;
    const char* name;
  };
  for (const TypeRow& row : {TypeRow{KvType::kFloat32, "float32"}, TypeRow{KvType::kFloat16, "float16, bfloat16"},
                             TypeRow{KvType::kInt8, "int8"}, TypeRow{KvType::kInt4, "int4"}}) {
    const bool is_chosen = row.type == view.kv_type || (row.type == KvType::kFloat16 && view.kv_type == KvType::kBFloat16);
    if (is_chosen) canvas.fill({area.x - 4, y, area.w + 8, kRow}, canvas.theme().raised, 3);
    TextStyle name = canvas.small(), number = canvas.mono();
    number.anchor = Anchor::kRight;
    if (is_chosen) name.color = canvas.theme().text;
    canvas.text({area.x, y + kRow / 2}, row.name, name, kTypes - 6);
    for (std::size_t i = 0; i < contexts.size(); ++i) {
      const auto cache = card_cache(card, row.type, contexts[i]);
      const bool is_beyond = card.context && contexts[i] > *card.context;
      number.color = is_beyond ? canvas.theme().text_faint : canvas.theme().text;
      canvas.text({x_of(i), y + kRow / 2}, short_bytes_text(static_cast<double>(cache->bytes)), number, column - 4);
      canvas.hit({.shape = {x_of(i) - column, y, column, kRow},
                  .tooltip = std::string(row.name) + ", " + count_text(contexts[i]) + (contexts[i] == 1 ? " token" : " tokens") +
                             "\n" + count_text(cache->bytes) + " B, computed" +
                             (is_beyond ? "\nlonger than the model was made for" : "") +
                             (kv_type_bits(row.type) < 16 ? "\nwith a float32 scale for each row of each head" : ""),
                  .click = KvTypeSet{row.type},
                  .name = std::string("card/kv ") + kv_type_name(row.type) + " " + std::to_string(contexts[i])});
    }
    y += kRow;
  }
  return y - area.y;
}

double draw_card_work(Canvas& canvas, const Rect& area, const ModelCard& card) {
  const View& view = canvas.input().session.view;
  const std::int64_t context = card_context(view, card);
  double y = area.y +
             canvas.panel_title({area.x, area.y}, "ATTENTION OF ONE PASS",
                                "computed, over " + count_text(context) + " tokens at once; a multiply-add is 2 FLOP", area.w) +
             6;
  const CardLines lines = card_lines(card, view.kv_type, context);
  if (lines.work.empty())
    return y +
           canvas.paragraph({area.x, y, area.w, 0}, "The configuration does not tell enough: see what is missing.", canvas.small(),
                            2) -
           area.y;
  const auto work = card_work(card, context);
  const double all = work->qk + work->pv + work->projections + work->mlp.value_or(0) + work->output.value_or(0);
  const Theme& theme = canvas.theme();
  std::vector<CardRow> rows;
  for (const CardLine& line : lines.work) {
    CardRow row{.line = line};
    const auto share = [&](double flop, Color color) {
      row.share = flop / all;
      row.color = color;
    };
    if (line.label == "Q·Kᵀ") share(work->qk, theme.attention);
    if (line.label == "P·V") share(work->pv, theme.attention);
    if (line.label == "W_Q W_K W_V W_O") share(work->projections, theme.q);
    if (line.label == "MLP") share(work->mlp.value_or(0), theme.mlp);
    if (line.label == "logits") share(work->output.value_or(0), theme.other);
    row.is_total = line.label == "a pass";
    rows.push_back(std::move(row));
  }
  y += draw_card_rows(canvas, {area.x, y, area.w, area.y + area.h - y}, rows);
  return y - area.y;
}

}  // namespace headroom
