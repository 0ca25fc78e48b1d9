#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/glyphs.h"
#include "core/formats/json_value.h"
#include "core/formats/tokenizer.h"
#include "core/formats/vocabulary.h"

namespace headroom {

/// Rewrites a text: lower case, normal forms, ...
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  /// Errors  Error when a pattern takes too long; Cancelled.
  virtual void normalize(Glyphs& text, const std::stop_token& stop) const = 0;
};

/// A stretch of text and the words that it is cut into: in order, none empty. What is in no word is left out.
struct WordText {
  Glyphs glyphs;
  std::vector<GlyphRange> words;
};

/// Cuts words into smaller ones; some rewrite them too.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  /// Errors  as Normalizer.
  virtual void apply(WordText& text, const std::stop_token& stop) const = 0;
};

/// A piece of a word that has become a token.
struct Piece {
  std::int32_t id = 0;
  GlyphRange range;
  bool is_unknown = false;
};

/// Where a model puts its pieces.
struct ModelOutput {
  std::vector<Piece> pieces;
  std::uint64_t n_dropped = 0;  ///< characters for which the vocabulary has no token at all
  std::stop_token stop;
};

/// Turns one word into tokens of the vocabulary.
class TokenModel {
 public:
  virtual ~TokenModel() = default;
  /// Errors  Error when a word is unknown and there is no token for that; Cancelled.
  virtual void tokenize(const Glyphs& text, GlyphRange word, ModelOutput& output) const = 0;
  virtual std::int32_t unknown_id() const = 0;
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

/// What post_processor makes of one text or two: special tokens around them, token types, trimmed offsets.
struct TokenTemplate {
  struct Special {
    std::int32_t id = 0;
    std::string text;
  };
  struct Item {
    int part = -1;                  ///< 0 or 1: the tokens of that text; -1: the specials
    std::vector<Special> specials;  ///< when part is -1
    std::int32_t type = 0;
  };
  enum class Trim { kNone, kSpaces, kAddedSpaceKept };  ///< kAddedSpaceKept: but not the one space that was put before the text

  std::vector<Item> single{Item{0, {}, 0}};
  std::vector<Item> pair;  ///< empty: no template for pairs
  Trim trim = Trim::kNone;
};

/// Tokens back to text, in steps over their spellings.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void decode(std::vector<std::string>& tokens) const = 0;
};

/// Everything that tokenizer.json describes.
struct TokenizerParts {
  Vocabulary vocabulary;  ///< the model's and the added tokens
  std::vector<AddedToken> added;
  std::unique_ptr<Normalizer> normalizer;       ///< may be null
  std::unique_ptr<PreTokenizer> pre_tokenizer;  ///< may be null: one word
  std::unique_ptr<TokenModel> model;
  TokenTemplate post;
  std::unique_ptr<Decoder> decoder;  ///< may be null: spaces between the tokens
  std::vector<std::string> notices;
};

/// Where in the file a component stands, for messages: "…/tokenizer.json: normalizer".
struct ComponentPlace {
  std::string file;
  std::string field;
  int depth = 0;  ///< of Sequences in Sequences
};
/// "…/tokenizer.json: normalizer"
std::string at(const ComponentPlace& place);

// One reader a kind of component; each knows its own types by a table. null and absent give nullptr.
// Errors  Error naming file, field and the type that is not known.
std::unique_ptr<Normalizer> read_normalizer(const JsonValue* json, const ComponentPlace& place);
std::unique_ptr<PreTokenizer> read_pre_tokenizer(const JsonValue* json, const ComponentPlace& place);
std::unique_ptr<Decoder> read_decoder(const JsonValue* json, const ComponentPlace& place);
TokenTemplate read_post_processor(const JsonValue* json, const ComponentPlace& place, const Vocabulary& vocabulary);
/// Fills parts.model and parts.vocabulary. A model without "type" is what its members say.
void read_token_model(const JsonValue& json, const ComponentPlace& place, TokenizerParts& parts);

/// The tokenizer that runs these parts.
std::unique_ptr<Tokenizer> make_pipeline_tokenizer(TokenizerParts parts);

}  // namespace headroom
