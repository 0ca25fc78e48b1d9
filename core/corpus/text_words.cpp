#include "core/corpus/text_words.h"

#include <algorithm>
#include <unordered_map>

#include "core/formats/byte_level.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kStretchBytes = 256u << 10;

bool is_ascii_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// Where the stretch that begins at `begin` ends: before white space that follows something else, where no word goes on.
std::size_t end_of_stretch(std::string_view text, std::size_t begin) {
  std::size_t end = std::min(text.size(), begin + kStretchBytes);
  const auto follows_text = [&](std::size_t at) {
    const auto before = static_cast<unsigned char>(text[at - 1]);
    return before < 0x80 &&
           !is_ascii_space(text[at - 1]);  // another script's space is no such place: it is looked for in ASCII alone
  };
  while (end < text.size() && !(is_ascii_space(text[end]) && follows_text(end)))
    ++end;
  return end;
}

}  // namespace

TextWords count_words(std::string_view text, const std::function<void(double share)>& on_progress, std::stop_token stop) {
  TextWords result;
  std::unordered_map<std::string_view, std::uint32_t> indices;
  std::vector<GlyphRange> ranges;
  for (std::size_t begin = 0; begin < text.size();) {
    if (stop.stop_requested()) throw Cancelled();
    if (on_progress) on_progress(static_cast<double>(begin) / static_cast<double>(text.size()));
    const std::size_t end = end_of_stretch(text, begin);
    const std::string_view stretch = text.substr(begin, end - begin);
    std::size_t n_invalid = 0;
    const Glyphs glyphs = to_glyphs(stretch, n_invalid);
    ranges.clear();
    split_byte_level(glyphs, {0, glyphs.size()}, ranges);
    for (const GlyphRange& range : ranges) {
      const std::size_t from = glyphs[range.begin].begin, to = glyphs[range.end - 1].end;
      const std::string_view word = stretch.substr(from, to - from);
      const auto [entry, is_new] = indices.try_emplace(word, static_cast<std::uint32_t>(result.words.size()));
      if (is_new) result.words.push_back({word, 0});
      ++result.words[entry->second].count;
      result.order.push_back(entry->second);
    }
    begin = end;
  }
  if (on_progress) on_progress(1);
  return result;
}

}  // namespace headroom
