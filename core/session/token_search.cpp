#include "core/session/token_search.h"

#include <algorithm>
#include <limits>

#include "core/formats/utf8.h"

namespace headroom {
namespace {

bool has_same_tokens(const Snapshot& a, const Snapshot& b) {
  return a.tokenizer == b.tokenizer && a.tokens.size() == b.tokens.size() && a.compute.text == b.compute.text;
}

}  // namespace

void TokenSearch::look_for(const std::shared_ptr<const Snapshot>& snapshot, std::string_view words) {
  const bool is_known = snapshot_ && snapshot && (snapshot_ == snapshot || has_same_tokens(*snapshot_, *snapshot));
  snapshot_ = snapshot;  // a finer picture of the same text lets go of the one before
  if (is_known && words_ == words) return;
  words_ = words;
  const std::u32string wanted = to_utf32(words);
  minds_capitals_ = std::any_of(wanted.begin(), wanted.end(), [](char32_t c) { return lower_case(c) != c; });
  folded_words_.clear();
  for (const char32_t c : wanted)
    folded_words_ += folded(c);
  next_ = from_ = 0;
  found_.clear();
}

char32_t TokenSearch::folded(char32_t c) const {
  if (c < 0x80) {
    if (c == '\n' || c == '\t' || c == '\r') return ' ';
    return !minds_capitals_ && c >= 'A' && c <= 'Z' ? c + 32 : c;
  }
  if (is_white_space(c)) return ' ';
  return minds_capitals_ ? c : lower_case(c);
}

bool TokenSearch::begins_at(std::string_view text, std::size_t at) const {
  for (const char32_t wanted : folded_words_) {
    if (at >= text.size()) return false;
    const Utf8Step step = decode_utf8(text, at);
    if (folded(step.code_point) != wanted) return false;
    at += step.bytes;
  }
  return true;
}

bool TokenSearch::occurs_in(std::string_view text, std::size_t from, std::size_t to) const {
  const char32_t first = folded_words_.front();
  for (std::size_t at = from; at < std::min(to, text.size()); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    // An ASCII letter is told by its byte alone; others begin with a byte from 0xC2 up.
    if (byte < 0x80 ? folded(byte) == first : byte >= 0xC2) {
      if (begins_at(text, at)) return true;
    }
  }
  return false;
}

bool TokenSearch::step(std::size_t bytes) {
  if (is_done()) return true;
  const std::string& text = snapshot_->compute.text;
  const std::vector<Token>& tokens = snapshot_->tokens;
  // Tokens without text of their own count as well, so that a step is short whatever they are.
  std::size_t looked = 0;
  for (; next_ < tokens.size() && looked < bytes; ++next_) {
    const Token& token = tokens[next_];
    looked += 1 + token.end - std::min(token.end, from_);
    const bool is_spelled = (token.is_special || token.is_unknown) && occurs_in(token.text, 0, token.text.size());
    if (is_spelled || occurs_in(text, from_, token.end)) found_.push_back(static_cast<std::int64_t>(next_));
    from_ = std::max(from_, token.end);
  }
  return is_done();
}

void TokenSearch::finish() { step(std::numeric_limits<std::size_t>::max()); }

bool TokenSearch::has(std::int64_t token) const { return std::binary_search(found_.begin(), found_.end(), token); }

std::optional<std::size_t> TokenSearch::place_of(std::int64_t token) const {
  const auto at = std::lower_bound(found_.begin(), found_.end(), token);
  if (at == found_.end() || *at != token) return std::nullopt;
  return static_cast<std::size_t>(at - found_.begin());
}

std::optional<std::int64_t> TokenSearch::after(std::optional<std::int64_t> token) const {
  if (found_.empty()) return std::nullopt;
  const auto at = token ? std::upper_bound(found_.begin(), found_.end(), *token) : found_.begin();
  return at == found_.end() ? found_.front() : *at;
}

std::optional<std::int64_t> TokenSearch::before(std::optional<std::int64_t> token) const {
  if (found_.empty()) return std::nullopt;
  const auto at = token ? std::lower_bound(found_.begin(), found_.end(), *token) : found_.end();
  return at == found_.begin() ? found_.back() : *(at - 1);
}

}  // namespace headroom
