#include <algorithm>
#include <charconv>
#include <filesystem>
#include <utility>

#include "core/formats/component_json.h"
#include "core/formats/file.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxTokenizerBytes = 256u << 20;
constexpr std::uint64_t kMaxConfigBytes = 8u << 20;

// A tokenizer.json is put together from the older files, and read as any other.

JsonValue text_value(std::string_view text) {
  JsonValue value;
  value.type = JsonValue::Type::kString;
  value.string = text;
  return value;
}
JsonValue number_value(std::uint64_t number) {
  JsonValue value;
  value.type = JsonValue::Type::kUnsigned;
  value.unsigned_value = number;
  return value;
}
JsonValue empty_value(JsonValue::Type type) {
  JsonValue value;
  value.type = type;
  return value;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// What tokenizer_config.json says; nothing where there is none.
class FolderConfig {
 public:
  explicit FolderConfig(const fs::path& folder) {
    if (fs::exists(folder / "tokenizer_config.json")) document_ = read_json_file(folder / "tokenizer_config.json", kMaxConfigBytes);
    if (fs::exists(folder / "added_tokens.json")) added_ = read_json_file(folder / "added_tokens.json", kMaxConfigBytes);
  }

  bool flag(const char* name, bool fallback) const {
    const JsonValue* value = document_.root.find(name);
    return value != nullptr && value->is(JsonValue::Type::kBool) ? value->boolean : fallback;
  }
  /// A text, or the content of a token.
  std::string text(const char* name, const char* fallback) const {
    const JsonValue* value = document_.root.find(name);
    if (value != nullptr && value->is(JsonValue::Type::kObject)) value = value->find("content");
    return value != nullptr && value->is(JsonValue::Type::kString) ? value->string : fallback;
  }

  struct Added {
    std::uint64_t id = 0;
    std::string content;
    bool is_special = false;
  };
  /// Tokens that the vocabulary file need not have, by id.
  std::vector<Added> added() const {
    std::vector<Added> result;
    if (const JsonValue* list = document_.root.find("added_tokens_decoder")) {
      for (const auto& [id, token] : list->members) {
        const JsonValue* content = token.find("content");
        const JsonValue* special = token.find("special");
        Added one;
        const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), one.id);
        if (error != std::errc() || end != id.data() + id.size() || content == nullptr) continue;
        one.content = content->string;
        one.is_special = special != nullptr && special->boolean;
        result.push_back(std::move(one));
      }
    } else {
      for (const auto& [content, id] : added_.root.members)
        if (id.is(JsonValue::Type::kUnsigned)) result.push_back({id.unsigned_value, content, false});
    }
    std::sort(result.begin(), result.end(), [](const Added& a, const Added& b) { return a.id < b.id; });
    return result;
  }

 private:
  JsonDocument document_;
  JsonDocument added_;
};

/// The parts that every fallback has.
class Assembly {
 public:
  Assembly(std::string_view components, const std::string& name) : document_(parse_json(components, name)), name_(name) {}

  JsonValue& member(std::string_view name) {
    for (auto& [key, value] : document_.root.members)
      if (key == name) return value;
    document_.root.members.emplace_back(name, JsonValue());
    return document_.root.members.back().second;
  }
  void set_model(std::string_view name, JsonValue value) { member("model").members.emplace_back(name, std::move(value)); }
  /// A special token, if the vocabulary has it.
  void add_special(const std::string& content) {
    const JsonValue* vocab = member("model").find("vocab");
    const JsonValue* id = vocab == nullptr || content.empty() ? nullptr : vocab->find(content);
    if (id != nullptr && id->is(JsonValue::Type::kUnsigned)) add(id->unsigned_value, content, true);
  }
  void add(std::uint64_t id, const std::string& content, bool is_special) {
    JsonValue& list = member("added_tokens");
    list.type = JsonValue::Type::kArray;
    for (const JsonValue& token : list.items)
      if (token.find("content")->string == content) return;
    JsonValue token = empty_value(JsonValue::Type::kObject), flag;
    flag.type = JsonValue::Type::kBool;
    flag.boolean = is_special;
    token.members.emplace_back("id", number_value(id));
    token.members.emplace_back("content", text_value(content));
    token.members.emplace_back("special", flag);
    list.items.push_back(std::move(token));
  }
  /// Puts cls before a text and sep after each. Without either in the vocabulary nothing is put around a text.
  void put_around(std::string_view type, const std::string& cls, const std::string& sep) {
    const JsonValue* vocab = member("model").find("vocab");
    const JsonValue* cls_id = vocab->find(cls);
    const JsonValue* sep_id = vocab->find(sep);
    if (cls_id == nullptr || sep_id == nullptr) return;
    const auto pair = [](const std::string& text, const JsonValue& id) {
      JsonValue list = empty_value(JsonValue::Type::kArray);
      list.items = {text_value(text), id};
      return list;
    };
    JsonValue post = empty_value(JsonValue::Type::kObject);
    post.members.emplace_back("type", text_value(type));
    post.members.emplace_back("cls", pair(cls, *cls_id));
    post.members.emplace_back("sep", pair(sep, *sep_id));
    member("post_processor") = std::move(post);
  }
  std::unique_ptr<Tokenizer> finish(const FolderConfig& config) {
    for (const FolderConfig::Added& token : config.added())
      add(token.id, token.content, token.is_special);
    return read_tokenizer(document_, name_);
  }

 private:
  JsonDocument document_;
  std::string name_;
};

std::string json_flag(bool flag) { return flag ? "true" : "false"; }

/// BERT's: a line of vocab.txt is a token, its number the id.
std::unique_ptr<Tokenizer> from_vocab_txt(const fs::path& folder) {
  const fs::path path = folder / "vocab.txt";
  const FolderConfig config(folder);
  const std::string text = read_text_file(path, kMaxTokenizerBytes);
  if (const auto invalid = find_invalid_utf8(text))
    throw Error(shown_path(path) + ": is not valid UTF-8 at byte " + std::to_string(*invalid));
  const bool is_lower = config.flag("do_lower_case", true);
  Assembly assembly(R"({"model":{"type":"WordPiece"},"pre_tokenizer":{"type":"BertPreTokenizer"},)"
                    R"("normalizer":{"type":"BertNormalizer","lowercase":)" +
                        json_flag(is_lower) + R"(,"strip_accents":)" + json_flag(config.flag("strip_accents", is_lower)) +
                        R"(,"handle_chinese_chars":)" + json_flag(config.flag("tokenize_chinese_chars", true)) +
                        R"(},"decoder":{"type":"WordPiece","prefix":"##"}})",
                    shown_path(path));
  JsonValue vocab = empty_value(JsonValue::Type::kObject);
  for (const std::string_view line : lines_of(text))
    vocab.members.emplace_back(line, number_value(vocab.members.size()));
  assembly.set_model("vocab", std::move(vocab));
  const std::string unknown = config.text("unk_token", "[UNK]"), cls = config.text("cls_token", "[CLS]"),
                    sep = config.text("sep_token", "[SEP]");
  assembly.set_model("unk_token", text_value(unknown));
  for (const std::string& special : {config.text("pad_token", "[PAD]"), unknown, cls, sep, config.text("mask_token", "[MASK]")})
    assembly.add_special(special);
  assembly.put_around("BertProcessing", cls, sep);
  return assembly.finish(config);
}

/// GPT-2's, RoBERTa's, BART's and Qwen2's: bytes, a vocabulary and a list of merges.
std::unique_ptr<Tokenizer> from_vocab_json(const fs::path& folder) {
  const fs::path path = folder / "vocab.json";
  const FolderConfig config(folder);
  JsonDocument vocab = read_json_file(path, kMaxTokenizerBytes);
  const std::string merges = read_text_file(folder / "merges.txt", kMaxTokenizerBytes);
  if (const auto invalid = find_invalid_utf8(merges))
    throw Error(shown_path(folder / "merges.txt") + ": is not valid UTF-8 at byte " + std::to_string(*invalid));
  if (vocab.root.find("\u0120") == nullptr)
    throw Error(shown_path(path) + ": has no \"\u0120\", so it is no byte-level vocabulary; other ones need a tokenizer.json");
  const bool is_qwen = config.text("tokenizer_class", "").starts_with("Qwen2");
  const std::string byte_level = R"({"type":"ByteLevel","add_prefix_space":)" + json_flag(config.flag("add_prefix_space", false)) +
                                 R"(,"use_regex":)" + json_flag(!is_qwen) + "}";
  const std::string qwen_split =
      R"({"type":"Split","behavior":"Isolated","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}})";
  Assembly assembly(R"({"model":{"type":"BPE"},"decoder":{"type":"ByteLevel"},)" +
                        (is_qwen ? R"("normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[)" +
                                       qwen_split + "," + byte_level + "]}}"
                                 : R"("pre_tokenizer":)" + byte_level + "}"),
                    shown_path(path));
  assembly.set_model("vocab", std::move(vocab.root));
  JsonValue list = empty_value(JsonValue::Type::kArray);
  for (const std::string_view line : lines_of(merges))
    if (!line.empty()) list.items.push_back(text_value(line));
  assembly.set_model("merges", std::move(list));
  for (const char* special : {"<|endoftext|>", "<s>", "<pad>", "</s>", "<unk>", "<mask>"})
    assembly.add_special(special);
  if (!is_qwen) assembly.put_around("RobertaProcessing", config.text("cls_token", "<s>"), config.text("sep_token", "</s>"));
  return assembly.finish(config);
}

}  // namespace

std::unique_ptr<Tokenizer> load_folder_tokenizer(const fs::path& folder) {
  std::error_code ignored;
  const auto has = [&](const char* name) { return fs::exists(folder / name, ignored); };
  if (has("tokenizer.json")) return load_tokenizer(folder / "tokenizer.json");
  if (has("vocab.txt")) return from_vocab_txt(folder);
  if (has("vocab.json") && has("merges.txt")) return from_vocab_json(folder);
  for (const char* name : {"spiece.model", "tokenizer.model", "sentencepiece.bpe.model"})
    if (has(name))
      throw Error(shown_path(folder / name) +
                  ": is not read; a tokenizer.json beside it is, which transformers' save_pretrained writes");
  throw Error(shown_path(folder) + ": there is no tokenizer.json, vocab.txt, or vocab.json with merges.txt");
}

}  // namespace headroom
