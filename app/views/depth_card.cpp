#include "app/views/depth_card.h"

#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "app/widgets/controls.h"
#include "core/cost/kv_cache.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

/// "40 s", "12 min", "3.5 h": as fine as an estimate deserves.
std::string duration_text(double seconds) {
  if (seconds < 1) return "under 1 s";
  if (seconds < 90) return fixed(seconds, 0) + " s";
  if (seconds < 5400) return fixed(seconds / 60, 0) + " min";
  return fixed(seconds / 3600, 1) + " h";
}

std::string layers_text(const PassEstimate& pass) {
  if (pass.n_layers == 2) return "Layer 1 needs";
  return "Layers 1–" + std::to_string(pass.n_layers - 1) + " need";
}

/// Seconds left: as it went so far; at the very beginning as estimated.
double seconds_left(const Frame& frame, const PassEstimate& pass) {
  const double share = std::clamp(frame.model.progress.share, 0.0, 1.0), spent = frame.model.now - frame.state.deepening_since;
  return share > 0.05 ? spent * (1 - share) / share : pass.seconds * (1 - share);
}

struct Line {
  std::string text;
  TextStyle style;
  float height = 0;
};

}  // namespace

bool lacks_layer(const Frame& frame) {
  const Snapshot* snapshot = frame.snapshot;
  return snapshot != nullptr && snapshot->trace && frame.session.view.head &&
         frame.session.view.head->layer >= static_cast<std::int64_t>(snapshot->trace->layers.size());
}

double draw_depth_card(const Frame& frame, const Rect& area) {
  const Snapshot* snapshot = frame.snapshot;
  UiScratch::State& state = frame.state;
  const bool wants_all = frame.session.compute.depth == Depth::kAllLayers;
  // A head that is at hand needs the room itself.
  const bool is_asked = frame.session.view.stage == StageView::kHeads || wants_all || lacks_layer(frame);
  const bool is_shown = is_asked && snapshot != nullptr && snapshot->is_long && snapshot->deeper && snapshot->deeper->n_layers > 1;
  const bool is_running = is_shown && wants_all && frame.model.progress.is_busy && snapshot->deeper->refusal.empty();
  if (!is_running) {
    state.deepening_since = -1;
  } else if (state.deepening_since < 0) {
    state.deepening_since = frame.model.now;
  }
  if (!is_shown) return 0;
  const Look& look = frame.look;
  const PassEstimate& pass = *snapshot->deeper;
  const float pad = look.px(12), inner = static_cast<float>(area.w) - 2 * pad;

  Line title{layers_text(pass) + " a full pass over " + count_text(pass.seq) + " tokens",
             {.face = FontFace::kSansMedium, .size = kTextSize, .color = frame.theme.text}};
  Line facts{pass.refusal, small_text(look)};
  if (is_running) {
    facts.text = "about " + duration_text(seconds_left(frame, pass)) + " left (estimated from how it went so far)";
  } else if (pass.refusal.empty()) {
    facts.text = "about " + duration_text(pass.seconds) + " (estimated: " + compact(pass.flops) +
                 " operations, computed, at speeds measured here), " + bytes_text(pass.bytes) + " of memory (computed; " +
                 bytes_text(pass.free_bytes) + " free)";
  } else {
    facts.style.color = frame.theme.warning;
  }
  for (Line* line : {&title, &facts})
    line->height = text_extent(look, line->text, line->style, inner).h;
  const float controls = look.px(24);
  const double height = title.height + facts.height + controls + look.px(34);
  if (height > area.h * 0.6) return 0;

  const double top = area.y + area.h - height;
  ImDrawList& list = *ImGui::GetWindowDrawList();
  fill_rect(list, {area.x, top, area.w, height}, frame.theme.raised, look.px(6));
  stroke_rect(list, {area.x, top, area.w, height}, frame.theme.border, look.px(6));
  record_rect("stage/deeper", {area.x, top, area.w, height});
  double y = top + look.px(10);
  for (const Line* line : {&title, &facts}) {
    draw_text(look, list, {area.x + pad, y}, line->text, line->style, inner);
    y += line->height + look.px(5);
  }
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(area.x) + pad, static_cast<float>(y) + look.px(3)));
  if (is_running) {
    state.shows_deepening = true;
    if (progress_bar(look, {.name = "stage/deeper/cancel",
                            .stage = frame.model.progress.stage,
                            .share = frame.model.progress.share,
                            .width = std::min(inner, look.px(620))})) {
      frame.send(DepthSet{Depth::kFirstLayer});  // another request stops what runs for this one
    }
    return height + look.px(8);
  }
  const bool can_run = pass.refusal.empty();
  const bool was_stopped = wants_all;  // and does not run: asking again must be another question
  if (button(look,
             {.name = "stage/deeper/all",
              .label = "Compute all layers",
              .tooltip =
                  "Runs every layer over the whole text\nA deeper layer's q and k follow from everything below it: attention "
                  "over all pairs and the MLP of each layer. The picture of the first layer stays meanwhile, and the work can be "
                  "cancelled.",
              .enabled = can_run ? Enabled::kYes : Enabled::kNo,
              .kind = Button::Kind::kPrimary})) {
    if (was_stopped) frame.send(DepthSet{Depth::kFirstLayer}, "depth");
    frame.send(DepthSet{Depth::kAllLayers}, "depth");
  }
  if (frame.session.compute.backend != BackendChoice::kGl) {
    ImGui::SameLine(0, look.px(8));
    if (button(
            look,
            {.name = "stage/deeper/gpu",
             .label = "On the GPU",
             .tooltip = "The same pass with attention on the graphics card. Where there is none, the processor computes it and the "
                        "rail says why.",
             .enabled = can_run ? Enabled::kYes : Enabled::kNo})) {
      frame.send(BackendSet{BackendChoice::kGl}, "depth");
      frame.send(DepthSet{Depth::kAllLayers}, "depth");
    }
  }
  return height + look.px(8);
}

}  // namespace headroom
