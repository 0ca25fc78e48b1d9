#include <algorithm>

#include "core/formats/tokenizer_pipeline.h"
#include "core/formats/utf8.h"

namespace headroom {

void AddedTokenFinder::add(const std::u32string& spelling, AddedToken token) {
  if (spelling.empty()) return;
  std::size_t node = 0;
  for (const char32_t c : spelling) {
    const auto found = nodes_[node].next.find(c);
    if (found != nodes_[node].next.end()) {
      node = found->second;
      continue;
    }
    const std::size_t child = nodes_.size();
    nodes_[node].next.emplace(c, child);
    nodes_.emplace_back();
    node = child;
  }
  nodes_[node].token = static_cast<std::int64_t>(tokens_.size());
  tokens_.push_back(std::make_unique<AddedToken>(std::move(token)));
}

std::vector<AddedMatch> AddedTokenFinder::find(const Glyphs& text) const {
  std::vector<AddedMatch> result;
  std::size_t done = 0;  // everything before is in `result`
  for (std::size_t i = 0; i < text.size() && !tokens_.empty();) {
    const std::size_t match_begin = i;
    std::size_t node = 0;
    std::size_t end = i;
    const AddedToken* token = nullptr;
    for (std::size_t j = i; j < text.size(); ++j) {
      const auto next = nodes_[node].next.find(text[j].code_point);
      if (next == nodes_[node].next.end()) break;
      node = next->second;
      if (nodes_[node].token < 0) continue;
      token = tokens_[static_cast<std::size_t>(nodes_[node].token)].get();
      end = j + 1;
    }
    if (token == nullptr) {
      ++i;
      continue;
    }
    const bool touches_word =
        (i > 0 && is_word_character(text[i - 1].code_point)) || (end < text.size() && is_word_character(text[end].code_point));
    if (token->is_single_word && touches_word) {
      i = end;
      continue;
    }
    i = end;  // what a token strips on its right can still be found by the next one
    std::size_t begin = match_begin;
    while (token->strips_left && begin > done && is_white_space(text[begin - 1].code_point))
      --begin;
    while (token->strips_right && end < text.size() && is_white_space(text[end].code_point))
      ++end;
    if (token->strips_left) begin = std::max(begin, done);
    if (done < begin) result.push_back({{done, begin}, nullptr});
    if (begin < end) result.push_back({{begin, end}, token});
    done = end;
  }
  if (done < text.size()) result.push_back({{done, text.size()}, nullptr});
  return result;
}

}  // namespace headroom
