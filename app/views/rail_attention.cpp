#include <imgui.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "app/views/context.h"
#include "app/views/loss_line.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

struct PatternName {
  PatternKind kind;
  MenuChoice choice;
};

// Hashed buckets need a bucket for every token, which no control of the rail can give.
constexpr std::array<PatternName, 5> kPatterns{{
    {PatternKind::kDense, {"rail/pattern/dense", "dense", "Every pair that the direction allows: plain attention, n² pairs."}},
    {PatternKind::kLocalWindow,
     {"rail/pattern/local", "local window", "Each token sees only its neighbours within the window: cost grows with n, not n²."}},
    {PatternKind::kStrided,
     {"rail/pattern/strided", "strided", "Neighbours and every stride-th token before (sparse transformer)."}},
    {PatternKind::kGlobalLocal,
     {"rail/pattern/global", "global + local", "A window, and a few first tokens that see all and are seen by all (Longformer)."}},
    {PatternKind::kRandomBlocks,
     {"rail/pattern/random", "random blocks", "Blocks of tokens; each keeps itself and some random others (Big Bird)."}},
}};

/// What a parameter can be: 1 to 64 tokens, or 0 to 16 of something that may be absent.
const std::vector<std::int64_t>& values_from(std::int64_t first) {
  const auto count = [](std::size_t n, std::int64_t from) {
    std::vector<std::int64_t> values(n);
    std::iota(values.begin(), values.end(), from);
    return values;
  };
  static const std::vector<std::int64_t> from_one = count(64, 1), from_zero = count(17, 0);
  return first == 1 ? from_one : from_zero;
}

/// One parameter of the pattern, a slider.
struct Parameter {
  const char* name;
  const char* label;
  const char* unit;
  const char* tooltip;
  std::int64_t MaskPattern::*member;
  std::int64_t first;
};

constexpr Parameter kWindow{"rail/window",
                            "window",
                            "tokens",
                            "How many keys back a query sees, itself included (and as many ahead when bidirectional).",
                            &MaskPattern::window,
                            1};
constexpr Parameter kStride{"rail/stride",        "stride", "tokens", "Every stride-th key is kept, and the stride nearest ones.",
                            &MaskPattern::stride, 1};
constexpr Parameter kGlobal{
    "rail/n_global",        "global", "tokens", "So many first tokens see every key and are seen by every query.",
    &MaskPattern::n_global, 0};
constexpr Parameter kBlock{
    "rail/block", "block", "tokens", "Length of a block; masks by blocks are what fast kernels can skip.", &MaskPattern::block, 1};
constexpr Parameter kPerRow{
    "rail/blocks_per_row",        "random", "blocks", "How many random blocks each query block keeps beside its own.",
    &MaskPattern::blocks_per_row, 0};
constexpr Parameter kLocal[] = {kWindow}, kStrided[] = {kStride}, kGlobalLocal[] = {kWindow, kGlobal},
                    kRandom[] = {kBlock, kPerRow};

std::span<const Parameter> parameters_of(PatternKind kind) {
  switch (kind) {
    case PatternKind::kLocalWindow:
      return kLocal;
    case PatternKind::kStrided:
      return kStrided;
    case PatternKind::kGlobalLocal:
      return kGlobalLocal;
    case PatternKind::kRandomBlocks:
      return kRandom;
    default:
      return {};
  }
}

void parameter_sliders(const Frame& frame) {
  const MaskPattern& pattern = frame.session.compute.mask.pattern;
  for (const Parameter& parameter : parameters_of(pattern.kind)) {
    const auto value = value_slider(frame.look, {.name = parameter.name,
                                                 .label = parameter.label,
                                                 .tooltip = parameter.tooltip,
                                                 .values = values_from(parameter.first),
                                                 .value = pattern.*parameter.member,
                                                 .unit = parameter.unit,
                                                 .value_width = 78});
    if (!value) continue;
    MaskPattern changed = pattern;
    changed.*parameter.member = *value;
    frame.send(PatternSet{changed}, parameter.name);
  }
  if (pattern.kind == PatternKind::kRandomBlocks) {
    if (link(frame.look, "rail/pattern_seed", "Draw other blocks",
             "Another seed for the random blocks; the same seed gives the same ones again.")) {
      MaskPattern changed = pattern;
      changed.seed += 1;
      frame.send(PatternSet{changed}, "pattern seed");
    }
  }
}

struct PairCount {
  std::int64_t visible = 0;
  bool is_exact = true;
};

/// All pairs of a sentence, or an estimate from evenly spread rows where counting them would hold up the frame.
PairCount count_pairs(const Mask& mask, std::int64_t seq) {
  constexpr std::int64_t most_pairs = 1 << 20;  // looked at in one frame
  if (is_range_mask(mask) || seq * seq <= most_pairs) return {.visible = count_visible(mask, 0, seq, seq)};
  const std::int64_t n_rows = std::max<std::int64_t>(16, most_pairs / seq);
  std::int64_t seen = 0;
  for (std::int64_t row = 0; row < n_rows; ++row) {
    const std::int64_t query = (2 * row + 1) * seq / (2 * n_rows);
    const KeyRange range = key_range(mask, 0, query, seq);
    for (std::int64_t key = range.begin; key < range.end; ++key)
      seen += is_visible(mask, 0, query, key) ? 1 : 0;
  }
  return {.visible = seen / n_rows * seq, .is_exact = false};
}

void visible_pairs(const Frame& frame) {
  UiScratch::State& state = frame.state;
  if (frame.snapshot == nullptr) return;
  const Compute& compute = frame.session.compute;
  if (compute.trained.kind == ModelKind::kEncoderDecoder && compute.stack != AttentionStack::kEncoder) {
    paragraph(frame.look,
              compute.stack == AttentionStack::kCross
                  ? "The mask is the encoder's. Here every token of the target sees the whole source."
                  : "The mask is the encoder's. Here every token of the target sees itself and those before it.",
              small_text(frame.look));
    return;
  }
  const Mask& mask = compute.mask;
  const auto seq = static_cast<std::int64_t>(frame.snapshot->seq());
  if (state.pairs_text.empty() || state.pairs_mask != mask || state.pairs_seq != seq) {
    state.pairs_mask = mask;
    state.pairs_seq = seq;
    const PairCount count = count_pairs(mask, seq);
    std::array<char, 96> text{};
    const double share = seq > 0 ? 100.0 * static_cast<double>(count.visible) / static_cast<double>(seq * seq) : 0;
    std::snprintf(text.data(), text.size(), share < 1 ? " pairs visible (%.2g %%)" : " pairs visible (%.0f %%)", share);
    state.pairs_text = (count.is_exact ? "" : "about ") + count_text(count.visible) + " of " + count_text(seq * seq) + text.data();
  }
  paragraph(frame.look, state.pairs_text, small_text(frame.look));
  const Direction own = own_direction(frame.session.compute.trained);
  const bool is_changed = mask.direction != own || mask.pattern.kind != PatternKind::kDense;
  if (!is_changed || frame.session.compute.parameters == ParameterSource::kLab) return;
  loss_line(frame, "attention");
  if (mask.direction == own) return;
  paragraph(frame.look,
            own == Direction::kCausal ? "Trained causal: here each token also sees the words that it should predict."
                                      : "Trained to read both sides: here each token sees only what came before it.",
            small_text(frame.look));
}

}  // namespace

void rail_attention(const Frame& frame) {
  heading(frame.look, "ATTENTION");
  const Mask& mask = frame.session.compute.mask;
  const bool is_causal = own_direction(frame.session.compute.trained) == Direction::kCausal;
  const std::array<MenuChoice, 2> directions{{
      {"rail/causal", "causal",
       is_causal
           ? "A token sees itself and what stands before it, as a model that writes must. The heatmap's upper triangle is masked."
           : "A token sees itself and what stands before it. This model was trained to read both sides, so its patterns change."},
      {"rail/bidirectional", "bidirectional",
       is_causal ? "A token sees the whole sentence. This model was trained causal, so its patterns change."
                 : "A token sees the whole sentence, as this model was trained."},
  }};
  if (const auto chosen = segmented(frame.look, directions, static_cast<int>(mask.direction), ImGui::GetContentRegionAvail().x)) {
    frame.send(DirectionSet{static_cast<Direction>(*chosen)});
  }
  gap(frame.look, 4);
  std::array<MenuChoice, kPatterns.size()> choices;
  int selected = -1;
  for (std::size_t i = 0; i < kPatterns.size(); ++i) {
    choices[i] = kPatterns[i].choice;
    if (kPatterns[i].kind == mask.pattern.kind) selected = static_cast<int>(i);
  }
  const auto pattern = dropdown(
      frame.look,
      {.name = "rail/pattern",
       .tooltip = "Which pairs are computed at all\nSparse patterns skip pairs to save time and memory; the heatmaps show what "
                  "the heads lose by it.",
       .value = selected < 0 ? std::string_view("hashed buckets") : choices[static_cast<std::size_t>(selected)].label,
       .choices = choices,
       .selected = selected,
       .form = Dropdown::Form::kInline,
       .width = ImGui::GetContentRegionAvail().x,
       .label = "pattern"});
  if (pattern && *pattern != selected) {
    MaskPattern changed = mask.pattern;
    changed.kind = kPatterns[static_cast<std::size_t>(*pattern)].kind;
    changed.query_bucket.clear();
    changed.key_bucket.clear();
    frame.send(PatternSet{changed});
  }
  parameter_sliders(frame);
  gap(frame.look, 2);
  visible_pairs(frame);
}

}  // namespace headroom
