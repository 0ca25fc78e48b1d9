#include "core/formats/bpe.h"

#include <array>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/formats/component_json.h"
#include "core/formats/file.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kMaxMerges = 10000000;

enum class Unknowns { kEach, kFused };
enum class Fallback { kNone, kBytes };      ///< kBytes: an unknown character becomes its bytes, <0xE2><0x98><0x83>
enum class WholeWords { kMerged, kTaken };  ///< kTaken: a word of the vocabulary is one token whatever the merges make of it

struct BpeOptions {
  std::string unknown;  // "" when there is none
  std::string prefix;   // of what does not begin a word, e.g. "##"
  std::string suffix;   // of what ends a word, e.g. "</w>"
  Unknowns unknowns = Unknowns::kEach;
  Fallback fallback = Fallback::kNone;
  WholeWords whole_words = WholeWords::kMerged;
};

/// Pairs of characters that stand side by side in some token. Where a text has another pair, nothing merges across it, so that a long text
/// without spaces is merged in short stretches. Some pairs that are not there seem to be; that costs time only.
class InnerPairs {
 public:
  void add(std::string_view token) {
    char32_t last = 0;
    for (std::size_t i = 0; i < token.size();) {
      const Utf8Step step = decode_utf8(token, i);
      if (i > 0) bits_[hash(last, step.code_point)] = true;
      last = step.code_point;
      i += step.bytes;
    }
  }
  bool may_have(char32_t left, char32_t right) const { return bits_[hash(left, right)]; }

 private:
  static constexpr int kBits = 20;
  static std::size_t hash(char32_t left, char32_t right) {
    return static_cast<std::size_t>(((static_cast<std::uint64_t>(left) << 32 | right) * 0x9E3779B97F4A7C15u) >> (64 - kBits));
  }
  std::vector<bool> bits_ = std::vector<bool>(std::size_t{1} << kBits);
};

/// Byte-pair encoding of a word's characters.
class BpeModel : public TokenModel {
 public:
  BpeModel(const Vocabulary& vocabulary, BpeMerges merges, BpeOptions options)
      : merges_(std::move(merges)), options_(std::move(options)), vocabulary_(vocabulary) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      static constexpr char kDigits[] = "0123456789ABCDEF";
      const std::string name = std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">";
      byte_ids_[byte] = options_.fallback == Fallback::kBytes ? vocabulary.id_of(name) : -1;
    }
    direct_.fill(-1);
    for (const auto& [text, id] : vocabulary.entries()) {
      inner_pairs_.add(text);
      if (text.empty() || decode_utf8(text, 0).bytes != text.size()) continue;
      const char32_t c = decode_utf8(text, 0).code_point;
      (c < direct_.size() ? direct_[c] : others_[c]) = id;
    }
    unknown_id_ = options_.unknown.empty() ? -1 : vocabulary.id_of(options_.unknown);
  }

  std::int32_t unknown_id() const override { return unknown_id_; }

  void tokenize(const Glyphs& text, GlyphRange word, ModelOutput& output) const override {
    if (options_.whole_words == WholeWords::kTaken && word.end - word.begin <= vocabulary_.longest())
      if (const std::int32_t id = vocabulary_.id_of(to_utf8(text, word)); id >= 0) {
        output.pieces.push_back({id, word, false});
        return;
      }
    Symbols symbols;
    for (std::size_t i = word.begin; i < word.end; ++i) {
      if (symbols.list.size() > kCutAfter && can_cut(text, i)) flush(text, word, symbols, output);
      const std::size_t n_bytes = utf8_length(text[i].code_point);
      const std::int32_t id = id_of(text, i, word);
      if (id >= 0) {
        add_unknown(symbols);
        add(symbols, id, n_bytes);
      } else if (!add_bytes(symbols, spelling_of(text, i, word))) {
        meet_unknown(symbols, text, i, output);
      }
    }
    add_unknown(symbols);
    flush(text, word, symbols, output);
  }

 private:
  static constexpr std::size_t kCutAfter = 64;

  /// The symbols of the word so far. As in the reference, each stands where the ones before it end.
  struct Symbols {
    std::vector<BpeSymbol> list;
    std::uint32_t end = 0;      // in bytes of the word
    std::size_t n_unknown = 0;  // bytes that wait to become one unknown token
    bool has_unknown = false;
    std::size_t glyph = 0;  // of the word, and the byte that it begins at: where flush went on
    std::size_t glyph_begin = 0;
  };

  static void add(Symbols& symbols, std::int32_t id, std::size_t n_bytes) {
    const std::uint32_t begin = symbols.end;
    symbols.end += static_cast<std::uint32_t>(n_bytes);
    symbols.list.push_back({id, begin, symbols.end});
  }
  void add_unknown(Symbols& symbols) const {
    if (!symbols.has_unknown) return;
    add(symbols, unknown_id_, symbols.n_unknown);
    symbols.has_unknown = false;
    symbols.n_unknown = 0;
  }
  bool add_bytes(Symbols& symbols, const std::string& spelling) const {
    if (options_.fallback == Fallback::kNone) return false;
    for (const char c : spelling)
      if (byte_ids_[static_cast<unsigned char>(c)] < 0) return false;
    for (const char c : spelling)
      add(symbols, byte_ids_[static_cast<unsigned char>(c)], 1);
    return true;
  }
  void meet_unknown(Symbols& symbols, const Glyphs& text, std::size_t i, ModelOutput& output) const {
    const std::size_t n_bytes = utf8_length(text[i].code_point);
    if (options_.unknown.empty()) {
      ++output.n_dropped;
      symbols.end += static_cast<std::uint32_t>(n_bytes);  // what comes after keeps its place
      return;
    }
    if (unknown_id_ < 0)
      throw Error(in_quotes(to_utf8(text, {i, i + 1})) + " is not in the vocabulary, and neither is its unk_token " +
                  in_quotes(options_.unknown, 60));
    if (options_.unknowns == Unknowns::kEach) add_unknown(symbols);
    symbols.has_unknown = true;
    symbols.n_unknown += n_bytes;
  }

  std::string spelling_of(const Glyphs& text, std::size_t i, GlyphRange word) const {
    std::string spelling = i > word.begin ? options_.prefix : std::string();
    append_utf8(spelling, text[i].code_point);
    if (i + 1 == word.end) spelling += options_.suffix;
    return spelling;
  }
  std::int32_t id_of(char32_t c) const {
    if (c < direct_.size()) return direct_[c];
    const auto found = others_.find(c);
    return found == others_.end() ? -1 : found->second;
  }
  std::int32_t id_of(const Glyphs& text, std::size_t i, GlyphRange word) const {
    const bool is_bare = (options_.prefix.empty() || i == word.begin) && (options_.suffix.empty() || i + 1 < word.end);
    return is_bare ? id_of(text[i].code_point) : vocabulary_.id_of(spelling_of(text, i, word));
  }
  /// Whether no token can hold both glyph i - 1 and glyph i.
  bool can_cut(const Glyphs& text, std::size_t i) const {
    const char32_t left = text[i - 1].code_point, right = text[i].code_point;
    return options_.prefix.empty() && options_.suffix.empty() && id_of(left) >= 0 && id_of(right) >= 0 &&
           !inner_pairs_.may_have(left, right);
  }

  /// Merges the symbols and turns places in bytes into glyphs.
  void flush(const Glyphs& text, GlyphRange word, Symbols& symbols, ModelOutput& output) const {
    merges_.apply(symbols.list, output.stop);
    const std::size_t n_glyphs = word.end - word.begin;
    const auto glyph_at = [&](std::size_t byte) {  // places never go back
      while (symbols.glyph + 1 < n_glyphs) {
        const std::size_t end = symbols.glyph_begin + utf8_length(text[word.begin + symbols.glyph].code_point);
        if (byte < end) break;
        symbols.glyph_begin = end;
        ++symbols.glyph;
      }
      return word.begin + symbols.glyph;
    };
    for (const BpeSymbol& symbol : symbols.list) {
      const std::size_t first = glyph_at(symbol.begin);
      const std::size_t last = glyph_at(symbol.end - 1);
      output.pieces.push_back({symbol.id, {first, last + 1}, symbol.id == unknown_id_});
    }
    symbols.list.clear();
  }

  BpeMerges merges_;
  BpeOptions options_;
  Vocabulary vocabulary_;  // the model's own words
  InnerPairs inner_pairs_;
  std::array<std::int32_t, 256> byte_ids_{};
  std::array<std::int32_t, 0x800> direct_{};  // [code point] ids of single characters; the rest is in others_
  std::unordered_map<char32_t, std::int32_t> others_;
  std::int32_t unknown_id_ = -1;
};

struct MergeParts {
  std::string_view left, right;
};

/// The two parts of a merge: "Ġ t", or ["Ġ", "t"].
MergeParts read_pair(const JsonValue& json, const std::string& list, std::size_t i) {
  if (json.is(JsonValue::Type::kArray) && json.items.size() == 2 && json.items[0].is(JsonValue::Type::kString) &&
      json.items[1].is(JsonValue::Type::kString))
    return {json.items[0].string, json.items[1].string};
  if (json.is(JsonValue::Type::kString)) {
    const std::string_view text = json.string;
    const std::size_t space = text.find(' ');
    if (space != std::string_view::npos && text.find(' ', space + 1) == std::string_view::npos)
      return {text.substr(0, space), text.substr(space + 1)};
  }
  throw Error(list + "[" + std::to_string(i) + "] is " + describe(json) +
              ", where two texts, or one with a single space between them, are needed");
}

/// The merges of a list, each of two words of the vocabulary to a third. Errors  Error naming the merge.
BpeMerges read_merges(const std::vector<JsonValue>& items, const std::string& list, const Vocabulary& vocabulary,
                      std::string_view prefix) {
  BpeMerges merges;
  merges.reserve(items.size());
  std::string joined;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const JsonValue& item = items[i];
    if (item.is(JsonValue::Type::kString) && item.string.starts_with("#version")) continue;  // the first line of merges.txt
    const MergeParts parts = read_pair(item, list, i);
    const auto id_of = [&](std::string_view text) {
      const std::int32_t id = vocabulary.id_of(text);
      if (id < 0) throw Error(list + "[" + std::to_string(i) + "] needs " + in_quotes(text, 60) + ", which is not in the vocab");
      return id;
    };
    const std::int32_t left = id_of(parts.left), right = id_of(parts.right);
    if (parts.right.size() < prefix.size())
      throw Error(list + "[" + std::to_string(i) + "] has the part " + in_quotes(parts.right, 60) +
                  ", shorter than the continuing_subword_prefix " + in_quotes(prefix, 60));
    joined.assign(parts.left).append(parts.right.substr(prefix.size()));
    merges.add({left, right, id_of(joined)});
  }
  return merges;
}

std::string read_optional_text(const JsonValue& json, const char* name, const ComponentPlace& place) {
  const JsonValue* value = json.find_set(name);
  if (value == nullptr) return "";
  if (!value->is(JsonValue::Type::kString)) throw Error(at(place) + " has an " + name + " that is " + describe(*value));
  return value->string;
}

void read_dropout(const JsonValue& json, const ComponentPlace& place, std::vector<std::string>& notices) {
  const JsonValue* value = json.find_set("dropout");
  if (value == nullptr) return;
  if (!value->is_number() || value->number() < 0 || value->number() > 1)
    throw Error(at(place) + " has a dropout of " + describe(*value) + ", where a number from 0 to 1 is needed");
  if (value->number() > 0)
    notices.push_back("The tokenizer's dropout of " + describe(*value) +
                      " is not applied: the same text always gives the same tokens.");
}

}  // namespace

std::unique_ptr<TokenModel> read_bpe(const JsonValue& json, const ComponentPlace& place, TokenizerParts& parts) {
  BpeOptions options;
  options.unknown = read_optional_text(json, "unk_token", place);
  options.prefix = read_optional_text(json, "continuing_subword_prefix", place);
  options.suffix = read_optional_text(json, "end_of_word_suffix", place);
  if (read_flag(json, "fuse_unk", false, place)) options.unknowns = Unknowns::kFused;
  if (read_flag(json, "byte_fallback", false, place)) options.fallback = Fallback::kBytes;
  if (read_flag(json, "ignore_merges", false, place)) options.whole_words = WholeWords::kTaken;
  read_dropout(json, place, parts.notices);
  parts.vocabulary = read_vocabulary(json, place);
  const JsonValue* list = json.find("merges");
  if (list == nullptr || !list->is(JsonValue::Type::kArray)) throw Error(at(place) + " needs a list \"merges\"");
  if (list->items.size() > kMaxMerges)
    throw Error(at(place) + " has " + counted(list->items.size(), "merge") + ", more than the limit of " +
                with_thousands(kMaxMerges));
  BpeMerges merges = read_merges(list->items, at(place) + ": merges", parts.vocabulary, options.prefix);
  return std::make_unique<BpeModel>(parts.vocabulary, std::move(merges), std::move(options));
}

}  // namespace headroom
