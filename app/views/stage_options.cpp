#include "app/views/stage_options.h"

#include <imgui.h>

#include <array>
#include <span>
#include <vector>

#include "app/widgets/controls.h"

namespace headroom {
namespace {

struct Option {
  const char* name;
  const char* label;
  const char* tooltip;
  std::span<const MenuChoice> choices;
  int selected;
  Action (*action)(int);
};

constexpr std::array<MenuChoice, 6> kSorts{{
    {"stage/sort/layer", "layer", "In the model's order: a row a layer."},
    {"stage/sort/entropy", "entropy", "The sharpest heads first: mean entropy of their rows, in nats."},
    {"stage/sort/previous", "previous token", "By how much each token looks at the one before."},
    {"stage/sort/first", "first token", "By how much rests on the first token."},
    {"stage/sort/self", "self", "By how much each token looks at itself."},
    {"stage/sort/broadcast", "broadcast", "By how much one and the same key draws all queries."},
}};
constexpr std::array<MenuChoice, 3> kScales{{
    {"stage/scale/linear", "linear", "Colour grows with the value."},
    {"stage/scale/log", "log", "Colour grows with the logarithm: small values are seen too."},
    {"stage/scale/row", "per row", "Each row's largest value gets the brightest colour."},
}};
constexpr std::array<MenuChoice, 2> kFirst{{
    {"stage/first/shown", "shown", "The first token's column as it is."},
    {"stage/first/left_out", "left out", "The first token's column is left out and the rest gets the colours."},
}};
constexpr std::array<MenuChoice, 2> kQuantities{{
    {"stage/quantity/probs", "probabilities", "After softmax: each row sums to 1."},
    {"stage/quantity/scores", "scores", "Before softmax: q·k / √d_k, any sign."},
}};
constexpr std::array<MenuChoice, 2> kPoolings{{
    {"stage/pooling/max", "max", "A pixel that covers many pairs shows the largest."},
    {"stage/pooling/mean", "mean", "A pixel that covers many pairs shows their mean."},
}};
constexpr std::array<MenuChoice, 4> kMaps{{
    {"stage/colormap/viridis", "viridis", "Even to the eye, and readable for most colour-blind people."},
    {"stage/colormap/magma", "magma", "Even to the eye, from black through red to light yellow."},
    {"stage/colormap/cividis", "cividis", "Made for colour-blind readers: blue to yellow."},
    {"stage/colormap/grey", "grey", "For print."},
}};
constexpr std::array<MenuChoice, 2> kDrawings{{
    {"stage/drawing/heatmap", "heatmap", "A cell for each pair."},
    {"stage/drawing/arcs", "arcs", "Lines from each query to its keys; opacity is the probability."},
}};

/// The options that change what this view shows, the most wanted first.
std::vector<Option> options_of(const Frame& frame) {
  const View& view = frame.session.view;
  const Option sort{"stage/sort",
                    "sort:",
                    "Order of the heads\nIn layer order, or by a pattern measured on this sentence.",
                    kSorts,
                    static_cast<int>(view.sort),
                    [](int i) -> Action { return HeadSortSet{static_cast<HeadSort>(i)}; }};
  const Option scale{
      "stage/scale",
      "scale:",
      "How values become colours\nThe first token often takes the whole scale; log and per row bring out the rest (key l).",
      kScales,
      static_cast<int>(view.scale),
      [](int i) -> Action { return ColorScaleSet{static_cast<ColorScale>(i)}; }};
  const Option first{"stage/first",
                     "first token:",
                     "Most heads rest on the first token when they find nothing: a sink. Leave it out to see the rest (key f).",
                     kFirst,
                     static_cast<int>(view.first_token),
                     [](int i) -> Action { return FirstTokenSet{static_cast<FirstToken>(i)}; }};
  const Option quantity{"stage/quantity",
                        "show:",
                        "Before or after softmax\nScores are scaled q·k, probabilities are what weighs the values (key s).",
                        kQuantities,
                        static_cast<int>(view.quantity),
                        [](int i) -> Action { return QuantitySet{static_cast<Quantity>(i)}; }};
  const Option drawing{
      "stage/drawing", "as:", "Heatmap or arcs (key a).", kDrawings, static_cast<int>(view.drawing), [](int i) -> Action {
        return HeadDrawingSet{static_cast<HeadDrawing>(i)};
      }};
  const Option pooling{"stage/pooling",
                       "pool:",
                       "What a cell shows when it covers many pairs.",
                       kPoolings,
                       static_cast<int>(view.pooling),
                       [](int i) -> Action { return PoolingSet{static_cast<Pooling>(i)}; }};
  const Option map{"stage/colormap",
                   "colours:",
                   "The colour map of probabilities.",
                   kMaps,
                   static_cast<int>(view.colormap),
                   [](int i) -> Action { return ColorMapSet{static_cast<ColorMapName>(i)}; }};
  constexpr std::size_t small_enough = 64;  // below, every cell has pixels of its own and pooling changes nothing
  const bool pools = frame.snapshot != nullptr && frame.snapshot->seq() > small_enough;
  std::vector<Option> options;
  if (view.stage == StageView::kHeads) {
    options = {sort, scale, first, map};
  } else if (view.stage == StageView::kHead) {
    options = view.drawing == HeadDrawing::kArcs ? std::vector<Option>{drawing}
                                                 : std::vector<Option>{drawing, quantity, scale, first, map};
  }
  if (view.stage == StageView::kTrain) return {map};
  if (pools && !options.empty() && view.drawing == HeadDrawing::kHeatmap) options.push_back(pooling);
  return options;
}

float width_of(const Frame& frame, const Option& option) {
  return inline_dropdown_width(frame.look, option.label, option.choices[static_cast<std::size_t>(option.selected)].label);
}

}  // namespace

float draw_stage_options(const Frame& frame, const OptionsPlace& place) {
  const Look& look = frame.look;
  const std::vector<Option> options = options_of(frame);
  if (options.empty()) return 0;
  const float space = look.px(14);
  float all = 0;
  for (const Option& option : options)
    all += width_of(frame, option) + space;
  const bool fits = place.tabs_end + all < place.right;
  const float left = ImGui::GetWindowPos().x + look.px(16), row = look.px(24);
  float x = fits ? place.right - all + space : left;
  float y = fits ? place.top + (place.height - look.px(22)) / 2 : place.top + place.height;
  float used = fits ? 0 : row;
  for (const Option& option : options) {
    const float width = width_of(frame, option);
    if (!fits && x > left && x + width > place.right) {
      x = left;
      y += row;
      used += row;
    }
    ImGui::SetCursorScreenPos(ImVec2(x, y));
    const auto chosen = dropdown(look, {.name = option.name,
                                        .tooltip = option.tooltip,
                                        .value = option.choices[static_cast<std::size_t>(option.selected)].label,
                                        .choices = option.choices,
                                        .selected = option.selected,
                                        .form = Dropdown::Form::kInline,
                                        .label = option.label});
    if (chosen && *chosen != option.selected) frame.send(option.action(*chosen));
    x += width + space;
  }
  return fits ? 0 : used + look.px(4);
}

}  // namespace headroom
