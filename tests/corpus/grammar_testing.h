#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>

#include "core/corpus/corpus.h"
#include "core/corpus/machine.h"
#include "core/formats/tokenizer.h"
#include "tests/formats/testing.h"

namespace headroom::grammar_testing {

inline std::filesystem::path grammar_folder() { return std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets" / "grammar"; }

/// The grammar of the product, loaded once.
inline const std::shared_ptr<const Corpus>& the_grammar() {
  static const std::shared_ptr<const Corpus> corpus = open_grammar(grammar_folder());
  return corpus;
}
inline const Grammar& the_rules() {
  static const Grammar grammar = load_grammar(grammar_folder(), {});
  return grammar;
}

inline std::string text_of(const Corpus& corpus, std::span<const std::int32_t> ids) {
  std::string text;
  for (const std::int32_t id : ids) {
    if (!text.empty()) text += ' ';
    text += corpus.tokenizer()->token_text(id);
  }
  return text;
}

/// A copy of the grammar's files that a test can change.
class ChangedGrammar {
 public:
  ChangedGrammar() {
    for (const auto& entry : std::filesystem::directory_iterator(grammar_folder()))
      std::filesystem::copy_file(entry.path(), folder_ / entry.path().filename().native());
  }
  const std::filesystem::path& path() const { return folder_.path(); }
  std::string read(const std::string& file) const { return testing_files::bytes_of(folder_ / file); }
  void write(const std::string& file, const std::string& text) const { folder_.file(file, text); }
  /// Puts a line behind the last one; gives its number.
  int append(const std::string& file, const std::string& line) const {
    const std::string text = read(file);
    write(file, text + line + "\n");
    return static_cast<int>(std::count(text.begin(), text.end(), '\n')) + 1;
  }
  /// Replaces the first `from`; gives the number of its line, or 0 when it is not there.
  int replace(const std::string& file, const std::string& from, const std::string& to) const {
    std::string text = read(file);
    const std::size_t at = text.find(from);
    if (at == std::string::npos) return 0;
    const auto line = static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n')) + 1;
    write(file, text.replace(at, from.size(), to));
    return line;
  }
  std::string problem() const {
    return testing_files::message_of([&] { open_grammar(path()); });
  }

 private:
  testing_files::TemporaryFolder folder_;
};

}  // namespace headroom::grammar_testing
