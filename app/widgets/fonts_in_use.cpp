#include <imgui.h>

#include "app/painters/imgui_painter.h"
#include "app/widgets/look.h"

namespace headroom {

ImFont* face_font(FontFace face, double size) { return imgui_font(face, size); }

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
