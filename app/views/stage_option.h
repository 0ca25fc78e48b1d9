#pragma once

#include <span>
#include <vector>

#include "app/views/context.h"
#include "app/widgets/controls.h"

namespace headroom {

/// One choice in the row above the stage: "sort: layer".
struct StageOption {
  const char* name;
  const char* label;
  const char* tooltip;
  std::span<const MenuChoice> choices;
  int selected;
  Action (*action)(const View& view, int choice);
};

/// The overview's own: order, filter, groups, joined pictures; and, where the text has such, special tokens and sentences.
std::vector<StageOption> heads_options(const Frame& frame);
/// Special tokens and sentences of a pair alone, where the text has such: what the large picture of a head shares with the overview.
void add_text_options(const Frame& frame, std::vector<StageOption>& options);

/// The overview's search field. Units  its usual width in logical pixels; `width` in the screen's.
inline constexpr double kHeadSearchWidth = 132;
void draw_head_search(const Frame& frame, float width);

}  // namespace headroom
