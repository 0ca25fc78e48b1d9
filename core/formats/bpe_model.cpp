#include <array>
#include <string>
#include <utility>

#include "core/formats/bpe.h"
#include "core/formats/byte_level.h"
#include "core/formats/file.h"
#include "core/formats/tokenizer_pipeline.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kMaxMerges = 10000000;

/// Byte-pair encoding of a word's UTF-8 bytes: no text is unknown when the vocabulary has all bytes.
class ByteLevelBpe : public TokenModel {
 public:
  ByteLevelBpe(const Vocabulary& vocabulary, BpeMerges merges, std::int32_t unknown_id)
      : merges_(std::move(merges)), unknown_id_(unknown_id) {
    for (std::size_t byte = 0; byte < 256; ++byte)
      ids_[byte] = vocabulary.id_of(to_utf8(std::u32string(1, byte_characters()[byte])));
  }

  void tokenize(const Glyphs& text, GlyphRange word, std::vector<Piece>& pieces) const override {
    std::string bytes;
    std::vector<std::size_t> glyph_of;  // the glyph that each byte belongs to
    for (std::size_t i = word.begin; i < word.end; ++i) {
      append_utf8(bytes, text[i].code_point);
      glyph_of.resize(bytes.size(), i);
    }
    // Bytes that the vocabulary lacks part the word: nothing merges across them.
    std::vector<std::int32_t> symbols;
    std::size_t at = 0;  // the first byte that has no piece yet
    const auto flush = [&] {
      merges_.apply(symbols);
      for (const std::int32_t symbol : symbols) {
        const std::size_t end = at + n_bytes_[static_cast<std::size_t>(symbol)];
        pieces.push_back({symbol, {glyph_of[at], glyph_of[end - 1] + 1}, false});
        at = end;
      }
      symbols.clear();
    };
    for (const char c : bytes) {
      const auto byte = static_cast<unsigned char>(c);
      if (ids_[byte] >= 0) {
        symbols.push_back(ids_[byte]);
        continue;
      }
      flush();
      if (unknown_id_ < 0)
        throw Error("the byte " + std::to_string(byte) + " of " + in_quotes(bytes, 60) +
                    " is not in the vocabulary, which has no unk_token either");
      pieces.push_back({unknown_id_, {glyph_of[at], glyph_of[at] + 1}, true});
      ++at;
    }
    flush();
  }
  std::int32_t unknown_id() const override { return unknown_id_; }
  bool reads_bytes() const override { return true; }

  /// [largest id + 1] bytes of each symbol; 0 where it is no symbol that bytes can become.
  void set_lengths(std::vector<std::size_t> n_bytes) { n_bytes_ = std::move(n_bytes); }

 private:
  BpeMerges merges_;
  std::array<std::int32_t, 256> ids_{};
  std::vector<std::size_t> n_bytes_;
  std::int32_t unknown_id_ = -1;
};

/// The two parts of a merge: "Ġ t", or ["Ġ", "t"].
std::pair<std::string, std::string> read_pair(const JsonValue& json, const std::string& at) {
  if (json.is(JsonValue::Type::kArray) && json.items.size() == 2 && json.items[0].is(JsonValue::Type::kString) &&
      json.items[1].is(JsonValue::Type::kString))
    return {json.items[0].string, json.items[1].string};
  if (json.is(JsonValue::Type::kString)) {
    const std::size_t space = json.string.find(' ');
    if (space != std::string::npos && json.string.find(' ', space + 1) == std::string::npos)
      return {json.string.substr(0, space), json.string.substr(space + 1)};
  }
  throw Error(at + " is " + describe(json) + ", where two texts, or one with a single space between them, are needed");
}

/// What byte-level vocabularies leave out, and what would change the ids if it were ignored.
void refuse_what_differs(const JsonValue& json, const ComponentPlace& place) {
  for (const char* name : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    const JsonValue* value = json.find_set(name);
    const bool is_nothing = value == nullptr || (value->is(JsonValue::Type::kString) && value->string.empty()) ||
                            (value->is_number() && value->number() == 0);
    if (!is_nothing) throw Error(place.file + ": " + place.field + " has a " + name + ", which is not supported");
  }
  for (const char* name : {"byte_fallback", "ignore_merges"})
    if (read_flag(json, name, false, place))
      throw Error(place.file + ": " + place.field + " has " + name + " = true, which is not supported");
}

}  // namespace

void read_byte_level_bpe(const JsonValue& json, const ComponentPlace& place, TokenizerParts& parts) {
  const std::string at = place.file + ": " + place.field;
  refuse_what_differs(json, place);
  parts.vocabulary = read_vocabulary(json, place);
  const JsonValue* list = json.find("merges");
  if (list == nullptr || !list->is(JsonValue::Type::kArray)) throw Error(at + " needs a list \"merges\"");
  if (list->items.size() > kMaxMerges)
    throw Error(at + " has " + counted(list->items.size(), "merge") + ", more than the limit of " + with_thousands(kMaxMerges));

  std::vector<std::size_t> n_bytes(static_cast<std::size_t>(parts.vocabulary.size()));
  for (const char32_t character : byte_characters())
    if (const std::int32_t id = parts.vocabulary.id_of(to_utf8(std::u32string(1, character))); id >= 0)
      n_bytes[static_cast<std::size_t>(id)] = 1;
  BpeMerges merges;
  for (std::size_t i = 0; i < list->items.size(); ++i) {
    const std::string here = at + ": merges[" + std::to_string(i) + "]";
    const auto [left, right] = read_pair(list->items[i], here);
    const auto id_of = [&](const std::string& text) {
      const std::int32_t id = parts.vocabulary.id_of(text);
      if (id < 0) throw Error(here + " needs " + in_quotes(text, 60) + ", which is not in the vocab");
      return id;
    };
    const BpeMerges::Merge merge{id_of(left), id_of(right), id_of(left + right)};
    const std::size_t length = n_bytes[static_cast<std::size_t>(merge.left)] + n_bytes[static_cast<std::size_t>(merge.right)];
    if (n_bytes[static_cast<std::size_t>(merge.left)] == 0 || n_bytes[static_cast<std::size_t>(merge.right)] == 0)
      throw Error(here + " joins " + in_quotes(left, 60) + " and " + in_quotes(right, 60) +
                  ", of which no earlier merge makes one");
    std::size_t& known = n_bytes[static_cast<std::size_t>(merge.merged)];
    if (known != 0 && known != length)
      throw Error(here + " makes the id " + std::to_string(merge.merged) + ", which stands for a piece of another length already");
    known = length;
    merges.add(merge);
  }
  std::int32_t unknown_id = -1;
  if (const JsonValue* unknown = json.find_set("unk_token")) {
    if (!unknown->is(JsonValue::Type::kString)) throw Error(at + " has an unk_token that is " + describe(*unknown));
    unknown_id = parts.vocabulary.id_of(unknown->string);
  }
  auto model = std::make_unique<ByteLevelBpe>(parts.vocabulary, std::move(merges), unknown_id);
  model->set_lengths(std::move(n_bytes));
  parts.model = std::move(model);
}

}  // namespace headroom
