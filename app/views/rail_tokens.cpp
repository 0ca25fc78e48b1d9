#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>
#include <string>

#include "app/views/context.h"
#include "app/views/find_token.h"
#include "app/views/flow.h"
#include "app/views/text_selection.h"
#include "app/views/token_text.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

/// More chips than one reads: a longer text has a list.
constexpr std::size_t kMaxChips = 36;
constexpr int kListRows = 9;
constexpr double kRowHeight = 20;  // logical pixels

std::string token_tip(const Snapshot& snapshot, std::size_t index) {
  const Token& token = snapshot.tokens[index];
  std::string tip =
      "Token " + count_text(static_cast<std::int64_t>(index)) + ", “" + token_line(token, FontFace::kSans, 60) + "”\n";
  if (token.is_unknown) {
    tip += "The model does not know this word: it reads <unk> (id " + std::to_string(token.id) + ") in its place.";
  } else {
    const std::size_t text = snapshot.target.empty() ? snapshot.tokens.size() : snapshot.target.size();
    const bool is_written = snapshot.tokens.size() == text && index + snapshot.n_written >= text;
    tip += "Id " + std::to_string(token.id) + " in the vocabulary. " + (token.part == 1 ? "Of the second sentence. " : "") +
           (is_written         ? "Written by the model. Click to choose its row: what this token looks at."
            : token.is_special ? "Added by the tokenizer, not typed. Click to choose its row."
                               : "Click to choose its row: what this token looks at.");
  }
  return tip;
}

void token_chips(const Frame& frame, const Snapshot& snapshot) {
  const Theme& theme = frame.theme;
  Flow flow(frame.look, 4, 24);
  for (std::size_t i = 0; i < snapshot.seq(); ++i) {
    const Token& token = snapshot.tokens[i];
    const std::string label = token_line(token, FontFace::kMono);
    const bool is_chosen = frame.session.view.query == static_cast<std::int64_t>(i);
    Chip spec{
        .name = {}, .label = label, .tooltip = {}, .fill = theme.raised, .text = theme.text, .border = {}, .face = FontFace::kMono};
    if (token.is_special) spec.text = theme.text_dim;
    if (token.is_unknown) {
      spec.fill = theme.warning_panel;
      spec.text = theme.warning;
      spec.border = theme.warning_border;
    }
    const auto index = static_cast<std::int64_t>(i);
    if (is_found_token(frame, index) || is_selected_in_text(frame, index)) spec.border = theme.accent;
    if (is_chosen) {
      spec.fill = mix(theme.raised, theme.accent, 0.35);
      spec.text = theme.text;
    }
    const std::string name = "rail/token " + std::to_string(i);
    spec.name = name;
    flow.place(std::min(chip_width(frame.look, label, FontFace::kMono), ImGui::GetContentRegionAvail().x));
    const ItemState state = chip(frame.look, spec);
    if (state.is_hovered) tooltip_now(frame.look, token_tip(snapshot, i));
    if (state.is_clicked) frame.send(QuerySelected{static_cast<std::int64_t>(i)});
  }
  flow.end();
}

/// "17  ␣cat  unknown": index, text, what is special about it.
void token_row(const Frame& frame, const Snapshot& snapshot, std::size_t index, float index_width) {
  const Look& look = frame.look;
  const Theme& theme = frame.theme;
  const Token& token = snapshot.tokens[index];
  const auto at_token = static_cast<std::int64_t>(index);
  const float width = ImGui::GetContentRegionAvail().x, height = look.px(kRowHeight);
  const std::string name = "rail/token " + std::to_string(index);
  const ItemState state = item(look, {.name = name, .w = width, .h = height, .focusable = Focusable::kNo});
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const bool is_chosen = frame.session.view.query == at_token;
  if (is_chosen || state.is_hovered)
    fill_rect(list, state.rect, is_chosen ? mix(theme.raised, theme.accent, 0.35) : theme.raised, look.px(3));
  if (is_found_token(frame, at_token))
    fill_rect(list, {state.rect.x, state.rect.y + look.px(3), look.px(3), height - look.px(6)}, theme.accent, look.px(1.5));
  TextStyle style = number_text(look);
  style.color = is_chosen ? theme.text : theme.text_faint;
  const std::string number = count_text(at_token);
  const double top = state.rect.y + (height - line_px(look, style)) / 2;
  const float left = look.px(8) + index_width;
  draw_text(look, list, {state.rect.x + left - text_extent(look, number, style).w, top}, number, style);
  const char* mark = token.is_unknown ? "unknown" : token.is_special ? "added" : "";
  TextStyle mark_style = small_text(look);
  if (token.is_unknown) mark_style.color = theme.warning;
  const float mark_width = *mark == '\0' ? 0 : text_extent(look, mark, mark_style).w + look.px(12);
  style.color = token.is_unknown ? theme.warning : token.is_special ? theme.text_dim : theme.text;
  draw_text_fitted(look, list, {state.rect.x + left + look.px(10), top}, token_line(token, FontFace::kMono), style,
                   width - left - look.px(14) - mark_width);
  if (mark_width > 0)
    draw_text(look, list, {state.rect.x + width - mark_width + look.px(4), state.rect.y + (height - line_px(look, mark_style)) / 2},
              mark, mark_style);
  if (state.is_hovered) tooltip_now(look, token_tip(snapshot, index));
  if (state.is_clicked) frame.send(QuerySelected{at_token});
}

/// Only the rows that are seen are built.
void token_list(const Frame& frame, const Snapshot& snapshot) {
  const Look& look = frame.look;
  const float row = look.px(kRowHeight), height = row * kListRows;
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float width = ImGui::GetContentRegionAvail().x;
  ImDrawList& list = *ImGui::GetWindowDrawList();
  fill_rect(list, {at.x, at.y, width, height}, frame.theme.window, look.px(6));
  stroke_rect(list, {at.x, at.y, width, height}, frame.theme.border, look.px(6));
  ImGui::PushStyleVar(ImGuiStyleVar_ScrollbarSize, look.px(10));
  ImGui::PushStyleColor(ImGuiCol_ChildBg, 0);
  ImGui::BeginChild("##tokens", ImVec2(width, height), 0, ImGuiWindowFlags_NoNavInputs);
  const std::optional<std::int64_t> chosen = frame.session.view.query;
  UiScratch::State& state = frame.state;
  if (chosen && state.listed_query != chosen) {
    // A newly chosen token comes into the list's middle, unless it is seen already.
    const float y = static_cast<float>(*chosen) * row;
    if (y < ImGui::GetScrollY() || y + row > ImGui::GetScrollY() + height)
      ImGui::SetScrollY(std::max(0.0f, y - std::floor((height - row) / 2)));
  }
  state.listed_query = chosen;
  const float index_width = text_extent(look, count_text(static_cast<std::int64_t>(snapshot.seq()) - 1), number_text(look)).w;
  ImGuiListClipper clipper;
  clipper.Begin(static_cast<int>(snapshot.seq()), row);
  while (clipper.Step()) {
    for (int i = clipper.DisplayStart; i < clipper.DisplayEnd; ++i)
      token_row(frame, snapshot, static_cast<std::size_t>(i), index_width);
  }
  clipper.End();
  ImGui::EndChild();
  record_last_item("rail/tokens");
  ImGui::PopStyleColor();
  ImGui::PopStyleVar();
}

}  // namespace

void rail_tokens(const Frame& frame) {
  const Snapshot& snapshot = *frame.snapshot;
  const bool is_long = snapshot.seq() > kMaxChips;
  if (is_long) {
    gap(frame.look, 10);
    heading(frame.look, "TOKENS", count_text(static_cast<std::int64_t>(snapshot.seq())));
  }
  draw_find_token(frame, is_long ? FindField::kAlways : FindField::kWhenOpened);
  if (is_long) {
    token_list(frame, snapshot);
    gap(frame.look, 6);
  } else {
    token_chips(frame, snapshot);
  }
}

}  // namespace headroom
