#include "core/corpus/word_tokenizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace headroom {

namespace {

using Json = nlohmann::ordered_json;

/// A post-processor that puts one special token before a text.
Json text_after(const std::string& bos, const Json& id) {
  const Json special = {{"SpecialToken", {{"id", bos}, {"type_id", 0}}}};
  const auto sequence = [](const char* name, int type) { return Json{{"Sequence", {{"id", name}, {"type_id", type}}}}; };
  Json special_tokens;
  special_tokens[bos] = {{"id", bos}, {"ids", Json::array({id})}, {"tokens", Json::array({bos})}};
  return {{"type", "TemplateProcessing"},
          {"single", Json::array({special, sequence("A", 0)})},
          {"pair", Json::array({special, sequence("A", 0), sequence("B", 0)})},
          {"special_tokens", std::move(special_tokens)}};
}

}  // namespace

std::string word_tokenizer_json(std::span<const std::string> words, const WordTokenizerTokens& tokens) {
  Json vocabulary = Json::object();
  for (std::size_t id = 0; id < words.size(); ++id)
    vocabulary[words[id]] = id;
  std::vector<std::string> special{tokens.unknown};
  if (!tokens.bos.empty()) special.push_back(tokens.bos);
  special.insert(special.end(), tokens.special.begin(), tokens.special.end());
  std::sort(special.begin(), special.end(), [&](const std::string& a, const std::string& b) {
    return vocabulary.at(a).get<std::size_t>() < vocabulary.at(b).get<std::size_t>();
  });
  Json added = Json::array();
  for (const std::string& text : special)
    added.push_back({{"id", vocabulary.at(text)},
                     {"content", text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  Json root;
  root["version"] = "1.0";
  root["truncation"] = nullptr;
  root["padding"] = nullptr;
  root["added_tokens"] = std::move(added);
  root["normalizer"] = {{"type", "Lowercase"}};
  root["pre_tokenizer"] = {{"type", "Whitespace"}};
  root["post_processor"] = tokens.bos.empty() ? Json(nullptr) : text_after(tokens.bos, vocabulary.at(tokens.bos));
  root["decoder"] = nullptr;
  root["model"] = {{"type", "WordLevel"}, {"vocab", std::move(vocabulary)}, {"unk_token", tokens.unknown}};
  return root.dump(1);
}

}  // namespace headroom
