#include "core/figure/canvas.h"

#include <algorithm>
#include <cmath>

namespace headroom {

Canvas::Canvas(const FigureInput& input, std::string title) : input_(input) {
  figure_.title = std::move(title);
  figure_.size = input.size;
  figure_.snapshot = input.snapshot;
}

double Canvas::width(std::string_view text, const TextStyle& style) const {
  return input_.measurer.width(text, style.face, style.size);
}

void Canvas::add(Item item) { figure_.items.push_back(std::move(item)); }

void Canvas::fill(const Rect& rect, Color color, double radius) {
  if (rect.w > 0 && rect.h > 0) add(FilledRect{.rect = rect, .fill = color, .stroke = {}, .stroke_width = 0, .radius = radius});
}

void Canvas::outline(const Rect& rect, Color color, double width, double radius) {
  add(FilledRect{.rect = rect, .fill = {}, .stroke = color, .stroke_width = width, .radius = radius});
}

void Canvas::line(Point from, Point to, Color color, double width) {
  add(Polyline{.points = {from, to}, .color = color, .width = width, .is_closed = false, .fill = {}});
}

double Canvas::text(Point at, std::string_view text, const TextStyle& style, double max_width) {
  std::string shown = max_width > 0 ? shorten_middle(text, max_width, style.face, style.size, input_.measurer) : std::string(text);
  if (shown.empty()) return 0;
  const double drawn = width(shown, style);
  add(TextRun{.at = at,
              .text = std::move(shown),
              .face = style.face,
              .size = style.size,
              .color = style.color,
              .anchor = style.anchor,
              .angle = 0,
              .max_width = 0});
  return drawn;
}

std::vector<std::string> Canvas::wrap(std::string_view text, const TextStyle& style, double max_width) const {
  std::vector<std::string> lines;
  std::string line;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word(text.substr(at, end - at));
    const std::string longer = line.empty() ? word : line + " " + word;
    if (!line.empty() && width(longer, style) > max_width) {
      lines.push_back(std::move(line));
      line = word;
    } else {
      line = longer;
    }
    at = end + 1;
  }
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

double Canvas::paragraph(const Rect& area, std::string_view text, const TextStyle& style, std::size_t max_lines) {
  const double line_height = style.size > kSmallTextSize ? kLine : kSmallLine;
  std::vector<std::string> lines = wrap(text, style, area.w);
  if (lines.size() > max_lines) {
    lines.resize(max_lines);
    if (!lines.empty()) lines.back() += " …";
  }
  const double x = style.anchor == Anchor::kLeft ? area.x : style.anchor == Anchor::kCentre ? area.x + area.w / 2 : area.x + area.w;
  double y = area.y;
  for (const std::string& line : lines) {
    this->text({x, y + line_height / 2}, line, style, area.w);
    y += line_height;
  }
  return y - area.y;
}

double Canvas::parts(Point at, std::string_view text, const TextStyle& style, double max_width) {
  std::string_view shown = text;
  while (!shown.empty() && width(shown, style) > max_width) {
    const std::size_t comma = shown.rfind(", "), dot = shown.rfind(" · ");
    const bool has_comma = comma != std::string_view::npos, has_dot = dot != std::string_view::npos;
    const std::size_t cut = has_comma && has_dot ? std::max(comma, dot) : has_comma ? comma : has_dot ? dot : 0;
    shown = shown.substr(0, cut);
  }
  return shown.empty() ? 0 : this->text(at, shown, style);
}

double Canvas::panel_title(Point at, std::string_view title, std::string_view detail, double max_width) {
  const TextStyle heading{.color = theme().text_dim, .size = kSmallTextSize, .face = FontFace::kSansMedium};
  const double used = text({at.x, at.y + kSmallLine / 2}, title, heading, max_width) + 8;
  parts({at.x + used, at.y + kSmallLine / 2}, detail, faint(), max_width - used);
  return kSmallLine;
}

void Canvas::bar(const Rect& track, double share, Color color) {
  fill(track, mix(theme().panel, theme().border, 0.6), track.h / 2);
  const double length = std::clamp(std::isnan(share) ? 0.0 : share, 0.0, 1.0) * track.w;
  if (length > 0) fill({track.x, track.y, std::max(length, std::min(track.h, track.w)), track.h}, color, track.h / 2);
}

Figure message_figure(const FigureInput& input, const std::string& title, const Message& message) {
  Canvas canvas(input, title);
  const double margin = std::min(16.0, input.size.w / 16);
  const double w = std::max(24.0, std::min(input.size.w - 2 * margin, 440.0)), x = (input.size.w - w) / 2;
  TextStyle heading = canvas.body(), sentence = canvas.small();
  heading.face = FontFace::kSansMedium;
  heading.anchor = sentence.anchor = Anchor::kCentre;
  const auto room = static_cast<std::size_t>(std::max(0.0, std::floor((input.size.h - kLine - 4) / kSmallLine)));
  const std::size_t n = std::min(room, canvas.wrap(message.sentence, sentence, w).size());
  const double height = kLine + (n > 0 ? 4 + kSmallLine * static_cast<double>(n) : 0);
  const double y = std::max(0.0, std::floor((input.size.h - height) / 2 / kGrid) * kGrid);
  canvas.text({input.size.w / 2, y + kLine / 2}, message.heading, heading, w);
  if (n > 0) canvas.paragraph({x, y + kLine + 4, w, 0}, message.sentence, sentence, n);
  return canvas.take();
}

bool is_panel_size(Size size) { return size.h < 260; }

Rect panel_area(Size size) {
  if (is_panel_size(size)) return {0, 0, size.w, size.h};
  constexpr double kMargin = 16, kWidest = 960;
  const double w = std::min(size.w - 2 * kMargin, kWidest);
  return {std::floor((size.w - w) / 2), kMargin, w, size.h - 2 * kMargin};
}

Color text_over(const Theme& theme, Color fill) {
  return contrast(theme.on_light, fill) >= contrast(theme.on_dark, fill) ? theme.on_light : theme.on_dark;
}

bool has_trace(const FigureInput& input) {
  return input.snapshot != nullptr && input.snapshot->trace != nullptr && !input.snapshot->trace->layers.empty() &&
         !input.snapshot->tokens.empty();
}

}  // namespace headroom
