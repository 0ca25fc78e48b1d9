#include <algorithm>
#include <limits>

#include "core/formats/file.h"
#include "core/formats/tokenizer_pipeline.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::uint64_t kMaxId = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t kMaxEntries = 10000000;

/// A word is in the vocabulary or it is unknown.
class WordLevel : public TokenModel {
 public:
  WordLevel(const Vocabulary& vocabulary, std::string unknown) : vocabulary_(vocabulary), unknown_(std::move(unknown)) {}

  void tokenize(const Glyphs& text, GlyphRange word, std::vector<Piece>& pieces) const override {
    std::string spelling;
    spelling.reserve(word.end - word.begin);
    for (std::size_t i = word.begin; i < word.end; ++i)
      append_utf8(spelling, text[i].code_point);
    std::int32_t id = vocabulary_.id_of(spelling);
    const bool is_unknown = id < 0;
    if (is_unknown) id = unknown_id();
    if (id < 0)
      throw Error("the word " + in_quotes(spelling, 60) + " is not in the vocabulary, and neither is its unk_token " +
                  in_quotes(unknown_, 60));
    pieces.push_back({id, word, is_unknown});
  }
  std::int32_t unknown_id() const override { return vocabulary_.id_of(unknown_); }

 private:
  Vocabulary vocabulary_;  // the model's own words: an added token is no word
  std::string unknown_;
};

std::string at(const ComponentPlace& place) { return place.file + ": " + place.field; }

void read_word_level(const JsonValue& json, const ComponentPlace& place, TokenizerParts& parts) {
  const JsonValue* unknown = json.find("unk_token");
  if (unknown == nullptr || !unknown->is(JsonValue::Type::kString)) throw Error(at(place) + " needs a text \"unk_token\"");
  parts.vocabulary = read_vocabulary(json, place);
  parts.model = std::make_unique<WordLevel>(parts.vocabulary, unknown->string);
}

}  // namespace

Vocabulary read_vocabulary(const JsonValue& json, const ComponentPlace& place) {
  const JsonValue* vocab = json.find("vocab");
  if (vocab == nullptr || !vocab->is(JsonValue::Type::kObject)) throw Error(at(place) + " needs an object \"vocab\"");
  if (vocab->members.empty()) throw Error(at(place) + " has an empty vocab");
  if (vocab->members.size() > kMaxEntries)
    throw Error(at(place) + " has a vocab of " + counted(vocab->members.size(), "word") + ", more than the limit of " +
                with_thousands(kMaxEntries));
  Vocabulary vocabulary;
  for (const auto& [word, id] : vocab->members) {
    if (!id.is(JsonValue::Type::kUnsigned) || id.unsigned_value > kMaxId)
      throw Error(at(place) + " gives " + in_quotes(word, 60) + " the id " + describe(id) + ", where an integer from 0 to " +
                  std::to_string(kMaxId) + " is needed");
    vocabulary.add(word, static_cast<std::int32_t>(id.unsigned_value));
  }
  return vocabulary;
}

void Vocabulary::add(std::string text, std::int32_t id) {
  by_id_.try_emplace(id, entries_.size());
  ids_.insert_or_assign(text, id);
  entries_.emplace_back(std::move(text), id);
  max_id_ = std::max<std::int64_t>(max_id_, id);
}

std::int32_t Vocabulary::id_of(std::string_view text) const {
  const auto found = ids_.find(std::string(text));
  return found == ids_.end() ? -1 : found->second;
}

std::string_view Vocabulary::text_of(std::int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? std::string_view{} : std::string_view(entries_[found->second].first);
}

void read_token_model(const JsonValue& json, const ComponentPlace& place, TokenizerParts& parts) {
  if (!json.is(JsonValue::Type::kObject)) throw Error(at(place) + " must be an object, but it is " + describe(json));
  const std::string& type = component_type(json, place);
  if (type == "WordLevel") return read_word_level(json, place, parts);
  if (type == "BPE") return read_byte_level_bpe(json, place, parts);
  throw Error(at(place) + " has the type " + in_quotes(type, 60) + ", which is not supported (WordLevel and BPE are)");
}

}  // namespace headroom
