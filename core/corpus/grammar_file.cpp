#include "core/corpus/grammar_file.h"

#include <algorithm>

#include "core/formats/file.h"
#include "core/formats/plain_text.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

/// Where the comment begins: a '#' at the line's start or after a space.
std::size_t comment_begin(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i)
    if (line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) return i;
  return line.size();
}

}  // namespace

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t at = text.find_first_not_of(kSpaces); at != std::string_view::npos; at = text.find_first_not_of(kSpaces, at)) {
    const std::size_t end = std::min(text.find_first_of(kSpaces, at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

std::vector<std::string> split_parts(std::string_view text, char separator) {
  std::vector<std::string> parts;
  if (trimmed(text).empty()) return parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    parts.emplace_back(trimmed(text.substr(at, end - at)));
    at = end + 1;
  }
  return parts;
}

std::vector<std::string> GrammarLine::columns() const { return split_parts(text, '|'); }

GrammarFile::GrammarFile(const std::filesystem::path& path) : path_(path) {
  const std::string text = read_plain_text(path);
  int number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    ++number;
    const std::string_view said = trimmed(line.substr(0, comment_begin(line)));
    // A leading space is kept as one: in rules.txt it tells an alternative from a rule.
    if (!said.empty())
      lines_.push_back({number, (kSpaces.find(line.front()) != std::string_view::npos ? " " : "") + std::string(said)});
    at = end + 1;
  }
  if (lines_.empty()) fail("holds nothing but comments");
}

void GrammarFile::fail(int line, const std::string& problem) const {
  throw Error(shown_path(path_) + ", line " + std::to_string(line) + ": " + problem);
}

void GrammarFile::fail(const std::string& problem) const { throw Error(shown_path(path_) + ": " + problem); }

}  // namespace headroom
