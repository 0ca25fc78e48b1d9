#include <limits>

#include "core/formats/file.h"
#include "core/formats/tokenizer_pipeline.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::uint64_t kMaxTokenizerBytes = 256u << 20;
constexpr std::size_t kMaxAddedTokens = 1000000;
constexpr std::size_t kMaxAddedBytes = 1024;  // bounds the work of looking for them at every position
constexpr std::int64_t kMaxId = std::numeric_limits<std::int32_t>::max();

/// Reads added_tokens. As in the reference, a declared id counts for nothing: a content of the vocabulary keeps its id there, a new one
/// gets the next free id.
void read_added_tokens(const JsonValue* json, const ComponentPlace& place, TokenizerParts& parts) {
  if (json == nullptr || json->is(JsonValue::Type::kNull)) return;
  const std::string at = place.file + ": " + place.field;
  if (!json->is(JsonValue::Type::kArray)) throw Error(at + " must be a list, but it is " + describe(*json));
  if (json->items.size() > kMaxAddedTokens)
    throw Error(at + " has " + counted(json->items.size(), "token") + ", more than the limit of " +
                with_thousands(kMaxAddedTokens));
  std::int64_t next_id = parts.vocabulary.size();
  for (std::size_t i = 0; i < json->items.size(); ++i) {
    const JsonValue& item = json->items[i];
    const ComponentPlace here{place.file, place.field + "[" + std::to_string(i) + "]", 0};
    const JsonValue* content = item.find("content");
    if (content == nullptr || !content->is(JsonValue::Type::kString))
      throw Error(here.file + ": " + here.field + " needs a text \"content\"");
    if (content->string.size() > kMaxAddedBytes)
      throw Error(here.file + ": " + here.field + " has a content of " + counted(content->string.size(), "byte") +
                  ", more than the limit of " + with_thousands(kMaxAddedBytes));
    AddedToken token;
    token.content = content->string;
    token.is_special = read_flag(item, "special", false, here);
    token.is_normalized = read_flag(item, "normalized", !token.is_special, here);
    token.is_single_word = read_flag(item, "single_word", false, here);
    token.strips_left = read_flag(item, "lstrip", false, here);
    token.strips_right = read_flag(item, "rstrip", false, here);
    const JsonValue* id = item.find("id");
    if (id == nullptr || !id->is(JsonValue::Type::kUnsigned) || id->unsigned_value > static_cast<std::uint64_t>(kMaxId))
      throw Error(here.file + ": " + here.field + " has the id " + (id == nullptr ? "(none)" : describe(*id)) +
                  ", where an integer from 0 to " + std::to_string(kMaxId) + " is needed");
    if (token.content.empty()) continue;
    token.id = parts.vocabulary.id_of(token.content);
    if (token.id < 0) {
      if (next_id > kMaxId) throw Error(here.file + ": " + here.field + " finds no free id");
      token.id = static_cast<std::int32_t>(next_id++);
      parts.vocabulary.add(token.content, token.id);
    }
    if (static_cast<std::uint64_t>(token.id) != id->unsigned_value)
      parts.notices.push_back("The added token " + in_quotes(token.content, 60) + " declares id " +
                              std::to_string(id->unsigned_value) + ", but has id " + std::to_string(token.id) + ".");
    parts.added.push_back(std::move(token));
  }
}

/// The specials of a template's special_tokens entry.
std::vector<TokenTemplate::Special> read_special(const JsonValue& entry, const std::string& at, const Vocabulary& vocabulary) {
  const JsonValue* ids = entry.find("ids");
  const JsonValue* texts = entry.find("tokens");
  if (ids == nullptr || !ids->is(JsonValue::Type::kArray) || texts == nullptr || !texts->is(JsonValue::Type::kArray) ||
      ids->items.size() != texts->items.size())
    throw Error(at + " needs lists \"ids\" and \"tokens\" of one length");
  std::vector<TokenTemplate::Special> specials;
  for (std::size_t i = 0; i < ids->items.size(); ++i) {
    const JsonValue& id = ids->items[i];
    if (!id.is(JsonValue::Type::kUnsigned) || id.unsigned_value > static_cast<std::uint64_t>(kMaxId) ||
        !texts->items[i].is(JsonValue::Type::kString))
      throw Error(at + " needs ids from 0 to " + std::to_string(kMaxId) + " and texts, but it has " + describe(id) + " and " +
                  describe(texts->items[i]));
    if (vocabulary.text_of(static_cast<std::int32_t>(id.unsigned_value)).empty())
      throw Error(at + " names the id " + describe(id) + ", which is not in the vocabulary");
    specials.push_back({static_cast<std::int32_t>(id.unsigned_value), texts->items[i].string});
  }
  return specials;
}

std::unique_ptr<Tokenizer> read_tokenizer(const JsonDocument& document, const std::string& file) {
  const JsonValue& root = document.root;
  if (!root.is(JsonValue::Type::kObject)) throw Error(file + ": must be an object, but it is " + describe(root));
  if (const JsonValue* version = root.find("version"))
    if (!version->is(JsonValue::Type::kString) || version->string != "1.0")
      throw Error(file + ": version is " + describe(*version) + ", but only \"1.0\" is known");
  const JsonValue* model = root.find("model");
  if (model == nullptr) throw Error(file + ": has no \"model\"");

  TokenizerParts parts;
  for (const std::string& name : document.duplicates)
    parts.notices.push_back(in_quotes(name, 60) + " is in " + file + " twice; the last one counts.");
  read_token_model(*model, {file, "model"}, parts);
  read_added_tokens(root.find("added_tokens"), {file, "added_tokens"}, parts);
  parts.normalizer = read_normalizer(root.find("normalizer"), {file, "normalizer"});
  parts.pre_tokenizer = read_pre_tokenizer(root.find("pre_tokenizer"), {file, "pre_tokenizer"});
  const bool makes_bytes = parts.pre_tokenizer != nullptr && parts.pre_tokenizer->makes_bytes();
  if (parts.model->reads_bytes() != makes_bytes)
    throw Error(file + ": a model of the type \"BPE\" and a pre_tokenizer of the type \"ByteLevel\" are supported only together");
  parts.post = read_post_processor(root.find("post_processor"), {file, "post_processor"}, parts.vocabulary);
  for (const char* name : {"truncation", "padding"})
    if (root.find_set(name) != nullptr) parts.notices.push_back(std::string("The tokenizer's ") + name + " is not applied.");
  return make_pipeline_tokenizer(std::move(parts));
}

}  // namespace

const std::string& component_type(const JsonValue& json, const ComponentPlace& place) {
  const JsonValue* type = json.find("type");
  if (type == nullptr || !type->is(JsonValue::Type::kString))
    throw Error(place.file + ": " + place.field + " needs a text \"type\"" +
                (json.is(JsonValue::Type::kObject) ? "" : ", but it is ") +
                (json.is(JsonValue::Type::kObject) ? "" : describe(json)));
  return type->string;
}

bool read_flag(const JsonValue& json, const char* name, bool fallback, const ComponentPlace& place) {
  const JsonValue* value = json.find(name);
  if (value == nullptr) return fallback;
  if (!value->is(JsonValue::Type::kBool))
    throw Error(place.file + ": " + place.field + " has " + name + " = " + describe(*value) + ", where true or false is needed");
  return value->boolean;
}

TokenTemplate read_post_processor(const JsonValue* json, const ComponentPlace& place, const Vocabulary& vocabulary) {
  TokenTemplate result;
  if (json == nullptr || json->is(JsonValue::Type::kNull)) return result;
  const std::string at = place.file + ": " + place.field;
  const std::string& type = component_type(*json, place);
  if (type == "ByteLevel") return result;  // it moves offsets only, past a word's leading space
  if (type != "TemplateProcessing")
    throw Error(at + " has the type " + in_quotes(type, 60) + ", which is not supported (TemplateProcessing and ByteLevel are)");
  const JsonValue* single = json->find("single");
  if (single == nullptr || !single->is(JsonValue::Type::kArray)) throw Error(at + " needs a list \"single\"");
  const JsonValue* specials = json->find("special_tokens");
  bool has_sequence = false;
  for (const JsonValue& item : single->items) {
    const JsonValue* special = item.find("SpecialToken");
    const JsonValue* sequence = item.find("Sequence");
    const JsonValue* id = special != nullptr ? special->find("id") : sequence != nullptr ? sequence->find("id") : nullptr;
    if (item.members.size() != 1 || id == nullptr || !id->is(JsonValue::Type::kString))
      throw Error(at + ": each item of \"single\" must be a SpecialToken or a Sequence with an \"id\"");
    if (sequence != nullptr) {
      if (id->string != "A" || has_sequence) throw Error(at + ": \"single\" must hold the Sequence \"A\" once and no other");
      has_sequence = true;
      continue;
    }
    const JsonValue* entry = specials == nullptr ? nullptr : specials->find(id->string);
    if (entry == nullptr) throw Error(at + " names the special token " + describe(*id) + ", which its special_tokens do not list");
    for (TokenTemplate::Special& one : read_special(*entry, at + ": the special token " + describe(*id), vocabulary))
      (has_sequence ? result.after : result.before).push_back(std::move(one));
  }
  if (!has_sequence) throw Error(at + ": \"single\" must hold the Sequence \"A\" once");
  return result;
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& tokenizer_json) {
  return read_tokenizer(read_json_file(tokenizer_json, kMaxTokenizerBytes), shown_path(tokenizer_json));
}

std::unique_ptr<Tokenizer> parse_tokenizer(std::string_view json, const std::string& name) {
  return read_tokenizer(parse_json(json, name), name);
}

}  // namespace headroom
