#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace headroom {

struct Token {
  std::int32_t id = 0;
  std::string text;       ///< as the vocabulary spells it ("<bos>", "cat", "<unk>")
  std::string source;     ///< the piece of the text that it stands for; empty for added special tokens
  std::size_t begin = 0;  ///< byte offsets into the text; begin == end for added special tokens
  std::size_t end = 0;
  bool is_special = false;
  bool is_unknown = false;
};

struct Encoding {
  std::vector<Token> tokens;
  std::vector<std::string> notices;  ///< e.g. "2 bytes of invalid UTF-8 were replaced"
};

/// Text to ids, as tokenizer.json describes it.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// One more than the largest id: the rows that an embedding needs.
  virtual std::int64_t vocab_size() const = 0;
  /// Spelling of an id, or "" when it does not exist.
  virtual std::string_view token_text(std::int32_t id) const = 0;
  virtual std::int32_t token_id(std::string_view text) const = 0;  ///< -1 when it is not in the vocabulary
  /// What unknown words become, or -1 when there is no such token.
  virtual std::int32_t unknown_id() const = 0;
  /// What was read but does not act here, e.g. a truncation rule; one sentence each.
  virtual const std::vector<std::string>& load_notices() const = 0;
  /// Any bytes are accepted; stops after max_tokens with a notice that says how many there were.
  /// Takes time in proportion to the text. Errors  Error when a word is unknown and the vocabulary has no token for that; Cancelled.
  virtual Encoding encode(std::string_view text, std::size_t max_tokens, std::stop_token stop = {}) const = 0;
  /// Ids of words separated by single spaces, taken literally, special tokens included: held-out text is stored so.
  /// Unknown words become unknown_id(). Errors  Error when there is none.
  std::vector<std::int32_t> ids_of_words(std::string_view line) const;
  /// The vocabulary words nearest to `word` by edit distance, best first; special tokens are left out.
  virtual std::vector<std::string> nearest_words(std::string_view word, std::size_t n) const = 0;
};

/// Errors  Error naming the file and the component or entry that cannot be read.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& tokenizer_json);
/// The same of a tokenizer.json's text; `name` begins each sentence.
std::unique_ptr<Tokenizer> parse_tokenizer(std::string_view json, const std::string& name);

/// Optimal string alignment distance over code points (insert, delete, replace, swap neighbours); `limit` + 1 when larger than limit.
std::size_t edit_distance(std::u32string_view a, std::u32string_view b, std::size_t limit);

}  // namespace headroom
