#pragma once

#include <string_view>

#include "app/widgets/look.h"

namespace headroom {

enum class Enabled { kNo, kYes };
enum class Focusable { kNo, kYes };

/// What one rectangle that can be clicked is, before it has a look.
struct ItemSpec {
  std::string_view name = {};  ///< stable, see widget_map: "rail/kv_heads"
  float w = 0, h = 0;          ///< ImGui pixels
  std::string_view tooltip = {};
  Enabled enabled = Enabled::kYes;
  Focusable focusable = Focusable::kYes;
};

struct ItemState {
  Rect rect;  ///< ImGui's screen coordinates
  unsigned int id = 0;
  bool is_hovered = false, is_held = false, is_clicked = false, is_double_clicked = false;
  bool is_focused = false;  ///< the keyboard drives it
};

/// Places an item at the cursor: pointer, keyboard (Tab reaches it, Enter and Space click it), tooltip, widget map. Draws nothing but the
/// focus ring.
ItemState item(const Look& look, const ItemSpec& spec);

/// Tells the widget map about something that is no item() of ours.
void record_last_item(std::string_view name);
void record_rect(std::string_view name, const Rect& rect);

}  // namespace headroom
