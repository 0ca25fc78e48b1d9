#include <limits>
#include <utility>

#include "core/formats/component_json.h"
#include "core/formats/file.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kMaxId = std::numeric_limits<std::int32_t>::max();

using Item = TokenTemplate::Item;
using Special = TokenTemplate::Special;

Special check_special(const JsonValue& id, const JsonValue& text, const std::string& name, const Vocabulary& vocabulary) {
  if (!id.is(JsonValue::Type::kUnsigned) || id.unsigned_value > kMaxId || !text.is(JsonValue::Type::kString))
    throw Error(name + " needs ids from 0 to " + std::to_string(kMaxId) + " and texts, but it has " + describe(id) + " and " +
                describe(text));
  const auto number = static_cast<std::int32_t>(id.unsigned_value);
  if (vocabulary.text_of(number).empty()) throw Error(name + " names the id " + describe(id) + ", which is not in the vocabulary");
  return {number, text.string};
}

/// The specials of a template's special_tokens entry.
std::vector<Special> read_specials(const JsonValue& entry, const std::string& name, const Vocabulary& vocabulary) {
  const JsonValue* ids = entry.find("ids");
  const JsonValue* texts = entry.find("tokens");
  if (ids == nullptr || !ids->is(JsonValue::Type::kArray) || texts == nullptr || !texts->is(JsonValue::Type::kArray) ||
      ids->items.size() != texts->items.size())
    throw Error(name + " needs lists \"ids\" and \"tokens\" of one length");
  std::vector<Special> specials;
  for (std::size_t i = 0; i < ids->items.size(); ++i)
    specials.push_back(check_special(ids->items[i], texts->items[i], name, vocabulary));
  return specials;
}

/// Reads the lists "single" and "pair" of a TemplateProcessing.
class TemplateReader {
 public:
  TemplateReader(const JsonValue& json, const ComponentPlace& place, const Vocabulary& vocabulary)
      : json_(json), place_(place), vocabulary_(vocabulary) {}

  /// Edge  A "pair" without both texts is none.
  std::vector<Item> read(const char* name, int n_parts) const {
    const JsonValue* list = json_.find(name);
    if (list == nullptr || !list->is(JsonValue::Type::kArray)) throw Error(at(place_) + " needs a list \"" + name + "\"");
    std::vector<Item> items;
    int n_seen[2] = {0, 0};
    for (const JsonValue& json : list->items) {
      Item item = read_item(json, name);
      if (item.part >= 0) ++n_seen[item.part];
      items.push_back(std::move(item));
    }
    if (n_seen[0] == 1 && n_seen[1] == n_parts - 1) return items;
    if (n_parts == 2) return {};
    throw Error(at(place_) + ": \"" + name + "\" must hold the Sequence \"A\" once and no other");
  }

 private:
  Item read_item(const JsonValue& json, const char* list) const {
    const JsonValue* special = json.find("SpecialToken");
    const JsonValue* sequence = json.find("Sequence");
    const JsonValue* body = special != nullptr ? special : sequence;
    const JsonValue* id = body == nullptr ? nullptr : body->find("id");
    if (json.members.size() != 1 || id == nullptr || !id->is(JsonValue::Type::kString))
      throw Error(at(place_) + ": each item of \"" + list + "\" must be a SpecialToken or a Sequence with an \"id\"");
    Item item;
    if (body->find("type_id") != nullptr)
      item.type = static_cast<std::int32_t>(read_count(*body, "type_id", kMaxId, {place_.file, place_.field + ": " + list, 0}));
    if (sequence != nullptr) {
      if (id->string != "A" && id->string != "B")
        throw Error(at(place_) + ": \"" + list + "\" has the Sequence " + describe(*id) + ", which is neither A nor B");
      item.part = id->string == "A" ? 0 : 1;
      return item;
    }
    const JsonValue* specials = json_.find("special_tokens");
    const JsonValue* entry = specials == nullptr ? nullptr : specials->find(id->string);
    if (entry == nullptr)
      throw Error(at(place_) + " names the special token " + describe(*id) + ", which its special_tokens do not list");
    item.specials = read_specials(*entry, at(place_) + ": the special token " + describe(*id), vocabulary_);
    return item;
  }

  const JsonValue& json_;
  const ComponentPlace& place_;
  const Vocabulary& vocabulary_;
};

/// A "sep" or "cls": a text and its id.
Special read_text_and_id(const JsonValue& json, const char* name, const ComponentPlace& place, const Vocabulary& vocabulary) {
  const JsonValue* pair = json.find(name);
  if (pair == nullptr || !pair->is(JsonValue::Type::kArray) || pair->items.size() != 2)
    throw Error(at(place) + " needs a \"" + name + "\" of a text and an id");
  return check_special(pair->items[1], pair->items[0], at(place) + ": " + name, vocabulary);
}

TokenTemplate::Trim read_trim(const JsonValue& json, const ComponentPlace& place) {
  if (!read_flag(json, "trim_offsets", true, place)) return TokenTemplate::Trim::kNone;
  return read_flag(json, "add_prefix_space", true, place) ? TokenTemplate::Trim::kAddedSpaceKept : TokenTemplate::Trim::kSpaces;
}

/// Puts what the component says into the template. Errors  Error, also when a Sequence holds two templates.
void read_into(const JsonValue& json, const ComponentPlace& place, const Vocabulary& vocabulary, TokenTemplate& post) {
  const std::string& type = component_type(json, place);
  if (type == "Sequence") {
    for (const JsonValue& step : read_steps(json, "processors", place))
      read_into(step, {place.file, place.field, place.depth + 1}, vocabulary, post);
    return;
  }
  if (type == "ByteLevel") {
    post.trim = read_trim(json, place);
    return;
  }
  if (post.single.size() > 1) throw Error(at(place) + " has two templates, which is not supported");
  const auto around = [](const Special& special, std::int32_t kind) { return Item{-1, {special}, kind}; };
  if (type == "TemplateProcessing") {
    const TemplateReader reader(json, place, vocabulary);
    post.single = reader.read("single", 1);
    if (json.find_set("pair") != nullptr) post.pair = reader.read("pair", 2);
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    const bool is_roberta = type == "RobertaProcessing";
    const Special cls = read_text_and_id(json, "cls", place, vocabulary), sep = read_text_and_id(json, "sep", place, vocabulary);
    const std::int32_t second = is_roberta ? 0 : 1;  // RoBERTa knows no token types
    post.single = {around(cls, 0), Item{0, {}, 0}, around(sep, 0)};
    post.pair = post.single;
    if (is_roberta) post.pair.push_back(around(sep, 0));
    post.pair.push_back(Item{1, {}, second});
    post.pair.push_back(around(sep, second));
    if (is_roberta) post.trim = read_trim(json, place);
  } else {
    throw Error(at(place) + " has the type " + in_quotes(type, 60) +
                ", which is not supported (BertProcessing, ByteLevel, RobertaProcessing, Sequence, TemplateProcessing are)");
  }
}

}  // namespace

TokenTemplate read_post_processor(const JsonValue* json, const ComponentPlace& place, const Vocabulary& vocabulary) {
  TokenTemplate post;
  if (json != nullptr && !json->is(JsonValue::Type::kNull)) read_into(*json, place, vocabulary, post);
  return post;
}

}  // namespace headroom
