#include <algorithm>
#include <cmath>

#include "core/figure/decode_figures.h"
#include "core/figure/number_text.h"
#include "core/figure/quality_panels.h"

namespace headroom {
namespace {

constexpr const char* kTitle = "Loss over the bytes of a cache";
constexpr double kMargin = 12, kGap = 28;

/// The last part of a path, or a name.
std::string model_name(const std::string& model) {
  const std::size_t end = model.find_last_not_of('/');
  const std::size_t slash = end == std::string::npos ? end : model.find_last_of('/', end);
  return slash == std::string::npos ? model : model.substr(slash + 1, end - slash);
}

/// What the session asks for that was not measured, in one sentence; empty: nothing.
std::string what_differs(const Quality& quality, const Session& session) {
  const QualityRequest now = quality_request(session);
  Compute measured = quality.request.compute;
  const bool reads_sentence = quality.text != "the held-out text";
  if (!reads_sentence) {
    measured.text = now.compute.text;
    measured.second = now.compute.second;
    measured.continuation = now.compute.continuation;
  }
  // How it is computed changes nothing of it.
  measured.backend = now.compute.backend;
  measured.depth = now.compute.depth;
  measured.stack = now.compute.stack;
  if (measured != now.compute) return "The session's model or text has changed. These figures stay until they are measured again.";
  const auto is_now = [&](const QualityChoice& choice) {
    KvCacheOptions cache = choice.cache;
    cache.layout = now.cache.layout;
    cache.page_rows = now.cache.page_rows;
    return choice.n_kv_heads == 0 && cache == now.cache;
  };
  KvCacheOptions plain;
  plain.layout = now.cache.layout;
  plain.page_rows = now.cache.page_rows;
  if (now.cache == plain) return "";
  for (const QualityPoint& point : quality.report->points)
    if (is_now(point.choice)) return "";
  if (is_now({.curve = QualityCurve::kOther, .cache = quality.request.cache, .n_kv_heads = 0})) return "";
  return "The cache that is chosen now is none of these: it joins them when it is measured again.";
}

void draw_header(Canvas& canvas, const Rect& area, const DecodeState& state) {
  const Quality& quality = *state.quality;
  const QualityReport& report = *quality.report;
  TextStyle title = canvas.body();
  title.face = FontFace::kSansMedium;
  const std::string model = model_name(quality.request.compute.model);
  const double used = canvas.parts({area.x, area.y + kLine / 2}, "Measured: " + model + " predicts " + quality.text, title, area.w);
  TextStyle right = canvas.faint();
  right.anchor = Anchor::kRight;
  const std::string rows = report.is_finished ? count_text(report.n_rows) + (report.n_rows == 1 ? " row" : " rows")
                                              : count_text(report.n_rows) + " of " + count_text(report.most_rows) + " rows so far";
  canvas.parts({area.x + area.w, area.y + kLine / 2}, count_text(report.n_tokens) + " tokens predicted · " + rows, right,
               area.w - used - 24);
  TextStyle style = canvas.small();
  std::string text =
      "Each token is predicted from those before it, as a cache keeps them (teacher forcing). Further left takes less memory; near "
      "the dashed line costs little.";
  const std::string& failure = state.failure(DecodePart::kQuality);
  const std::string warning = failure.empty() ? what_differs(quality, canvas.input().session) : "Not measured again: " + failure;
  if (!warning.empty()) {
    style.color = canvas.theme().warning;
    text = warning;
  }
  const auto lines = static_cast<std::size_t>(std::max(1.0, std::floor((area.h - kLine) / kSmallLine)));
  canvas.paragraph({area.x, area.y + kLine, area.w, 0}, text, style, lines);
}

Figure report_figure(const FigureInput& input, const DecodeState& state) {
  const Quality& quality = *state.quality;
  const Size size = input.size;
  if (size.w < 240 || size.h < 140) return message_figure(input, kTitle, {"Measured", "A larger picture shows what it says."});
  Canvas canvas(input, kTitle);
  const double w = size.w - 2 * kMargin, lines = std::clamp(std::ceil(920 / w), 1.0, 3.0);
  const Rect header{kMargin, 4, w, kLine + lines * kSmallLine};
  draw_header(canvas, header, state);
  const double top = header.y + header.h + 10, h = size.h - kMargin - top;
  if (h < 60) return canvas.take();
  const double table = quality_table_width(canvas, quality);
  constexpr double kLeastPlot = 310;
  if (w >= table + kGap + kLeastPlot) {
    draw_quality_plot(canvas, {kMargin, top, w - table - kGap, h}, quality);
    draw_quality_table(canvas, {kMargin + w - table, top, table, h}, quality);
    return canvas.take();
  }
  const double rows = kSmallLine * static_cast<double>(quality.report->points.size() + 2) + 20;
  const double below = h < 260 ? 0 : std::min(rows, std::floor(h * 0.48));
  draw_quality_plot(canvas, {kMargin, top, w, below > 0 ? h - below - 12 : h}, quality);
  if (below > 0) draw_quality_table(canvas, {kMargin, top + h - below, w, below}, quality);
  return canvas.take();
}

}  // namespace

Figure quality_figure(const FigureInput& input, const DecodeState& state) {
  if (state.quality != nullptr && state.quality->report != nullptr && state.quality->report->n_rows > 0)
    return report_figure(input, state);
  const std::string& failure = state.failure(DecodePart::kQuality);
  if (!failure.empty()) return message_figure(input, kTitle, {"Not measured", failure});
  return message_figure(input, kTitle,
                        {"Nothing measured yet",
                         "Measure: the model predicts a text that it was not trained on with each cache, and with all of it kept. "
                         "How much can be left away before it shows?"});
}

}  // namespace headroom
