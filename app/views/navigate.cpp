#include "app/views/navigate.h"

#include <algorithm>

#include "app/views/decode.h"
#include "app/views/train.h"
#include "core/figure/head_window.h"

namespace headroom {
namespace {

/// A zoomed picture goes along with what is chosen in it.
void follow(const Frame& frame, std::int64_t query, std::optional<std::int64_t> key) {
  if (frame.session.view.stage != StageView::kHead) return;
  if (const auto moved = bringing_into_view(frame.session.view, HeadSize(*frame.snapshot), query, key)) frame.send(*moved, "move");
}

}  // namespace

void move_selection(const Frame& frame, int down, int right) {
  const View& view = frame.session.view;
  if (view.stage == StageView::kDecode) {
    if (right != 0) step_decoding(frame, right);
    return;
  }
  if (view.stage == StageView::kTrain) {
    if (right != 0) step_in_time(frame, right);
    if (down != 0) step_through_heads(frame, down);
    return;
  }
  if (!is_about_heads(view.stage)) return;  // no head or token is looked at there
  const Compute& compute = frame.session.compute;
  if (view.stage == StageView::kHeads) {
    if (!view.head) {
      frame.send(HeadSelected{HeadRef{0, 0}}, "move");
      return;
    }
    const std::int64_t layer = std::clamp<std::int64_t>(view.head->layer + down, 0, layers_of(compute.trained, compute.stack) - 1);
    const std::int64_t head = std::clamp<std::int64_t>(view.head->head + right, 0, compute.n_heads - 1);
    if (HeadRef{layer, head} != *view.head) frame.send(HeadSelected{HeadRef{layer, head}}, "move");
    return;
  }
  if (frame.snapshot == nullptr || frame.snapshot->seq() == 0) return;
  const auto last = static_cast<std::int64_t>(frame.snapshot->seq()) - 1;
  if (view.stage == StageView::kToken || !view.key) {
    // Only a row is chosen: both directions walk along the sentence.
    const std::int64_t query = std::clamp<std::int64_t>(view.query.value_or(last) + (view.query ? down + right : 0), 0, last);
    frame.send(QuerySelected{query}, "move");
    follow(frame, query, std::nullopt);
    return;
  }
  const std::int64_t query = std::clamp<std::int64_t>(view.query.value_or(0) + down, 0, last);
  const std::int64_t key = std::clamp<std::int64_t>(*view.key + right, 0, std::ssize(frame.snapshot->keys()) - 1);
  frame.send(CellSelected{query, key}, "move");
  follow(frame, query, key);
}

void step_closer(const Frame& frame) {
  const View& view = frame.session.view;
  if (view.stage == StageView::kTrain) {
    frame.send(TrainHeadOpened{frame.session.train_view.head.value_or(HeadRef{0, 0})});
    return;
  }
  if (view.stage == StageView::kDecode) start_decode_section(frame);
  if (!is_about_heads(view.stage)) return;
  if (view.stage != StageView::kHead) {
    frame.send(HeadOpened{view.head.value_or(HeadRef{0, 0})});
    return;
  }
  if (frame.snapshot == nullptr || frame.snapshot->seq() == 0) return;
  const auto last = static_cast<std::int64_t>(frame.snapshot->seq()) - 1;
  if (!view.query) {
    frame.send(QuerySelected{last});
  } else if (!view.key) {
    frame.send(CellSelected{*view.query, std::min(*view.query, std::ssize(frame.snapshot->keys()) - 1)});
  }
}

}  // namespace headroom
