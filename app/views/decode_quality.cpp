#include <array>
#include <string>

#include "app/views/bar_flow.h"
#include "app/views/decode.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

/// Which text is read, and why another one where it is so.
void about(const Frame& frame) {
  const Look& look = frame.look;
  paragraph(
      look,
      "Windows of 4 to 64 tokens with and without the first ones, heavy hitters, five number formats and fewer K/V heads, each "
      "against all tokens in float32. The cache chosen below joins them where it is none of these.",
      small_text(look));
  const Quality* quality = frame.model.decode.quality.get();
  if (quality == nullptr || quality->report == nullptr || quality->report->n_rows == 0) return;
  gap(look, 6);
  const QualityReport& report = *quality->report;
  paragraph(look,
            "Read: " + quality->text + ", " + count_text(report.n_tokens) + " predicted tokens in " + count_text(report.n_rows) +
                (report.n_rows == 1 ? " row." : " rows.") + (report.is_finished ? "" : " Not all of it."),
            small_text(look));
}

}  // namespace

void decode_quality_rail(const Frame& frame) {
  const Look& look = frame.look;
  heading(look, "QUALITY");
  decode_button(
      frame, {.name = "quality/measure",
              .label = "Measure",
              .tooltip = "Measure (Enter)\nThe model predicts a text that it was not trained on, token by token, with each cache. "
                         "The points grow as it reads; Stop keeps what there is.",
              .part = DecodePart::kQuality,
              .command = MeasureQuality{}});
  gap(look, 8);
  about(frame);
  rule(look);
  heading(look, "THE CHOSEN CACHE");
  decode_type_form(frame);
  decode_eviction_form(frame);
  gap(look, 8);
}

double decode_quality_bar(const Frame& frame, const Rect& area) {
  BarFlow flow(frame.look, area);
  decode_progress(frame, flow, DecodePart::kQuality);
  return flow.height();
}

}  // namespace headroom
