#include <imgui.h>

#include "app/views/card.h"
#include "app/views/context.h"
#include "app/views/cost.h"
#include "app/views/decode.h"
#include "app/views/train.h"

namespace headroom {

void draw_rail(const Frame& frame) {
  if (frame.session.view.stage == StageView::kTrain) {
    draw_train_rail(frame);
    return;
  }
  if (frame.session.view.stage == StageView::kCard) {
    draw_card_rail(frame);
    return;
  }
  if (frame.session.view.stage == StageView::kDecode) {
    draw_decode_rail(frame);
    return;
  }
  if (frame.session.view.stage == StageView::kCost) {
    draw_cost_rail(frame);
    return;
  }
  if (frame.session.compute.model_source == ModelSource::kCapture) {
    draw_capture_rail(frame);
    return;
  }
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
