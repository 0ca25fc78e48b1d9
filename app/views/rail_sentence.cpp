#include <imgui.h>

#include <algorithm>
#include <string>

#include "app/views/context.h"
#include "app/widgets/controls.h"

namespace headroom {
namespace {

/// More chips than one reads; the rest is told by number, the heatmap's axes show them all.
constexpr std::size_t kMaxChips = 36;

/// Places chips from left to right, a new row when one does not fit.
class Flow {
 public:
  Flow(const Look& look, double spacing, double row) : gap_(look.px(spacing)), row_(look.px(row)) {
    const ImVec2 at = ImGui::GetCursorScreenPos();
    left_ = x_ = at.x;
    y_ = at.y;
    right_ = at.x + ImGui::GetContentRegionAvail().x;
  }
  void place(float width) {
    if (x_ > left_ && x_ + width > right_) {
      x_ = left_;
      y_ += row_;
    }
    ImGui::SetCursorScreenPos(ImVec2(x_, y_));
    x_ += width + gap_;
  }
  void end() const {
    ImGui::SetCursorScreenPos(ImVec2(left_, y_ + row_));
    ImGui::Dummy(ImVec2(0, 0));
  }

 private:
  float gap_, row_, left_ = 0, x_ = 0, y_ = 0, right_ = 0;
};

std::string token_tip(const Snapshot& snapshot, std::size_t index) {
  const Token& token = snapshot.tokens[index];
  std::string tip = "Token " + std::to_string(index) + ", “" + imgui_drawable(display_token(token), FontFace::kSans) + "”\n";
  if (token.is_unknown) {
    tip += "The model does not know this word: it reads <unk> (id " + std::to_string(token.id) + ") in its place.";
  } else {
    tip += "Id " + std::to_string(token.id) + " in the vocabulary. " +
           (token.is_special ? "Added by the tokenizer; it stands before every text."
                             : "Click to choose its row: what this token looks at.");
  }
  return tip;
}

void token_chips(const Frame& frame, const Snapshot& snapshot) {
  const Theme& theme = frame.theme;
  Flow flow(frame.look, 4, 24);
  // Of a long sentence the part around the chosen token, so that it is always seen.
  const auto chosen = static_cast<std::size_t>(std::max<std::int64_t>(frame.session.view.query.value_or(0), 0));
  const std::size_t n = std::min(snapshot.seq(), kMaxChips);
  const std::size_t first = chosen < n ? 0 : std::min(chosen - n / 2, snapshot.seq() - n);
  for (std::size_t i = first; i < first + n; ++i) {
    const Token& token = snapshot.tokens[i];
    const std::string label = imgui_drawable(display_token(token), FontFace::kMono);
    const bool is_chosen = frame.session.view.query == static_cast<std::int64_t>(i);
    Chip spec{
        .name = {}, .label = label, .tooltip = {}, .fill = theme.raised, .text = theme.text, .border = {}, .face = FontFace::kMono};
    if (token.is_special) spec.text = theme.text_dim;
    if (token.is_unknown) {
      spec.fill = theme.warning_panel;
      spec.text = theme.warning;
      spec.border = theme.warning_border;
    }
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
  if (snapshot.seq() > n) {
    paragraph(frame.look,
              "Tokens " + std::to_string(first) + " to " + std::to_string(first + n - 1) + " of " + std::to_string(snapshot.seq()) +
                  "; the head's axes show them all.",
              small_text(frame.look));
  }
}

/// The sentence with the unknown word's bytes replaced. Offsets are checked: the snapshot may be older than the text.
std::optional<std::string> with_word(const Frame& frame, const Snapshot& snapshot, const UnknownWord& unknown,
                                     const std::string& word) {
  const Token& token = snapshot.tokens[unknown.token];
  std::string text = frame.session.compute.text;
  if (snapshot.compute.text != text || token.end > text.size() || token.begin >= token.end) return std::nullopt;
  text.replace(token.begin, token.end - token.begin, word);
  return text;
}

void unknown_words(const Frame& frame, const Snapshot& snapshot) {
  constexpr std::size_t max_words = 4, max_suggestions = 3;
  std::size_t shown = 0;
  TextStyle style = small_text(frame.look);
  for (const UnknownWord& unknown : snapshot.unknown) {
    if (unknown.token >= snapshot.seq()) continue;
    if (++shown > max_words) break;
    Flow flow(frame.look, 6, 18);
    const std::string lead =
        "‹" + imgui_drawable(unknown.word.substr(0, 40), FontFace::kSans) + "› unknown" + (unknown.suggestions.empty() ? "" : ":");
    style.color = frame.theme.warning;
    const TextExtent extent = text_extent(frame.look, lead, style);
    const float width = std::min(extent.w, ImGui::GetContentRegionAvail().x);
    flow.place(width);
    const ImVec2 at = ImGui::GetCursorScreenPos();
    draw_text_fitted(frame.look, *ImGui::GetWindowDrawList(), {at.x, at.y}, lead, style, width + 1);
    ImGui::Dummy(ImVec2(width, extent.h));
    for (std::size_t i = 0; i < std::min(max_suggestions, unknown.suggestions.size()); ++i) {
      const std::string& word = unknown.suggestions[i];
      flow.place(text_extent(frame.look, word, style).w);
      const std::string name = "rail/suggest " + std::to_string(unknown.token) + " " + word;
      if (link(frame.look, name, word, "A word that the model knows, near in spelling. Click to write it instead.")) {
        if (auto text = with_word(frame, snapshot, unknown, word)) frame.send(TextEdited{*std::move(text)});
      }
    }
    flow.end();
  }
  if (snapshot.unknown.size() > max_words) {
    paragraph(frame.look, "and " + std::to_string(snapshot.unknown.size() - max_words) + " more unknown words",
              small_text(frame.look));
  }
}

}  // namespace

void rail_sentence(const Frame& frame) {
  heading(frame.look, "SENTENCE");
  const std::optional<SharedText> edited = sentence_box(
      frame.look,
      {.name = "rail/sentence",
       .tooltip = "Type any sentence: every heatmap follows each key. The bundled models know a few hundred words; others are "
                  "marked and near ones offered.",
       .placeholder = "Type a sentence…",
       .text = frame.session.compute.text,
       .width = ImGui::GetContentRegionAvail().x},
      frame.state.sentence);
  if (edited) frame.send(TextEdited{*edited}, "text");
  gap(frame.look, 6);
  if (frame.snapshot == nullptr) {
    paragraph(frame.look, "Reading the model…", small_text(frame.look));
    return;
  }
  token_chips(frame, *frame.snapshot);
  if (!frame.snapshot->unknown.empty()) unknown_words(frame, *frame.snapshot);
}

}  // namespace headroom
