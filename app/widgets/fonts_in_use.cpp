#include <imgui.h>

#include <algorithm>
#include <cmath>

#include "app/widgets/look.h"

namespace headroom {

ImFont* face_font(FontFace face, double size) {
  (void)size;
  const ImVector<ImFont*>& fonts = ImGui::GetIO().Fonts->Fonts;
  const int index = static_cast<int>(face);
  return index < fonts.Size ? fonts[index] : ImGui::GetFont();
}

FontScope::FontScope(FontFace face, double size) {
  ImFont* font = face_font(face, size);
#if IMGUI_VERSION_NUM >= 19200
  ImGui::PushFont(font, 0.0f);
#else
  ImGui::PushFont(font);
#endif
}

FontScope::~FontScope() { ImGui::PopFont(); }

}  // namespace headroom
