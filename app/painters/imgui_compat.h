#pragma once

#include <imgui.h>

#include <cstdint>

#include "core/figure/color.h"

namespace headroom {

// Where the versions of ImGui that we build with (1.86 to 1.91) differ.

/// Since 1.91.4 an integer, before it a pointer.
template <class Id = ImTextureID>
Id texture_id(unsigned int name) {
  if constexpr (std::is_pointer_v<Id>) {
    return reinterpret_cast<Id>(static_cast<std::uintptr_t>(name));
  } else {
    return static_cast<Id>(name);
  }
}

inline ImU32 packed(Color color) { return IM_COL32(color.r, color.g, color.b, color.a); }
inline ImU32 packed(Color color, double opacity) {
  return IM_COL32(color.r, color.g, color.b, static_cast<int>(color.a * opacity + 0.5));
}

}  // namespace headroom
