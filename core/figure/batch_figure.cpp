#include <algorithm>
#include <array>
#include <cmath>

#include "core/figure/batch_panels.h"
#include "core/figure/card_panels.h"
#include "core/figure/decode_figures.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr const char* kTitle = "Requests that share a memory";
constexpr double kMargin = 12, kGap = 28, kBetween = 14;

/// Parts of the stage from top to bottom, each as high as it is; 0: no room.
struct BatchRows {
  double facts = 0, memory = 0, queue = 0, pages = 0, text = 0;
};
BatchRows lay_out_rows(double height) {
  struct Row {
    double BatchRows::*height;
    double least, weight;  // what is left over is shared out by weight
  };
  // The most telling first.
  constexpr double kText = 16 * kBatchTableRows;
  const std::array<Row, 5> rows{{{&BatchRows::memory, 120, 3},
                                 {&BatchRows::facts, kBatchFactsHeight, 0},
                                 {&BatchRows::pages, 84, 2},
                                 {&BatchRows::text, kText, 0.5},
                                 {&BatchRows::queue, 80, 1.2}}};
  BatchRows made;
  double left = height, weights = 0;
  for (const Row& row : rows) {
    if (row.least + kBetween > left) continue;
    made.*row.height = row.least;
    left -= row.least + kBetween;
    weights += row.weight;
  }
  if (weights > 0)
    for (const Row& row : rows)
      if (made.*row.height > 0) made.*row.height += std::floor(left * row.weight / weights);
  return made;
}

std::string plan_text(const Batched& batch) {
  const BatchPlan& plan = batch.run->plan;
  const std::int64_t n = plan.n_requests;
  return count_text(n) + (n == 1 ? " request" : " requests") + " · " + short_bytes_text(plan.memory_mib * 1048576.0) +
         " for K and V · " + short_bytes_text(static_cast<double>(batch.token_bytes)) + " a token in " +
         kv_type_name(batch.request.cache.type);
}

/// Which numbers they are, and whether the session asks for others by now.
void draw_header(Canvas& canvas, const Rect& area, const DecodeState& state, std::int64_t step) {
  const Batched& batch = *state.batch;
  TextStyle title = canvas.body();
  title.face = FontFace::kSansMedium;
  const double used = canvas.parts({area.x, area.y + kLine / 2}, plan_text(batch), title, area.w);
  TextStyle right = canvas.faint();
  right.anchor = Anchor::kRight;
  const BatchPlan& plan = batch.run->plan;
  const std::string arrivals = plan.arrivals > 0 ? compact(plan.arrivals, 3) + " arrive a step" : "all there at the first step";
  canvas.parts({area.x + area.w, area.y + kLine / 2},
               "step " + count_text(step) + " · " + arrivals + " · seed " + std::to_string(plan.seed), right, area.w - used - 24);
  TextStyle style = canvas.small();
  std::string text =
      "Simulated: the same requests with a stretch reserved for the longest text of each, and with pages taken as texts grow. "
      "Bytes are counted; no token is computed.";
  if (const std::string& failure = state.failure(DecodePart::kBatch); !failure.empty()) {
    style.color = canvas.theme().warning;
    text = "Not simulated again: " + failure;
  } else if (batch.request != batch_wish(canvas.input().session)) {
    style.color = canvas.theme().warning;
    text = "The session asks for other requests, another cache or another model by now. These figures stay until it is run again.";
  }
  const auto lines = static_cast<std::size_t>(std::max(1.0, std::floor((area.h - kLine) / kSmallLine)));
  canvas.paragraph({area.x, area.y + kLine, area.w, 0}, text, style, lines);
}

void draw_text_row(Canvas& canvas, const Rect& area, const BatchRun& run) {
  constexpr double kLeastBeside = 560;
  if (area.w < kLeastBeside) {
    draw_batch_table(canvas, area, run);
    return;
  }
  const double table = std::clamp(std::floor(area.w * 0.34), 280.0, 460.0);
  draw_batch_table(canvas, {area.x, area.y, table, area.h}, run);
  draw_batch_assumptions(canvas, {area.x + table + kGap, area.y, area.w - table - kGap, area.h}, run.plan);
}

Figure run_figure(const FigureInput& input, const DecodeState& state) {
  Canvas canvas(input, kTitle);
  const Size size = input.size;
  if (size.w < 240 || size.h < 140) return message_figure(input, kTitle, {"Simulated", "A larger picture shows what came of it."});
  const BatchRun& run = *state.batch->run;
  const double w = size.w - 2 * kMargin, lines = std::clamp(std::ceil(900 / w), 1.0, 3.0);
  const std::array<BatchPart, 2> parts{batch_part(run, CacheLayout::kContiguous, input.session.view.batch_step),
                                       batch_part(run, CacheLayout::kPaged, input.session.view.batch_step)};
  const Rect header{kMargin, 4, w, kLine + lines * kSmallLine};
  draw_header(canvas, header, state, parts[0].step);
  const double column = std::floor((w - kGap) / 2), top = header.y + header.h + 8;
  double titles = 0;
  const auto column_x = [&](std::size_t i) { return kMargin + static_cast<double>(i) * (column + kGap); };
  for (std::size_t i = 0; i < parts.size(); ++i)
    titles = std::max(titles, draw_batch_title(canvas, {column_x(i), top, column, 0}, parts[i]));
  const double first = top + titles + 6;
  const BatchRows rows = lay_out_rows(size.h - kMargin + kBetween - first);
  double y = first;
  const auto draw_row = [&](double height, void (*draw)(Canvas&, const Rect&, const BatchPart&)) {
    if (!(height > 0)) return;
    for (std::size_t i = 0; i < parts.size(); ++i)
      draw(canvas, {column_x(i), y, column, height}, parts[i]);
    y += height + kBetween;
  };
  draw_row(rows.facts, draw_batch_facts);
  draw_row(rows.memory, draw_batch_memory);
  draw_row(rows.queue, draw_batch_queue);
  draw_row(rows.pages, draw_batch_pages);
  if (rows.text > 0) draw_text_row(canvas, {kMargin, y, w, rows.text}, run);
  return canvas.take();
}

}  // namespace

Figure batch_figure(const FigureInput& input, const DecodeState& state) {
  if (state.batch != nullptr && state.batch->run != nullptr) return run_figure(input, state);
  const std::string& failure = state.failure(DecodePart::kBatch);
  if (!failure.empty()) return message_figure(input, kTitle, {"Not simulated", failure});
  return message_figure(input, kTitle,
                        {"Nothing simulated yet",
                         "Run: the same requests come to a memory in which each reserves room for the longest text, and to one in "
                         "pages. How many fit at once, and how much of what they take stands empty?"});
}

}  // namespace headroom
