#include <imgui.h>

#include <algorithm>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/views/context.h"
#include "app/views/document_card.h"
#include "app/views/flow.h"
#include "app/views/text_selection.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"
#include "core/session/texts.h"

namespace headroom {
namespace {

/// The edit that puts `word` in the unknown one's place. Offsets are checked: the snapshot may be older than the texts.
std::optional<Action> with_word(const Frame& frame, const Snapshot& snapshot, const UnknownWord& unknown, const std::string& word) {
  const Token& token = snapshot.tokens[unknown.token];
  const bool is_target =
      snapshot.compute.trained.kind == ModelKind::kEncoderDecoder && snapshot.compute.stack != AttentionStack::kEncoder;
  const bool is_second = is_target || token.part == 1;
  const Compute& now = frame.session.compute;
  if (snapshot.compute.text != now.text || snapshot.compute.second != now.second) return std::nullopt;
  std::string text = is_second ? now.second : now.text;
  if (token.end > text.size() || token.begin >= token.end) return std::nullopt;
  text.replace(token.begin, token.end - token.begin, word);
  if (is_second) return SecondTextEdited{std::move(text)};
  return TextEdited{std::move(text)};
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
        if (auto edit = with_word(frame, snapshot, unknown, word)) frame.send(*std::move(edit));
      }
    }
    flow.end();
  }
  if (snapshot.unknown.size() > shown.size()) {
    const auto n = static_cast<std::int64_t>(snapshot.unknown.size() - shown.size());
    paragraph(frame.look, "and " + count_text(n) + (n == 1 ? " more unknown word" : " more unknown words"), small_text(frame.look));
  }
}

/// Whether the open model's tokenizer could not be read, so that its texts are ids.
bool takes_ids(const Frame& frame) {
  return frame.snapshot != nullptr && frame.snapshot->compute.model == frame.session.compute.model &&
         frame.snapshot->tokenizer != nullptr && takes_ids(*frame.snapshot->tokenizer);
}

bool has_encoder(const Frame& frame) { return frame.session.compute.trained.kind == ModelKind::kEncoderDecoder; }

/// What fits into a few lines: the controls below stay in sight, and the Write tab shows every token.
std::string beginning_of(const std::string& text) {
  constexpr std::size_t most = 160;  // bytes
  if (text.size() <= most) return text;
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;  // within a character
  return text.substr(0, end) + "…";
}

/// A second sentence beside the first: a model that reads pairs, and a tokenizer that says how they stand.
bool reads_pairs(const Frame& frame) {
  if (!frame.session.compute.trained.reads_pairs) return false;
  return frame.snapshot == nullptr || frame.snapshot->tokenizer == nullptr || frame.snapshot->tokenizer->has_pair_template();
}

void second_text(const Frame& frame) {
  gap(frame.look, 8);
  heading(frame.look, has_encoder(frame) ? "TARGET" : "SECOND SENTENCE");
  const bool writes_itself = has_encoder(frame) && frame.session.compute.second.empty();
  const std::optional<SharedText> edited = sentence_box(
      frame.look,
      {.name = "rail/second",
       .tooltip = has_encoder(frame)
                      ? "What the decoder has written so far. Empty: it writes by itself, always the most probable word. "
                        "Type a beginning of your own to see how the decoder reads it."
                      : "A second sentence, read beside the first: its tokens are of type B, and a [SEP] stands between "
                        "the two. Empty: there is one sentence.",
       .placeholder = has_encoder(frame) ? "Empty: the model writes by itself" : "Type a second sentence…",
       .text = frame.session.compute.second,
       .width = ImGui::GetContentRegionAvail().x,
       .min_lines = 1},
      frame.state.second);
  if (edited) frame.send(SecondTextEdited{*edited}, "second text");
  if (!writes_itself || frame.snapshot == nullptr || frame.snapshot->n_written == 0 || frame.snapshot->tokenizer == nullptr) return;
  gap(frame.look, 4);
  std::vector<std::int32_t> ids;
  for (const Token& token : frame.snapshot->target)
    ids.push_back(token.id);
  const std::string text = imgui_drawable(frame.snapshot->tokenizer->decode(ids), FontFace::kSans);
  paragraph(frame.look, "Written by the model: " + beginning_of(text), small_text(frame.look));
}

/// What the model wrote after the text, where it reads on.
void written_text(const Frame& frame) {
  const Snapshot* snapshot = frame.snapshot;
  if (snapshot == nullptr || snapshot->n_written == 0 || !snapshot->target.empty() || snapshot->tokenizer == nullptr) return;
  gap(frame.look, 4);
  std::vector<std::int32_t> ids;
  for (const Token& token : std::span(snapshot->tokens).last(std::min(snapshot->n_written, snapshot->tokens.size())))
    ids.push_back(token.id);
  const std::string text = imgui_drawable(snapshot->tokenizer->decode(ids), FontFace::kSans);
  paragraph(frame.look, "Written on by the model: " + beginning_of(text), small_text(frame.look));
}

void sentence(const Frame& frame) {
  heading(frame.look, takes_ids(frame) ? "TOKEN IDS" : has_encoder(frame) ? "SOURCE" : "SENTENCE");
  if (takes_ids(frame)) {
    paragraph(frame.look, "This model's tokenizer could not be read: the text is token ids, with spaces between them.",
              small_text(frame.look));
    gap(frame.look, 6);
  }
  const std::optional<SharedText> edited = sentence_box(
      frame.look,
      {.name = "rail/sentence",
       .tooltip =
           takes_ids(frame)
               ? "Token ids of this model's vocabulary, such as 12 55 901: its tokenizer could not be read."
               : "Type any sentence: every heatmap follows each key. The bundled models know a few hundred words; others are "
                 "marked and near ones offered. Select words to choose their row. A text file can be dropped on the window.",
       .placeholder = takes_ids(frame) ? "Type token ids: 12 55 901" : "Type a sentence…",
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
  if (has_encoder(frame) || reads_pairs(frame)) second_text(frame);
  written_text(frame);
  follow_text_selection(frame);
  gap(frame.look, 6);
  if (frame.snapshot == nullptr) {
    paragraph(frame.look, "Reading the model…", small_text(frame.look));
    return;
  }
  rail_tokens(frame);
  if (!frame.snapshot->unknown.empty()) unknown_words(frame, *frame.snapshot);
}

}  // namespace headroom
