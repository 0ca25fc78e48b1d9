#include <imgui.h>

#include <array>

#include "app/views/context.h"
#include "app/widgets/controls.h"

namespace headroom {

void rail_backend(const Frame& frame) {
  heading(frame.look, "BACKEND");
  // In the order of BackendChoice.
  constexpr std::array<MenuChoice, 5> choices{{
      {"rail/backend/auto", "auto", "Whatever measures faster on this machine; a software OpenGL is never picked."},
      {"rail/backend/reference", "reference", "Plain loops in double precision: slow, and what all others are checked against."},
      {"rail/backend/naive", "naive", "Stores the whole n × n matrix of scores, as textbooks draw it: the baseline."},
      {"rail/backend/flash", "flash", "Tiles with an online softmax on all cores: never stores the n × n matrix."},
      {"rail/backend/gl", "OpenGL", "Compute shaders on the GPU; the whole attention layer without reading back in between."},
  }};
  const int selected = static_cast<int>(frame.session.compute.backend);
  const auto chosen = dropdown(
      frame.look,
      {.name = "rail/backend",
       .tooltip =
           "What computes attention\nAll backends give the same numbers within a stated tolerance; they differ in time and memory.",
       .value = choices[static_cast<std::size_t>(selected)].label,
       .choices = choices,
       .selected = selected,
       .form = Dropdown::Form::kInline,
       .width = ImGui::GetContentRegionAvail().x,
       .label = "attention by"});
  if (chosen && *chosen != selected) frame.send(BackendSet{static_cast<BackendChoice>(*chosen)});
  const std::string& reason = frame.snapshot != nullptr && !frame.snapshot->backend_reason.empty() ? frame.snapshot->backend_reason
                                                                                                   : frame.model.backend_reason;
  paragraph(frame.look, reason, small_text(frame.look));
}

}  // namespace headroom
