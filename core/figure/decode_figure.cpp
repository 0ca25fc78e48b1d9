#include "core/figure/decode_figures.h"

#include <algorithm>
#include <cmath>

#include "core/figure/decode_panels.h"
#include "core/figure/number_text.h"
#include "core/figure/written_figure.h"

namespace headroom {
namespace {

constexpr const char* kTitle = "What each next token costs, with a KV cache and without";
constexpr double kMargin = 12, kGap = 24;

template <typename T>
const T& at(const std::vector<T>& values, std::int64_t index) {
  return values[static_cast<std::size_t>(index)];
}

/// "Step 5 of 32 writes “mat” at position 12"
std::string step_text(const DecodeLook& look) {
  return "Step " + count_text(look.index + 1) + " of " + count_text(std::ssize(look.run.steps)) + " writes “" +
         look.word(look.step.position) + "” as token " + count_text(look.step.position);
}

std::string kernel_text(const DecodeRun& run) {
  if (run.threads == 0) return cache_text(run.cache);
  return cache_text(run.cache) + " · " + run.kernel + " · " + count_text(run.threads) + (run.threads == 1 ? " thread" : " threads");
}

/// How the word came about, against what the full cache would have written.
std::string choice_text(const DecodeLook& look) {
  const DecodeStep& step = look.step;
  std::string text = "probability " + probability_text(step.probability) + ", computed";
  if (step.differs()) {
    text += "; a cache of all tokens in float32 would write another (it gives this one " + probability_text(step.full_probability) +
            ", KL " + compact(step.kl, 2) + " nats)";
  } else {
    text += "; a cache of all tokens in float32 writes the same";
    text += step.kl > 0 ? " (KL " + compact(step.kl, 2) + " nats)" : ", exactly";
  }
  return text + ".";
}

void draw_header(Canvas& canvas, const Rect& area, const DecodeLook& look, const DecodeState& state) {
  TextStyle title = canvas.body();
  title.face = FontFace::kSansMedium;
  const double used = canvas.text({area.x, area.y + kLine / 2}, step_text(look), title, area.w);
  if (area.w - used > 160) {
    TextStyle right = canvas.faint();
    right.anchor = Anchor::kRight;
    canvas.parts({area.x + area.w, area.y + kLine / 2}, kernel_text(look.run), right, area.w - used - 24);
  }
  const std::string& failure = state.failure(DecodePart::kSteps);
  const bool is_stale = !(look.decoded.request == decode_request(canvas.input().session));
  TextStyle style = canvas.small();
  std::string text = choice_text(look);
  if (!look.run.ended.empty()) text += " " + look.run.ended;
  if (!failure.empty() || is_stale) {
    style.color = canvas.theme().warning;
    text = failure.empty() ? "The session has changed since; these steps stay until Decode is pressed again."
                           : failure + " The steps that were generated before stand.";
  } else if (look.step.differs()) {
    style.color = canvas.theme().warning;
  }
  canvas.paragraph({area.x, area.y + kLine, area.w, 0}, text, style, 1);
}

/// One sentence why nothing can be generated; empty where it can.
std::string why_not(const FigureInput& input, const DecodeState& state) {
  if (const std::string& failure = state.failure(DecodePart::kSteps); !failure.empty()) return failure;
  return input.snapshot == nullptr ? "" : why_not_writing(*input.snapshot);
}

/// What will be seen, greyed, in the layout that it will have.
Figure empty_figure(const FigureInput& input, const DecodeState& state) {
  if (const std::string why = why_not(input, state); !why.empty())
    return message_figure(input, kTitle, {"Nothing is generated", why});
  return message_figure(
      input, kTitle,
      {"Each next token, with a KV cache and without",
       "Decode (Enter): the model writes on after the sentence, token by token. Beside each other stand what a step computes when "
       "keys and values are kept and when the whole text is read anew, the time that it takes over the position, the cache itself "
       "with its pages and what it gives up, and what the newest token looks at."});
}

}  // namespace

std::string DecodeLook::head_text() const {
  if (!has_head()) return "L" + std::to_string(layer);
  return "L" + std::to_string(layer) + " H" + std::to_string(at(at(run.heads, layer), head));
}

std::string DecodeLook::kv_head_text() const {
  if (!has_head()) return "L" + std::to_string(layer);
  return "L" + std::to_string(layer) + " K/V head " + std::to_string(at(at(run.kv_heads, layer), kv_head));
}

std::string DecodeLook::word(std::int64_t position) const {
  if (position < 0 || position >= std::ssize(decoded.tokens)) return count_text(position);
  return display_token(at(decoded.tokens, position));
}

std::vector<std::int64_t> DecodeLook::slots() const {
  std::vector<std::int64_t> found(static_cast<std::size_t>(step.position), -1);
  const LayerStep& kept = cache();
  if (kept.positions.empty() || !has_head()) return found;
  for (std::int64_t slot = 0; slot < kept.n_slots; ++slot) {
    const std::int32_t position = kept.position_of(kv_head, slot);
    if (position >= 0 && position < step.position) found[static_cast<std::size_t>(position)] = slot;
  }
  return found;
}

std::optional<DecodeLook> decode_look(const View& view, const DecodeState& state) {
  if (!state.decoded || !state.decoded->run || state.decoded->run->steps.empty()) return std::nullopt;
  const DecodeRun& run = *state.decoded->run;
  const std::int64_t last = std::ssize(run.steps) - 1;
  const std::int64_t index = std::clamp<std::int64_t>(view.decode_step.value_or(last), 0, last);
  DecodeLook look{.decoded = *state.decoded, .run = run, .step = *at(run.steps, index), .index = index};
  const std::int64_t n_layers = std::ssize(run.heads);
  if (n_layers == 0) return std::nullopt;
  const HeadRef wanted = view.head.value_or(HeadRef{0, 0});
  look.layer = std::clamp<std::int64_t>(wanted.layer, 0, n_layers - 1);
  const std::vector<std::int64_t>& heads = at(run.heads, look.layer);
  const auto found = std::find(heads.begin(), heads.end(), wanted.head);
  look.head = heads.empty() ? -1 : found == heads.end() ? 0 : found - heads.begin();
  if (look.head >= 0) look.kv_head = at(at(run.kv_head_of, look.layer), look.head);
  return look;
}

DecodeSigns decode_signs(const Theme& theme) { return {theme.accent, theme.naive}; }

DecodeLayout lay_out_decode(Size size, std::size_t token_rows) {
  DecodeLayout layout;
  if (size.w < 200 || size.h < 120) return layout;
  const double w = size.w - 2 * kMargin;
  layout.header = {kMargin, 2, w, kLine + kSmallLine};
  const double most_lines = size.h >= 760 ? 3 : size.h >= 460 ? 2 : 1;
  const double lines = std::min(most_lines, static_cast<double>(std::max<std::size_t>(1, token_rows)));
  layout.tokens = {kMargin, layout.header.y + layout.header.h + 6, w, lines * 24};
  const double top = layout.tokens.y + layout.tokens.h + 14, h = size.h - kMargin - top;
  const auto column = [&](double from, double to) {
    const double x = kMargin + std::floor((w + kGap) * from);
    return Rect{x, 0, std::floor((w + kGap) * to - kGap) - std::floor((w + kGap) * from), 0};
  };
  const auto place = [&](Rect column_of, double y, double height) { return Rect{column_of.x, y, column_of.w, std::floor(height)}; };
  if (w >= 880 && h >= 380) {
    const double first = std::floor((h - kGap) * 0.48), below = top + first + kGap, second = h - first - kGap;
    layout.work = place(column(0, 0.32), top, first);
    layout.time = place(column(0.32, 0.66), top, first);
    layout.growth = place(column(0.66, 1), top, first);
    layout.cache = place(column(0, 0.44), below, second);
    layout.row = place(column(0.44, 0.78), below, second);
    layout.bytes = place(column(0.78, 1), below, second);
    return layout;
  }
  if (w >= 520 && h >= 320) {
    const double first = std::floor((h - kGap - kSmallLine) * 0.48), below = top + first + kGap,
                 second = h - first - kGap - kSmallLine;
    layout.work = place(column(0, 0.48), top, first);
    layout.time = place(column(0.48, 1), top, first);
    layout.cache = place(column(0, 0.54), below, second);
    layout.row = place(column(0.54, 1), below, second);
    layout.left_out = {"time over n", "bytes by layer and head"};
    return layout;
  }
  if (h < 120) return layout;
  const double half = std::floor((h - kGap - kSmallLine) / 2);
  layout.left_out = {"time over position", "time over n", "bytes by layer and head", "the row of attention"};
  layout.work = place(column(0, 1), top, h >= 300 ? half : h - kSmallLine);
  if (h >= 300) {
    layout.cache = place(column(0, 1), top + half + kGap, half);
  } else {
    layout.left_out.emplace_back("the cache");
  }
  return layout;
}

Figure decode_figure(const FigureInput& input, const DecodeState& state) {
  const std::optional<DecodeLook> look = decode_look(input.session.view, state);
  if (!look) return empty_figure(input, state);
  Canvas canvas(input, kTitle);
  const DecodeLayout layout = lay_out_decode(input.size, decode_token_rows(canvas, input.size.w - 2 * kMargin, *look));
  if (layout.header.w <= 0) return canvas.take();
  draw_header(canvas, layout.header, *look, state);
  draw_decode_tokens(canvas, layout.tokens, *look);
  using Part = void (*)(Canvas&, const Rect&, const DecodeLook&);
  for (const auto& [area, draw] : {std::pair<Rect, Part>{layout.work, draw_decode_work},
                                   {layout.time, draw_decode_time},
                                   {layout.cache, draw_decode_cache},
                                   {layout.row, draw_decode_row},
                                   {layout.bytes, draw_decode_bytes}}) {
    if (area.w > 0 && area.h > 0) draw(canvas, area, *look);
  }
  if (layout.growth.w > 0) draw_decode_growth(canvas, layout.growth, state);
  if (!layout.left_out.empty()) {
    std::string text = "For want of room not shown here: ";
    for (const std::string& part : layout.left_out)
      text += (&part == &layout.left_out.front() ? "" : ", ") + part;
    canvas.parts({layout.header.x, input.size.h - kSmallLine / 2 - 2}, text, canvas.faint(), layout.header.w);
  }
  return canvas.take();
}

}  // namespace headroom
