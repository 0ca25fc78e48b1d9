#include "app/views/stack_tabs.h"

#include <imgui.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "app/widgets/controls.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr std::array<AttentionStack, 3> kStacks{AttentionStack::kEncoder, AttentionStack::kSelf, AttentionStack::kCross};
constexpr std::array<MenuChoice, 3> kChoices{{
    {"stack/encoder", "Encoder", "The encoder's attention: every token of the source sees all of them (key e: the next)."},
    {"stack/decoder", "Decoder",
     "The decoder's attention on itself: every token of the target sees those before it (key e: the next)."},
    {"stack/cross", "Cross",
     "Cross-attention: each token of the target (rows) looks at the source (columns), whose keys and values come from the "
     "encoder's output (key e: the next)."},
}};

int shown(const Frame& frame) {
  const AttentionStack stack = frame.session.compute.stack;
  return static_cast<int>(std::find(kStacks.begin(), kStacks.end(), stack) - kStacks.begin());
}

std::string counted(std::size_t n, const char* what) {
  return count_text(static_cast<std::int64_t>(n)) + " " + what + (n == 1 ? " token" : " tokens");
}

/// What rows and columns are.
std::string axes_text(const Snapshot& snapshot) {
  switch (snapshot.compute.stack) {
    case AttentionStack::kEncoder:
      return counted(snapshot.seq(), "source") + " look at each other";
    case AttentionStack::kSelf:
      return counted(snapshot.seq(), "target") + ", each looks at those before it";
    case AttentionStack::kCross:
      return "rows: " + counted(snapshot.seq(), "target") + " · columns: " + counted(snapshot.keys().size(), "source");
  }
  return "";
}

}  // namespace

bool has_stacks(const Frame& frame) { return frame.session.compute.trained.kind == ModelKind::kEncoderDecoder; }

void next_stack(const Frame& frame) {
  frame.send(StackSet{kStacks[static_cast<std::size_t>(shown(frame) + 1) % kStacks.size()]}, "stack");
}

double draw_stack_tabs(const Frame& frame, const Rect& area) {
  if (!has_stacks(frame)) return 0;
  const Look& look = frame.look;
  const double margin = look.px(12), height = look.px(24);
  const float width = look.px(216);
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(area.x + margin), static_cast<float>(area.y + look.px(8))));
  if (const auto chosen = segmented(look, kChoices, shown(frame), width))
    frame.send(StackSet{kStacks[static_cast<std::size_t>(*chosen)]}, "stack");
  if (frame.snapshot != nullptr && frame.snapshot->compute.trained.kind == ModelKind::kEncoderDecoder) {
    const TextStyle style = small_text(look);
    const double left = area.x + margin + width + look.px(14);
    draw_text_fitted(look, *ImGui::GetWindowDrawList(), {left, area.y + look.px(8) + (height - line_px(look, style)) / 2},
                     axes_text(*frame.snapshot), style, static_cast<float>(area.x + area.w - margin - left));
  }
  return look.px(8) + height;
}

}  // namespace headroom
