#include <imgui.h>

#include "app/views/context.h"

namespace headroom {

void draw_rail(const Frame& frame) {
  rail_sentence(frame);
  rule(frame.look);
  rail_model(frame);
  rule(frame.look);
  rail_shape(frame);
  rule(frame.look);
  rail_attention(frame);
  rule(frame.look);
  rail_pruning(frame);
  rule(frame.look);
  rail_backend(frame);
  gap(frame.look, 8);
}

}  // namespace headroom
