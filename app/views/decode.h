#pragma once

#include "app/views/bar_flow.h"
#include "app/views/context.h"

namespace headroom {

// The Decode stage's panels; the stage itself is draw_decode() in context.h.
void draw_decode_rail(const Frame& frame);

// The rail of each section.
void decode_steps_rail(const Frame& frame);
void decode_batch_rail(const Frame& frame);
void decode_quality_rail(const Frame& frame);

// What stands above each section's picture, at the top of `area` (ImGui's screen coordinates). Each returns its height.
double decode_steps_bar(const Frame& frame, const Rect& area);
double decode_batch_bar(const Frame& frame, const Rect& area);
double decode_quality_bar(const Frame& frame, const Rect& area);

/// Whether the engine is at this part.
bool is_decoding(const Frame& frame, DecodePart part);
/// Why the open model writes nothing, in one sentence; empty where it does.
std::string why_not_decoding(const Frame& frame);
/// Generates; what the view looked at of the run before is let go.
void start_decoding(const Frame& frame);
/// What the shown section's button does.
void start_decode_section(const Frame& frame);
/// The cache's type and layout, which all sections share: contiguous or pages with their tokens, number format.
void decode_cache_form(const Frame& frame);
/// Parts of it: the tokens of a page; the number format.
void decode_page_rows(const Frame& frame);
void decode_type_form(const Frame& frame);
/// Likewise which tokens it keeps.
void decode_eviction_form(const Frame& frame);
/// A button that becomes Stop while the engine is at this part.
struct DecodeButton {
  const char* name;
  const char* label;
  const char* tooltip;
  DecodePart part = DecodePart::kSteps;
  Command command;
};
void decode_button(const Frame& frame, const DecodeButton& spec);

/// Of the simulated requests: so many steps later, or earlier.
void step_batch(const Frame& frame, int steps);
/// What is done for a part and how far it is, with a button that stops it; nothing while it is not at work.
void decode_progress(const Frame& frame, BarFlow& flow, DecodePart part);

// The step looked at, of the run as far as it is.
/// Where the view stands, counted from 0; -1: no step yet.
std::int64_t decode_step_shown(const Frame& frame);
/// So many steps later, or earlier.
void step_decoding(const Frame& frame, int steps);
void play_or_pause_decoding(const Frame& frame);
bool can_step_decoding(const Frame& frame);

}  // namespace headroom
