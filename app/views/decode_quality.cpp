#include "app/views/decode.h"
#include "app/widgets/controls.h"

namespace headroom {

void decode_quality_rail(const Frame& frame) {
  heading(frame.look, "QUALITY");
  decode_button(frame, {.name = "quality/measure",
                        .label = "Measure",
                        .tooltip = "The model predicts a held-out text with every cache, and with all tokens kept in float32.",
                        .part = DecodePart::kQuality,
                        .command = MeasureQuality{}});
  rule(frame.look);
  decode_cache_form(frame);
  decode_eviction_form(frame);
}

double decode_quality_bar(const Frame&, const Rect&) { return 0; }

}  // namespace headroom
