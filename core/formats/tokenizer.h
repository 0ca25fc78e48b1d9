#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
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
  std::int32_t type = 0;  ///< token type id: which row of a token type table the model adds; 0 unless a pair's template says 1
  std::int32_t part = 0;  ///< the text that begin and end count in: 0 the first (or only), 1 the second of a pair
  bool is_special = false;
  bool is_unknown = false;
};

struct Encoding {
  std::vector<Token> tokens;
  std::vector<std::string> notices;  ///< e.g. "2 bytes of invalid UTF-8 were replaced"
};

/// What decode does with special tokens, e.g. "<bos>".
enum class SpecialTokens { kLeftOut, kKept };

/// Text to ids and back, as tokenizer.json describes it.
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
  /// Whether the tokenizer says how two texts stand side by side, e.g. "[CLS] a [SEP] b [SEP]".
  virtual bool has_pair_template() const = 0;
  /// Both texts in one row, joined by the pair's template. Offsets count in each token's own text, Token::part.
  /// Errors  as encode; Error when there is no template for pairs.
  virtual Encoding encode_pair(std::string_view first, std::string_view second, std::size_t max_tokens,
                               std::stop_token stop = {}) const = 0;
  /// The text of ids, by the file's decoder. Ids that do not exist are left out; bytes that are no UTF-8 become U+FFFD.
  virtual std::string decode(std::span<const std::int32_t> ids, SpecialTokens specials = SpecialTokens::kLeftOut) const = 0;
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

/// The tokenizer of a model's folder: tokenizer.json; else vocab.txt, lower-cased as tokenizer_config.json says; else vocab.json with
/// merges.txt. Errors  Error naming the file that cannot be read, or all that were looked for.
std::unique_ptr<Tokenizer> load_folder_tokenizer(const std::filesystem::path& folder);
/// Takes ids written by hand, "12 55, 901", for a model whose tokenizer cannot be read; decode writes them the same way. What is no id from
/// 0 to vocab_size - 1 is left out, with a notice that names it. Edge  vocab_size 0: nothing is an id.
std::unique_ptr<Tokenizer> make_ids_tokenizer(std::int64_t vocab_size);

/// Optimal string alignment distance over code points (insert, delete, replace, swap neighbours); `limit` + 1 when larger than limit.
std::size_t edit_distance(std::u32string_view a, std::u32string_view b, std::size_t limit);

}  // namespace headroom
