#include <imgui.h>

#include <algorithm>
#include <ranges>
#include <string>
#include <string_view>
#include <vector>

#include "app/views/context.h"
#include "app/views/document_card.h"
#include "app/views/flow.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

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
  constexpr std::size_t max_words = 4, max_suggestions = 3, max_looked = 200;
  std::vector<std::string_view> shown;  // each word once, at its first place
  TextStyle style = small_text(frame.look);
  for (const UnknownWord& unknown : snapshot.unknown | std::views::take(max_looked)) {
    if (unknown.token >= snapshot.seq() || std::find(shown.begin(), shown.end(), unknown.word) != shown.end()) continue;
    if (shown.size() == max_words) break;
    shown.push_back(unknown.word);
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
  if (snapshot.unknown.size() > shown.size()) {
    const auto n = static_cast<std::int64_t>(snapshot.unknown.size() - shown.size());
    paragraph(frame.look, "and " + count_text(n) + (n == 1 ? " more unknown word" : " more unknown words"), small_text(frame.look));
  }
}

void sentence(const Frame& frame) {
  heading(frame.look, "SENTENCE");
  const std::optional<SharedText> edited = sentence_box(
      frame.look,
      {.name = "rail/sentence",
       .tooltip = "Type any sentence: every heatmap follows each key. The bundled models know a few hundred words; others are "
                  "marked and near ones offered. A text file can be dropped on the window.",
       .placeholder = "Type a sentence…",
       .text = frame.session.compute.text,
       .width = ImGui::GetContentRegionAvail().x},
      frame.state.sentence);
  if (edited) frame.send(TextEdited{*edited}, "text");
}

}  // namespace

void rail_sentence(const Frame& frame) {
  if (is_document(frame)) {
    draw_document_card(frame);
  } else {
    sentence(frame);
  }
  gap(frame.look, 6);
  if (frame.snapshot == nullptr) {
    paragraph(frame.look, "Reading the model…", small_text(frame.look));
    return;
  }
  rail_tokens(frame);
  if (!frame.snapshot->unknown.empty()) unknown_words(frame, *frame.snapshot);
}

}  // namespace headroom
