#include <imgui.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "app/views/stage_option.h"
#include "app/views/state.h"
#include "app/widgets/input.h"
#include "core/figure/token_part.h"

namespace headroom {
namespace {

constexpr std::array<MenuChoice, 6> kSorts{{
    {"stage/sort/layer", "layer", "In the model's order: a row a layer."},
    {"stage/sort/entropy", "entropy", "The sharpest heads first: mean entropy of their rows, in nats."},
    {"stage/sort/previous", "previous token", "By how much each token looks at the one before."},
    {"stage/sort/first", "first token", "By how much rests on the first token."},
    {"stage/sort/self", "self", "By how much each token looks at itself."},
    {"stage/sort/broadcast", "broadcast", "By how much one and the same key draws all queries."},
}};
constexpr std::array<MenuChoice, 6> kFilters{{
    {"stage/named/any", "all", "Every head of the model."},
    {"stage/named/named", "with a pattern", "Heads that some pattern names: its score on this sentence reaches the threshold."},
    {"stage/named/previous", "previous token", "Heads that the pattern “previous token” names on this sentence."},
    {"stage/named/first", "first token", "Heads that rest on the first token."},
    {"stage/named/self", "self", "Heads whose tokens look at themselves."},
    {"stage/named/broadcast", "broadcast", "Heads in which one key draws all queries."},
}};
constexpr std::array<MenuChoice, 2> kGroups{{
    {"stage/group/layers", "none", "Heads as they are sorted, without headings."},
    {"stage/group/patterns", "by pattern", "A group for each pattern that names heads on this sentence, and one for the rest."},
}};
constexpr std::array<MenuChoice, 7> kTogether{{
    {"stage/together/each", "each head", "A picture for each head."},
    {"stage/together/layer_mean", "mean of a layer", "One picture a layer: the mean probability of its heads."},
    {"stage/together/layer_max", "max of a layer", "One picture a layer: the largest probability of its heads."},
    {"stage/together/number_mean", "mean over layers", "One picture for each head number: the mean over the layers."},
    {"stage/together/number_max", "max over layers", "One picture for each head number: the largest over the layers."},
    {"stage/together/all_mean", "mean of all", "One picture: the mean of every shown head."},
    {"stage/together/all_max", "max of all", "One picture: the largest of every shown head."},
}};
constexpr std::array<MenuChoice, 2> kSpecial{{
    {"stage/special/shown", "shown", "Special tokens have rows and columns as all others."},
    {"stage/special/hidden", "hidden", "Rows and columns of special tokens are left away; what the others give them is not seen."},
}};
constexpr std::array<MenuChoice, 5> kParts{{
    {"stage/pair/all", "A and B", "Both sentences on both axes."},
    {"stage/pair/a_to_a", "A → A", "Queries and keys of the first sentence."},
    {"stage/pair/a_to_b", "A → B", "How the first sentence looks at the second."},
    {"stage/pair/b_to_a", "B → A", "How the second sentence looks at the first."},
    {"stage/pair/b_to_b", "B → B", "Queries and keys of the second sentence."},
}};

int filter_index(const View& view) {
  if (view.named != View::Named::kPattern) return static_cast<int>(view.named);
  return 2 + static_cast<int>(view.pattern);
}
Action filter_action(const View& view, int choice) {
  if (choice < 2) return HeadFilterSet{static_cast<View::Named>(choice), view.pattern};
  return HeadFilterSet{View::Named::kPattern, static_cast<HeadPattern>(choice - 2)};
}

int together_index(const View& view) {
  if (view.together == HeadsTogether::kEach) return 0;
  return 2 * static_cast<int>(view.together) - 1 + (view.together_by == Pooling::kMax ? 1 : 0);
}
Action together_action(const View& view, int choice) {
  if (choice == 0) return HeadsTogetherSet{HeadsTogether::kEach, view.together_by};
  return HeadsTogetherSet{static_cast<HeadsTogether>((choice + 1) / 2), choice % 2 == 0 ? Pooling::kMax : Pooling::kMean};
}

constexpr const char* kSearchHelp =
    "Find heads\nL3, L3-5, H0 and 3.5 name layers and heads; previous, first, self, broadcast the pattern that names a head; "
    "unnamed, "
    "pruned; previous>0.4 and entropy<0.2 a score. Several words must all fit. Esc clears it.";

}  // namespace

std::vector<StageOption> heads_options(const Frame& frame) {
  const View& view = frame.session.view;
  std::vector<StageOption> options{
      {"stage/sort", "sort:", "Order of the heads\nIn layer order, or by a pattern measured on this sentence.", kSorts,
       static_cast<int>(view.sort), [](const View&, int i) -> Action { return HeadSortSet{static_cast<HeadSort>(i)}; }},
      {"stage/named", "heads:", "Which heads are shown\nA pattern names a head by its score on this very sentence.", kFilters,
       filter_index(view), filter_action},
      {"stage/group", "groups:", "Heads that do the same, together\nPatterns are measured on this sentence.", kGroups,
       static_cast<int>(view.group), [](const View&, int i) -> Action { return HeadGroupSet{static_cast<HeadGroup>(i)}; }},
      {"stage/together", "as:", "One picture a head, or heads joined into one picture, pair by pair.", kTogether,
       together_index(view), together_action}};
  add_text_options(frame, options);
  return options;
}

void add_text_options(const Frame& frame, std::vector<StageOption>& options) {
  const View& view = frame.session.view;
  if (frame.snapshot == nullptr) return;
  if (has_special_tokens(*frame.snapshot)) {
    options.push_back({"stage/special", "special:",
                       "Special tokens, such as [CLS], [SEP] and <bos>\nMany heads rest on them when they find nothing.", kSpecial,
                       static_cast<int>(view.special_tokens),
                       [](const View&, int i) -> Action { return SpecialCellsSet{static_cast<SpecialCells>(i)}; }});
  }
  if (is_pair(*frame.snapshot)) {
    options.push_back({"stage/pair", "pair:", "Which sentence looks at which\nRows are queries, columns keys.", kParts,
                       static_cast<int>(view.pair_part),
                       [](const View&, int i) -> Action { return PairPartSet{static_cast<PairPart>(i)}; }});
  }
}

void draw_head_search(const Frame& frame, float width) {
  const Look& look = frame.look;
  std::array<char, 200>& text = frame.state.head_search;
  const std::string& asked = frame.session.view.head_search;
  if (!frame.state.edits_head_search && asked != text.data()) {
    text.fill('\0');
    std::copy_n(asked.data(), std::min(asked.size(), text.size() - 1), text.data());
  }
  ImGui::PushStyleVar(ImGuiStyleVar_FramePadding, ImVec2(look.px(8), (look.px(22) - ImGui::GetFontSize()) / 2));
  ImGui::SetNextItemWidth(width);
  ImGui::InputTextWithHint("##head search", "Find heads…", text.data(), text.size());
  ImGui::PopStyleVar();
  frame.state.edits_head_search = ImGui::IsItemActive();
  const bool was_left = ImGui::IsItemDeactivated();
  tooltip(look, kSearchHelp);
  record_last_item("stage/search");
  if (was_left && pressed(Key::kEscape)) text.fill('\0');
  if (asked != text.data()) frame.send(HeadSearchSet{text.data()}, "head search");
}

}  // namespace headroom
