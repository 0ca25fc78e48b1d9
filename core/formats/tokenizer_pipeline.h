#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/formats/json_value.h"
#include "core/formats/tokenizer.h"

namespace headroom {

/// One code point of a text on its way through the pipeline, and the bytes of the original text that it came from.
struct Glyph {
  char32_t code_point = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};
using Glyphs = std::vector<Glyph>;

/// Half-open range of Glyphs.
struct GlyphRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Rewrites a text: lower case, normal forms, ...
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void normalize(Glyphs& text) const = 0;
};

/// Cuts a text into words.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  /// Appends the words of `part` of the text to `words`, in order.
  virtual void split(const Glyphs& text, GlyphRange part, std::vector<GlyphRange>& words) const = 0;
  /// Its words go on as bytes, so nothing may come after it and the model must read bytes.
  virtual bool makes_bytes() const { return false; }
};

/// A piece of a word that has become a token.
struct Piece {
  std::int32_t id = 0;
  GlyphRange range;
  bool is_unknown = false;
};

/// Turns one word into tokens of the vocabulary.
class TokenModel {
 public:
  virtual ~TokenModel() = default;
  virtual void tokenize(const Glyphs& text, GlyphRange word, std::vector<Piece>& pieces) const = 0;
  virtual std::int32_t unknown_id() const = 0;
  /// It works on a word's UTF-8 bytes, spelled as byte_characters() say.
  virtual bool reads_bytes() const { return false; }
};

/// Spelling to id and back. Two spellings may have one id; ids may have gaps.
class Vocabulary {
 public:
  void add(std::string text, std::int32_t id);
  std::int32_t id_of(std::string_view text) const;  ///< -1 when there is none
  std::string_view text_of(std::int32_t id) const;  ///< "" when there is none
  std::int64_t size() const { return max_id_ + 1; }
  std::size_t n_entries() const { return entries_.size(); }
  const std::vector<std::pair<std::string, std::int32_t>>& entries() const { return entries_; }  ///< in file order

 private:
  std::vector<std::pair<std::string, std::int32_t>> entries_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::unordered_map<std::int32_t, std::size_t> by_id_;
  std::int64_t max_id_ = -1;
};

struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool is_special = false;
  bool is_normalized = false;   ///< looked for after the normalizer, not before
  bool is_single_word = false;  ///< only where no word character touches it
  bool strips_left = false;     ///< takes the white space before it along
  bool strips_right = false;
};

struct AddedMatch {
  GlyphRange range;
  const AddedToken* token = nullptr;  ///< nullptr: text between matches
};

/// Finds added tokens, leftmost first, longest first, as the reference does.
class AddedTokenFinder {
 public:
  /// `spelling` is the content as it appears in the text that is searched.
  void add(const std::u32string& spelling, AddedToken token);
  bool empty() const { return tokens_.empty(); }
  /// The text cut into matches and what lies between them, in order, without gaps.
  std::vector<AddedMatch> find(const Glyphs& text) const;

 private:
  struct Node {
    std::map<char32_t, std::size_t> next;
    std::int64_t token = -1;
  };
  std::vector<Node> nodes_{Node{}};
  std::vector<std::unique_ptr<AddedToken>> tokens_;
};

/// What post_processor puts around the words.
struct TokenTemplate {
  struct Special {
    std::int32_t id = 0;
    std::string text;
  };
  std::vector<Special> before;
  std::vector<Special> after;
};

/// Everything that tokenizer.json describes.
struct TokenizerParts {
  Vocabulary vocabulary;  ///< the model's and the added tokens
  std::vector<AddedToken> added;
  std::unique_ptr<Normalizer> normalizer;       ///< may be null
  std::unique_ptr<PreTokenizer> pre_tokenizer;  ///< may be null: one word
  std::unique_ptr<TokenModel> model;
  TokenTemplate post;
  std::vector<std::string> notices;
};

/// Where in the file a component stands, for messages: "…/tokenizer.json: normalizer".
struct ComponentPlace {
  std::string file;
  std::string field;
  int depth = 0;  ///< of Sequences in Sequences
};

// One reader a kind of component; each knows its own types by a table. null and absent give nullptr.
// Errors  Error naming file, field and the type that is not known.
std::unique_ptr<Normalizer> read_normalizer(const JsonValue* json, const ComponentPlace& place);
std::unique_ptr<PreTokenizer> read_pre_tokenizer(const JsonValue* json, const ComponentPlace& place);
/// Fills parts.model and parts.vocabulary.
void read_token_model(const JsonValue& json, const ComponentPlace& place, TokenizerParts& parts);
/// The same of the type "BPE" over bytes.
void read_byte_level_bpe(const JsonValue& json, const ComponentPlace& place, TokenizerParts& parts);
/// A model's "vocab". Errors  Error when it is none, empty or has an impossible id.
Vocabulary read_vocabulary(const JsonValue& json, const ComponentPlace& place);
TokenTemplate read_post_processor(const JsonValue* json, const ComponentPlace& place, const Vocabulary& vocabulary);

/// The text as glyphs; invalid UTF-8 becomes U+FFFD, and its bytes are counted.
Glyphs to_glyphs(std::string_view text, std::size_t& n_invalid_bytes);

/// The tokenizer that runs these parts.
std::unique_ptr<Tokenizer> make_pipeline_tokenizer(TokenizerParts parts);

/// The member that names a component's type. Errors  Error when it has none.
const std::string& component_type(const JsonValue& json, const ComponentPlace& place);
/// A boolean member, or `fallback` when it is absent. Errors  Error when it is something else.
bool read_flag(const JsonValue& json, const char* name, bool fallback, const ComponentPlace& place);

}  // namespace headroom
