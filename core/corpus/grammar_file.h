#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace headroom {

/// A line of a grammar file that says something: comments (from '#') and empty lines are left out.
struct GrammarLine {
  int number = 0;  ///< from 1, as editors count
  std::string text;
  /// Parts between '|', without the spaces around them.
  std::vector<std::string> columns() const;
};

/// A text file of assets/grammar, line by line.
/// Errors  Error as read_plain_text.
class GrammarFile {
 public:
  explicit GrammarFile(const std::filesystem::path& path);
  const std::vector<GrammarLine>& lines() const { return lines_; }
  /// Throws Error "…/nouns.txt, line 12: what is wrong".
  [[noreturn]] void fail(int line, const std::string& problem) const;
  /// The same without a line.
  [[noreturn]] void fail(const std::string& problem) const;

 private:
  std::filesystem::path path_;
  std::vector<GrammarLine> lines_;
};

/// Parts between white space.
std::vector<std::string> split_words(std::string_view text);
/// Parts between `separator`, without the spaces around them; none for a text of spaces.
std::vector<std::string> split_parts(std::string_view text, char separator);

}  // namespace headroom
