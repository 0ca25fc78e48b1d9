#include "core/session/selected_tokens.h"

namespace headroom {
namespace {

/// Whether token `index` was read from the box's text.
bool is_of(const Snapshot& snapshot, TextBox box, const Token& token) {
  if (snapshot.compute.trained.kind != ModelKind::kEncoderDecoder) return token.part == (box == TextBox::kFirst ? 0 : 1);
  const bool shows_source = snapshot.compute.stack == AttentionStack::kEncoder;
  return shows_source == (box == TextBox::kFirst);
}

}  // namespace

KeyRange tokens_of_selection(const Snapshot& snapshot, TextBox box, std::size_t first, std::size_t last) {
  KeyRange range;
  for (std::size_t i = 0; i < snapshot.tokens.size(); ++i) {
    const Token& token = snapshot.tokens[i];
    if (!is_of(snapshot, box, token) || token.begin >= last || token.end <= first || token.begin == token.end) continue;
    const auto index = static_cast<std::int64_t>(i);
    if (range.begin == range.end) range.begin = index;
    range.end = index + 1;
  }
  return range;
}

}  // namespace headroom
