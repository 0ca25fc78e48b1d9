#include <algorithm>
#include <cmath>

#include "core/figure/train_panels.h"

namespace headroom {
namespace {

constexpr double kMargin = kTrainMargin, kGap = 14;
constexpr double kTimeline = 74;

/// What is shown is the model in training: the snapshot of the other stages says nothing about it.
Figure without_snapshot(Figure figure) {
  figure.snapshot = nullptr;
  return figure;
}

using DrawPart = void (*)(Canvas&, const Rect&, const TrainInput&);

Figure part_figure(const FigureInput& input, const TrainInput& train, DrawPart draw, const char* title) {
  Canvas canvas(input, title);
  const double above = std::min(kMargin, std::floor(input.size.h / 16));
  const Rect area{kMargin, above, input.size.w - 2 * kMargin, input.size.h - 2 * above};
  if (area.w >= 64 && area.h >= 24) draw(canvas, area, train);
  return without_snapshot(canvas.take());
}

bool shows_one(const FigureInput& input) { return input.session.train_view.heads == TrainHeads::kOne; }

}  // namespace

TrainLayout lay_out_train(Size size, double most_for_heads) {
  TrainLayout layout;
  const double w = size.w - 2 * kMargin, h = size.h - 2 * kMargin;
  if (w < 160 || h < 120) {
    layout.heads = {kMargin, kMargin, std::max(0.0, w), std::max(0.0, h)};
    return layout;
  }
  // The heads are what one looks at: they get most, the curves as much as they need to be read, and what is too little is left out.
  const double timeline = h >= 260 ? kTimeline : 0, rest = h - (timeline > 0 ? timeline + kGap : 0);
  double roles = rest >= 330 ? std::floor(std::clamp(rest * 0.31, 130.0, 300.0)) : 0;
  double loss = rest >= 420 ? std::floor(std::clamp(rest * 0.2, 96.0, 200.0)) : 0;
  // What the heads cannot use makes the curves higher.
  const double spare = rest - roles - loss - (roles > 0 ? kGap : 0) - (loss > 0 ? kGap : 0) - most_for_heads;
  if (spare > 0 && loss > 0) {
    loss += std::floor(0.35 * spare);
    roles += std::floor(0.65 * spare);
  }
  double y = kMargin;
  const auto take = [&](double height) {
    const Rect rect{kMargin, y, w, height};
    if (height > 0) y += height + kGap;
    return height > 0 ? rect : Rect{};
  };
  layout.loss = take(loss);
  layout.roles = take(roles);
  layout.timeline = take(timeline);
  layout.heads = take(kMargin + h - y);
  return layout;
}

Figure train_figure(const FigureInput& input, const TrainInput& train) {
  Canvas canvas(input, "Training: loss, roles and every head");
  TrainLayout layout = lay_out_train(input.size);
  if (!shows_one(input) && layout.heads.w >= 64 && layout.heads.h >= 24)
    layout = lay_out_train(input.size, train_heads_height(canvas, layout.heads, train));
  const auto part = [&](const Rect& area, DrawPart draw) {
    if (area.w >= 64 && area.h >= 24) draw(canvas, area, train);
  };
  part(layout.loss, draw_train_loss);
  part(layout.roles, draw_train_roles);
  part(layout.timeline, draw_train_timeline);
  part(layout.heads, shows_one(input) ? draw_train_head : draw_train_heads);
  return without_snapshot(canvas.take());
}

Figure train_loss_figure(const FigureInput& input, const TrainInput& train) {
  return part_figure(input, train, draw_train_loss, "Loss over tokens seen in training");
}
Figure train_roles_figure(const FigureInput& input, const TrainInput& train) {
  return part_figure(input, train, draw_train_roles, "Roles of the heads over tokens seen in training");
}
Figure train_timeline_figure(const FigureInput& input, const TrainInput& train) {
  return part_figure(input, train, draw_train_timeline, "Time line of the training run");
}
Figure train_heads_figure(const FigureInput& input, const TrainInput& train) {
  return part_figure(input, train, draw_train_heads, "Every head on the watched sentence");
}
Figure train_head_figure(const FigureInput& input, const TrainInput& train) {
  return part_figure(input, train, draw_train_head, "The chosen head on the watched sentence");
}

}  // namespace headroom
