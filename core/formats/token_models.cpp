#include <utility>

#include "core/formats/component_json.h"
#include "core/formats/file.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// A word is in the vocabulary or it is unknown.
class WordLevel : public TokenModel {
 public:
  WordLevel(const Vocabulary& vocabulary, std::string unknown) : vocabulary_(vocabulary), unknown_(std::move(unknown)) {}

  void tokenize(const Glyphs& text, GlyphRange word, ModelOutput& output) const override {
    const std::string spelling = to_utf8(text, word);
    std::int32_t id = vocabulary_.id_of(spelling);
    const bool is_unknown = id < 0;
    if (is_unknown) id = unknown_id();
    if (id < 0)
      throw Error("the word " + in_quotes(spelling, 60) + " is not in the vocabulary, and neither is its unk_token " +
                  in_quotes(unknown_, 60));
    output.pieces.push_back({id, word, is_unknown});
  }
  std::int32_t unknown_id() const override { return vocabulary_.id_of(unknown_); }

 private:
  Vocabulary vocabulary_;  // the model's own words: an added token is no word
  std::string unknown_;
};

std::unique_ptr<TokenModel> read_word_level(const JsonValue& json, const ComponentPlace& place, TokenizerParts& parts) {
  std::string unknown = read_text(json, "unk_token", place);
  parts.vocabulary = read_vocabulary(json, place);
  return std::make_unique<WordLevel>(parts.vocabulary, std::move(unknown));
}

/// What a model without "type" is, as older files write them.
std::string_view type_by_members(const JsonValue& json, const ComponentPlace& place) {
  const JsonValue* vocab = json.find("vocab");
  if (vocab == nullptr) component_type(json, place);  // throws: nothing tells
  if (json.find("merges") != nullptr) return "BPE";
  if (vocab->is(JsonValue::Type::kArray)) return "Unigram";
  return json.find("max_input_chars_per_word") != nullptr ? "WordPiece" : "WordLevel";
}

using Reader = std::unique_ptr<TokenModel> (*)(const JsonValue&, const ComponentPlace&, TokenizerParts&);

constexpr std::pair<std::string_view, Reader> kReaders[] = {
    {"BPE", read_bpe}, {"Unigram", read_unigram}, {"WordLevel", read_word_level}, {"WordPiece", read_word_piece}};

}  // namespace

void read_token_model(const JsonValue& json, const ComponentPlace& place, TokenizerParts& parts) {
  if (!json.is(JsonValue::Type::kObject)) throw Error(at(place) + " must be an object, but it is " + describe(json));
  const std::string_view type =
      json.find("type") != nullptr ? std::string_view(component_type(json, place)) : type_by_members(json, place);
  for (const auto& [name, read] : kReaders)
    if (type == name) {
      parts.model = read(json, place, parts);
      return;
    }
  throw Error(at(place) + " has the type " + in_quotes(type, 60) +
              ", which is not supported (BPE, Unigram, WordLevel, WordPiece are)");
}

}  // namespace headroom
