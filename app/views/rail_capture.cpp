#include <imgui.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <vector>

#include "app/painters/drawable_text.h"
#include "app/views/context.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"
#include "core/session/capture_source.h"

namespace headroom {
namespace {

/// Most texts of a batch that the slider steps through.
constexpr std::int64_t kMostEntries = 4096;

void paragraph_of(const Frame& frame, const std::string& text, Color color) {
  TextStyle style = small_text(frame.look);
  style.color = color;
  paragraph(frame.look, imgui_drawable(text, FontFace::kSans), style);
}

void text_of_batch(const Frame& frame, const CapturedText& capture) {
  if (capture.n_entries < 2) return;
  std::vector<std::int64_t> entries(static_cast<std::size_t>(std::min(capture.n_entries, kMostEntries)));
  std::iota(entries.begin(), entries.end(), 0);
  const std::int64_t entry = std::min(frame.session.compute.batch_entry, capture.n_entries - 1);
  const std::string shown = std::to_string(entry + 1) + " of " + std::to_string(capture.n_entries);
  const auto chosen =
      value_slider(frame.look, {.name = "rail/batch",
                                .label = "text",
                                .tooltip = "Which text of the batch\nThe capture holds several that a model read at "
                                           "once; each has attention of its own. A typed number counts from 0.",
                                .values = entries,
                                .value = entry,
                                .shown = shown,
                                .value_width = 78});
  if (chosen) frame.send(BatchEntrySet{*chosen}, "batch");
  gap(frame.look, 4);
}

void fixed_slider(const Frame& frame, const char* name, const char* label, std::int64_t value) {
  const std::array<std::int64_t, 1> values{value};
  (void)value_slider(
      frame.look,
      {.name = name, .label = label, .tooltip = kCaptureIsFixed, .values = values, .value = value, .enabled = Enabled::kNo});
}

void shape(const Frame& frame, const CapturedText& capture) {
  const Compute& compute = frame.session.compute;
  heading(frame.look, "SHAPE");
  fixed_slider(frame, "rail/h", "h", compute.n_heads);
  fixed_slider(frame, "rail/kv_heads", "kv_heads", compute.n_kv_heads);
  gap(frame.look, 2);
  std::string text = capture.knows_d_head ? "d_k = " + std::to_string(compute.trained.d_head)
                                          : std::string("d_k is not known: the capture holds no q");
  text += compute.n_kv_heads == compute.n_heads
              ? "."
              : ", " + std::to_string(compute.n_heads / compute.n_kv_heads) + " queries share one K/V.";
  paragraph(frame.look, text, small_text(frame.look));
  paragraph(frame.look, kCaptureIsFixed, small_text(frame.look));
}

void check(const Frame& frame, const CapturedText& capture) {
  heading(frame.look, "CHECK");
  paragraph_of(frame, capture.summary, frame.theme.text_dim);
  for (const std::string& notice : capture.notices) {
    gap(frame.look, 3);
    paragraph_of(frame, notice, frame.theme.warning);
  }
}

}  // namespace

void draw_capture_rail(const Frame& frame) {
  heading(frame.look, "TEXT");
  if (frame.snapshot == nullptr || !frame.snapshot->capture) {
    paragraph(frame.look, "Reading the capture…", small_text(frame.look));
  } else {
    const CapturedText& capture = *frame.snapshot->capture;
    text_of_batch(frame, capture);
    constexpr std::size_t kShown = 400;
    const std::string text = capture.text.size() > kShown ? capture.text.substr(0, kShown) + "…" : capture.text;
    if (!text.empty()) paragraph_of(frame, text, frame.theme.text);
    gap(frame.look, 6);
    rail_tokens(frame);
  }
  rule(frame.look);
  rail_model(frame);
  if (frame.snapshot != nullptr && frame.snapshot->capture) {
    rule(frame.look);
    shape(frame, *frame.snapshot->capture);
    rule(frame.look);
    check(frame, *frame.snapshot->capture);
  }
  gap(frame.look, 8);
}

}  // namespace headroom
