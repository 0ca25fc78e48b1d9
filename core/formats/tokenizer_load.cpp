#include <limits>

#include "core/formats/component_json.h"
#include "core/formats/file.h"
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
  if (!json->is(JsonValue::Type::kArray)) throw Error(at(place) + " must be a list, but it is " + describe(*json));
  if (json->items.size() > kMaxAddedTokens)
    throw Error(at(place) + " has " + counted(json->items.size(), "token") + ", more than the limit of " +
                with_thousands(kMaxAddedTokens));
  auto next_id = static_cast<std::int64_t>(parts.vocabulary.n_entries());
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
      parts.vocabulary.add(token.content, token.id, Vocabulary::Spelling::kLast);
    }
    if (static_cast<std::uint64_t>(token.id) != id->unsigned_value)
      parts.notices.push_back("The added token " + in_quotes(token.content, 60) + " declares id " +
                              std::to_string(id->unsigned_value) + ", but has id " + std::to_string(token.id) + ".");
    parts.added.push_back(std::move(token));
  }
}

/// A decoder that is not known costs only the way in which generated text is written.
std::unique_ptr<Decoder> read_known_decoder(const JsonValue* json, const ComponentPlace& place, std::vector<std::string>& notices) {
  try {
    return read_decoder(json, place);
  } catch (const Error& error) {
    notices.push_back("Tokens are written with spaces between them, because " + std::string(error.what()) + ".");
    return nullptr;
  }
}

}  // namespace

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
  parts.post = read_post_processor(root.find("post_processor"), {file, "post_processor"}, parts.vocabulary);
  parts.decoder = read_known_decoder(root.find("decoder"), {file, "decoder"}, parts.notices);
  for (const char* name : {"truncation", "padding"})
    if (root.find_set(name) != nullptr) parts.notices.push_back(std::string("The tokenizer's ") + name + " is not applied.");
  return make_pipeline_tokenizer(std::move(parts));
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& tokenizer_json) {
  return read_tokenizer(read_json_file(tokenizer_json, kMaxTokenizerBytes), shown_path(tokenizer_json));
}

std::unique_ptr<Tokenizer> parse_tokenizer(std::string_view json, const std::string& name) {
  return read_tokenizer(parse_json(json, name), name);
}

}  // namespace headroom
