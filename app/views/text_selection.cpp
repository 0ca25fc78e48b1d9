#include "app/views/text_selection.h"

#include "core/session/selected_tokens.h"

namespace headroom {
namespace {

KeyRange selected_in(const Frame& frame, const SentenceBoxMemory& box, TextBox which) {
  if (frame.snapshot == nullptr || !box.is_active || !box.cursor.has_selection()) return {};
  const Compute &shown = frame.snapshot->compute, &now = frame.session.compute;
  // Offsets are those of the text that the snapshot answers.
  if (shown.text != now.text || shown.second != now.second) return {};
  return tokens_of_selection(*frame.snapshot, which, box.cursor.begin(), box.cursor.end());
}

KeyRange selected(const Frame& frame) {
  const KeyRange first = selected_in(frame, frame.state.sentence, TextBox::kFirst);
  return first.begin < first.end ? first : selected_in(frame, frame.state.second, TextBox::kSecond);
}

}  // namespace

bool is_selected_in_text(const Frame& frame, std::int64_t token) {
  const KeyRange& range = frame.state.selected_tokens;
  return token >= range.begin && token < range.end;
}

void follow_text_selection(const Frame& frame) {
  UiScratch::State& state = frame.state;
  const KeyRange range = selected(frame);
  const bool is_made = !state.sentence.is_dragging && !state.second.is_dragging;
  const bool is_new = range.begin != state.followed_tokens.begin || range.end != state.followed_tokens.end;
  state.selected_tokens = range;
  if (!is_made || !is_new) return;
  state.followed_tokens = range;
  if (range.begin < range.end) frame.send(QuerySelected{range.end - 1}, "select words");
}

}  // namespace headroom
