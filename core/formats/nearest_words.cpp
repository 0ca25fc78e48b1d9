#include "core/formats/nearest_words.h"

#include <algorithm>
#include <tuple>

#include "core/formats/utf8.h"

namespace headroom {
namespace {

bool has_word_character(std::u32string_view text) { return std::any_of(text.begin(), text.end(), is_word_character); }

std::size_t difference(std::size_t a, std::size_t b) { return a > b ? a - b : b - a; }

std::size_t allowed_distance(std::size_t length) { return length <= 2 ? 1 : length <= 5 ? 2 : 3; }

}  // namespace

std::size_t edit_distance(std::u32string_view a, std::u32string_view b, std::size_t limit) {
  // Equal ends cost nothing, and most words of a vocabulary share one.
  while (!a.empty() && !b.empty() && a.front() == b.front()) {
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  while (!a.empty() && !b.empty() && a.back() == b.back()) {
    a.remove_suffix(1);
    b.remove_suffix(1);
  }
  if (difference(a.size(), b.size()) > limit) return limit + 1;
  // Rows i - 2, i - 1 and i of the table D[i][j], the distance of the first i code points of a to the first j of b.
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> rows(3 * width);
  std::size_t* before_last = rows.data();
  std::size_t* last = before_last + width;
  std::size_t* row = last + width;
  for (std::size_t j = 0; j < width; ++j)
    last[j] = j;
  std::size_t last_least = 0;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    std::size_t least = i;
    for (std::size_t j = 1; j < width; ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before_last[j - 2] + 1);
      least = std::min(least, row[j]);
    }
    // A swap reaches back two rows, so both must be beyond the limit.
    if (least > limit && last_least > limit) return limit + 1;
    last_least = least;
    std::tie(before_last, last, row) = std::tuple(last, row, before_last);
  }
  return last[b.size()] > limit ? limit + 1 : last[b.size()];
}

std::vector<std::string> find_nearest_words(std::u32string_view word, const Vocabulary& vocabulary,
                                            std::span<const std::int32_t> left_out, std::size_t n) {
  if (word.empty() || word.size() > kMaxNearestWordLength || n == 0) return {};
  struct Candidate {
    std::size_t distance;
    bool differs_first;
    std::size_t length_difference;
    std::int32_t id;
    const std::string* text;
    auto key() const { return std::tie(distance, differs_first, length_difference, id); }
  };
  const std::size_t limit = allowed_distance(word.size());
  const bool is_word = has_word_character(word);
  std::vector<Candidate> candidates;
  for (const auto& [text, id] : vocabulary.entries()) {
    if (text.empty() || text.size() > 4 * (word.size() + limit)) continue;
    const std::u32string other = to_utf32(text);
    if (difference(other.size(), word.size()) > limit || has_word_character(other) != is_word) continue;
    const std::size_t distance = edit_distance(word, other, limit);
    // As many changes as letters is another word altogether.
    if (distance > limit || distance >= std::max(word.size(), other.size())) continue;
    if (std::find(left_out.begin(), left_out.end(), id) != left_out.end()) continue;
    candidates.push_back({distance, other.front() != word.front(), difference(other.size(), word.size()), id, &text});
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) { return a.key() < b.key(); });
  std::vector<std::string> words;
  for (std::size_t i = 0; i < std::min(n, candidates.size()); ++i)
    words.push_back(*candidates[i].text);
  return words;
}

}  // namespace headroom
