#include "app/views/stage_options.h"

#include <imgui.h>

#include <array>
#include <vector>

#include "app/views/option_rows.h"
#include "app/views/stage_option.h"
#include "app/widgets/controls.h"

namespace headroom {
namespace {

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
std::vector<StageOption> options_of(const Frame& frame) {
  const View& view = frame.session.view;
  const StageOption scale{
      "stage/scale",
      "scale:",
      "How values become colours\nThe first token often takes the whole scale; log and per row bring out the rest (key l).",
      kScales,
      static_cast<int>(view.scale),
      [](const View&, int i) -> Action { return ColorScaleSet{static_cast<ColorScale>(i)}; }};
  const StageOption first{
      "stage/first",
      "first:",
      "Most heads rest on the first token when they find nothing: a sink. Leave it out to see the rest (key f).",
      kFirst,
      static_cast<int>(view.first_token),
      [](const View&, int i) -> Action { return FirstTokenSet{static_cast<FirstToken>(i)}; }};
  const StageOption quantity{"stage/quantity",
                             "show:",
                             "Before or after softmax\nScores are scaled q·k, probabilities are what weighs the values (key s).",
                             kQuantities,
                             static_cast<int>(view.quantity),
                             [](const View&, int i) -> Action { return QuantitySet{static_cast<Quantity>(i)}; }};
  const StageOption drawing{"stage/drawing",
                            "as:",
                            "Heatmap or arcs (key a).",
                            kDrawings,
                            static_cast<int>(view.drawing),
                            [](const View&, int i) -> Action { return HeadDrawingSet{static_cast<HeadDrawing>(i)}; }};
  const StageOption pooling{"stage/pooling",
                            "pool:",
                            "What a cell shows when it covers many pairs.",
                            kPoolings,
                            static_cast<int>(view.pooling),
                            [](const View&, int i) -> Action { return PoolingSet{static_cast<Pooling>(i)}; }};
  const StageOption map{"stage/colormap",
                        "colours:",
                        "The colour map of probabilities.",
                        kMaps,
                        static_cast<int>(view.colormap),
                        [](const View&, int i) -> Action { return ColorMapSet{static_cast<ColorMapName>(i)}; }};
  constexpr std::size_t small_enough = 64;  // below, every cell has pixels of its own and pooling changes nothing
  const bool pools = frame.snapshot != nullptr && frame.snapshot->seq() > small_enough;
  std::vector<StageOption> options;
  if (view.stage == StageView::kHeads) {
    options = heads_options(frame);
    options.insert(options.end(), {scale, first, map});
  } else if (view.stage == StageView::kHead) {
    options = view.drawing == HeadDrawing::kArcs ? std::vector<StageOption>{drawing}
                                                 : std::vector<StageOption>{drawing, quantity, scale, first, map};
    add_text_options(frame, options);
  }
  if (view.stage == StageView::kTrain) return {map};
  if (pools && !options.empty() && view.drawing == HeadDrawing::kHeatmap) options.push_back(pooling);
  return options;
}

float width_of(const Frame& frame, const StageOption& option) {
  return inline_dropdown_width(frame.look, option.label, option.choices[static_cast<std::size_t>(option.selected)].label);
}

}  // namespace

float draw_stage_options(const Frame& frame, const OptionsPlace& place) {
  const Look& look = frame.look;
  const std::vector<StageOption> options = options_of(frame);
  if (options.empty()) return 0;
  const bool has_search = frame.session.view.stage == StageView::kHeads;
  std::vector<float> widths;
  if (has_search) widths.push_back(look.px(kHeadSearchWidth));
  for (const StageOption& option : options)
    widths.push_back(width_of(frame, option));
  const float left = ImGui::GetWindowPos().x + look.px(16), row = look.px(24);
  const OptionSpaces spaces{.wide = look.px(14), .tight = look.px(8), .give = has_search ? look.px(kHeadSearchWidth - 100) : 0};
  const float all = row_width(widths, spaces.wide);
  const bool fits = place.tabs_end + all + spaces.wide < place.right;
  const OptionRows rows = fits ? OptionRows{.space = spaces.wide} : rows_for(widths, place.right - left, spaces);
  widths.front() -= rows.less;
  float x = fits ? place.right - all : left;
  float y = fits ? place.top + (place.height - look.px(22)) / 2 : place.top + place.height + look.px(3);
  float used = fits ? 0 : look.px(3) + row;
  std::size_t n_placed = 0;
  const auto place_item = [&] {
    const float width = widths[n_placed];
    if (!fits && x > left && (n_placed == rows.second || x + width > place.right)) {
      x = left;
      y += row;
      used += row;
    }
    ImGui::SetCursorScreenPos(ImVec2(x, y));
    x += width + rows.space;
    ++n_placed;
  };
  if (has_search) {
    place_item();
    draw_head_search(frame, widths.front());
  }
  for (const StageOption& option : options) {
    place_item();
    const auto chosen = dropdown(look, {.name = option.name,
                                        .tooltip = option.tooltip,
                                        .value = option.choices[static_cast<std::size_t>(option.selected)].label,
                                        .choices = option.choices,
                                        .selected = option.selected,
                                        .form = Dropdown::Form::kInline,
                                        .label = option.label});
    if (chosen && *chosen != option.selected) frame.send(option.action(frame.session.view, *chosen));
  }
  return fits ? 0 : used + look.px(3);
}

}  // namespace headroom
