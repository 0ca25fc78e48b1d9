#include <algorithm>
#include <cmath>

#include "core/figure/card_panels.h"
#include "core/figure/decode_panels.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

/// The first query head that reads a K/V head, in unpruned numbering: what a click chooses.
std::optional<HeadRef> reader_of(const DecodeRun& run, std::size_t layer, std::int64_t kv_head) {
  const std::vector<std::int64_t>& of = run.kv_head_of[layer];
  const auto found = std::find(of.begin(), of.end(), kv_head);
  if (found == of.end()) return std::nullopt;
  return HeadRef{static_cast<std::int64_t>(layer), run.heads[layer][static_cast<std::size_t>(found - of.begin())]};
}

std::string readers_text(const DecodeRun& run, std::size_t layer, std::int64_t kv_head) {
  std::string text;
  for (std::size_t h = 0; h < run.heads[layer].size(); ++h) {
    if (run.kv_head_of[layer][h] != kv_head) continue;
    text += (text.empty() ? "H" : ", H") + std::to_string(run.heads[layer][h]);
  }
  return text;
}

}  // namespace

void draw_decode_bytes(Canvas& canvas, const Rect& area, const DecodeLook& look) {
  const DecodeRun& run = look.run;
  double most = 0, all = 0;
  bool is_even = true;
  std::size_t widest = 1;
  for (const LayerStep& layer : look.step.layers) {
    for (const std::int64_t bytes : layer.bytes) {
      is_even = is_even && (most == 0 || most == static_cast<double>(bytes));
      most = std::max(most, static_cast<double>(bytes));
      all += static_cast<double>(bytes);
    }
    widest = std::max(widest, layer.bytes.size());
  }
  double y = area.y + canvas.panel_title({area.x, area.y}, "BYTES HELD", "layer by K/V head, counted", area.w) + 2;
  const std::string sum = short_bytes_text(all) + " in all layers" + (is_even ? ", " + short_bytes_text(most) + " a head" : "");
  canvas.parts({area.x, y + kSmallLine / 2}, sum, canvas.small(), area.w);
  y += kSmallLine + 4;
  const std::size_t n_layers = look.step.layers.size();
  if (n_layers == 0) return;
  const double label = 28, row = std::clamp(std::floor((area.y + area.h - y) / static_cast<double>(n_layers)), 3.0, 26.0);
  const double cell = std::min(64.0, (area.w - label) / static_cast<double>(widest));
  const Theme& theme = canvas.theme();
  for (std::size_t l = 0; l < n_layers; ++l) {
    if (y + row > area.y + area.h + 0.5) break;
    if (row >= 12) canvas.text({area.x, y + row / 2}, "L" + std::to_string(l), canvas.faint(), label - 2);
    const LayerStep& layer = look.step.layers[l];
    if (layer.bytes.empty()) canvas.add(Hatch{{area.x + label, y, area.w - label, row - 2}, theme.border, 6});
    for (std::size_t h = 0; h < layer.bytes.size(); ++h) {
      const auto kv_head = static_cast<std::int64_t>(h);
      const Rect rect{area.x + label + static_cast<double>(h) * cell, y, cell - (cell > 6 ? 2 : 0), row - (row > 6 ? 2 : 0)};
      const double share = most > 0 ? static_cast<double>(layer.bytes[h]) / most : 0;
      canvas.fill(rect, mix(theme.panel, theme.border, 0.5), 2);
      canvas.fill({rect.x, rect.y, rect.w * share, rect.h}, mix(theme.panel, theme.accent, 0.45), 2);
      const bool is_chosen = static_cast<std::int64_t>(l) == look.layer && look.has_head() && kv_head == look.kv_head;
      if (is_chosen) canvas.outline(rect, theme.accent, 1.5, 2);
      TextStyle number = canvas.mono();
      number.size = 10;
      number.anchor = Anchor::kCentre;
      const std::string text = short_bytes_text(static_cast<double>(layer.bytes[h]));
      if (rect.h >= 13 && canvas.width(text, number) <= rect.w - 4)
        canvas.text({rect.x + rect.w / 2, rect.y + rect.h / 2}, text, number);
      const std::int64_t tokens = layer.n_slots;
      const std::optional<HeadRef> reader = reader_of(run, l, kv_head);
      canvas.hit({.shape = rect,
                  .tooltip = "L" + std::to_string(l) + " K/V head " + std::to_string(run.kv_heads[l][h]) + "\n" +
                             count_text(layer.bytes[h]) + " B: keys and values of " + count_text(tokens) +
                             (tokens == 1 ? " token" : " tokens") + " × " + count_text(run.d_head) + " numbers each, " +
                             kv_type_name(run.cache.type) + (run.cache.type >= KvType::kInt8 ? ", scales among them" : "") +
                             "\nread by " + readers_text(run, l, kv_head) + (reader ? "\nclick looks at its cache" : ""),
                  .click = reader ? std::optional<Action>(HeadSelected{*reader}) : std::nullopt,
                  .double_click = {},
                  .ctrl_click = {},
                  .name = "decode bytes L" + std::to_string(l) + " " + std::to_string(h)});
    }
    y += row;
  }
}

}  // namespace headroom
