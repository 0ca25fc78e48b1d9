#include "app/views/decode.h"
#include "app/widgets/controls.h"

namespace headroom {

void decode_batch_rail(const Frame& frame) {
  heading(frame.look, "REQUESTS");
  decode_button(frame, {.name = "batch/run",
                        .label = "Run",
                        .tooltip = "Simulates requests that come and go until all are finished, in one memory that is reserved and "
                                   "in one with pages.",
                        .part = DecodePart::kBatch,
                        .command = RunBatch{}});
  rule(frame.look);
  decode_cache_form(frame);
}

double decode_batch_bar(const Frame&, const Rect&) { return 0; }

}  // namespace headroom
