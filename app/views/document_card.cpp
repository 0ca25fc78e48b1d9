#include "app/views/document_card.h"

#include <imgui.h>

#include <algorithm>
#include <string>

#include "app/views/commands.h"
#include "app/views/flow.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

/// Bytes beyond which a text is a document; while it is being typed in, the box stays up to the larger one.
constexpr std::size_t kDocumentBytes = 2000, kMostTypedBytes = 16000;
constexpr std::size_t kShownBytes = 150;

/// The first lines, white space as single spaces, whole characters.
std::string beginning_of(std::string_view text) {
  std::string shown;
  for (std::size_t at = 0; at < text.size() && shown.size() < kShownBytes;) {
    const std::size_t bytes = character_bytes(text, at);
    if (text[at] == ' ' || text[at] == '\n' || text[at] == '\t') {
      if (!shown.empty() && shown.back() != ' ') shown += ' ';
    } else {
      shown += text.substr(at, bytes);
    }
    at += bytes;
  }
  return shown + "…";
}

const DocumentState& counted_document(const Frame& frame) {
  DocumentState& document = frame.state.document;
  const SharedText& text = frame.session.compute.text;
  if (!document.text.is_copy_of(text)) {
    document.text = text;
    document.beginning = beginning_of(text);
    document.n_characters =
        std::count_if(text.str().begin(), text.str().end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  }
  return document;
}

std::string facts_of(const Frame& frame, const DocumentState& document) {
  std::string facts = count_text(document.n_characters) + " characters · ";
  const Snapshot* snapshot = frame.snapshot;
  if (snapshot == nullptr || snapshot->compute.text != document.text) return facts + "counting tokens…";
  const auto n_unknown = static_cast<std::int64_t>(snapshot->unknown.size());
  facts += count_text(static_cast<std::int64_t>(snapshot->seq())) + " tokens · ";
  facts += n_unknown == 0 ? "every word known" : count_text(n_unknown) + (n_unknown == 1 ? " word unknown" : " words unknown");
  const std::size_t read_to = snapshot->tokens.empty() ? 0 : snapshot->tokens.back().end;
  const std::size_t rest = document.text.size() - std::min(document.text.size(), read_to);
  if (rest > 64) facts += ". The last " + count_text(static_cast<std::int64_t>(rest)) + " bytes are more than is read";
  return facts;
}

void paste(const Frame& frame) {
  const char* clipboard = ImGui::GetClipboardText();
  std::string text = cleaned_input(clipboard == nullptr ? "" : clipboard);
  if (!text.empty()) frame.send(TextEdited{std::move(text)});
}

}  // namespace

bool is_document(const Frame& frame) {
  const std::size_t bytes = frame.session.compute.text.size();
  return bytes > (frame.state.sentence.is_active ? kMostTypedBytes : kDocumentBytes);
}

void draw_document_card(const Frame& frame) {
  const Look& look = frame.look;
  const DocumentState& document = counted_document(frame);
  frame.state.sentence.is_active = false;
  heading(look, "TEXT");
  {
    const Card card(look, frame.theme.window, frame.theme.border);
    TextStyle style = body_text(look);
    paragraph(look, imgui_drawable(document.beginning, style.face), style);
    gap(look, 8);
    paragraph(look, facts_of(frame, document), small_text(look));
  }
  gap(look, 8);
  Flow flow(look, 6, 30);
  const auto offer = [&](const Button& spec) {
    flow.place(button_width(look, spec.label));
    return button(look, spec);
  };
  if (offer({.name = "rail/text/edit", .label = "Edit…", .tooltip = "Opens the whole text in an editor."}))
    open_dialog(frame, DialogKind::kText);
  if (offer({.name = "rail/text/paste",
             .label = "Paste",
             .tooltip = "Replaces the text by what the clipboard holds. Ctrl+Z brings this one back."}))
    paste(frame);
  if (offer({.name = "rail/text/short",
             .label = "Short sentence",
             .tooltip = "Back to the sentence of the beginning, in a box to type in. Ctrl+Z brings this text back."}))
    frame.send(TextEdited{Compute{}.text});
  flow.end();
}

}  // namespace headroom
