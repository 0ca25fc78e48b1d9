#include <nlohmann/json.hpp>

#include "core/corpus/bpe_trainer.h"
#include "core/formats/byte_level.h"

namespace headroom {

std::string tokenizer_json_of(const TrainedBpe& bpe, const std::string& first) {
  using Json = nlohmann::ordered_json;
  const auto n_special = bpe.special_tokens.size();
  Json vocab = Json::object(), merges = Json::array(), added = Json::array();
  for (std::size_t id = 0; id < bpe.pieces.size(); ++id)
    vocab[id < n_special ? bpe.pieces[id] : byte_spelling(bpe.pieces[id])] = id;
  const auto piece = [&](std::int32_t id) { return byte_spelling(bpe.pieces[static_cast<std::size_t>(id)]); };
  for (const BpeMerges::Merge& merge : bpe.merges)
    merges.push_back({piece(merge.left), piece(merge.right)});
  for (std::size_t id = 0; id < n_special; ++id)
    added.push_back({{"id", id},
                     {"content", bpe.special_tokens[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});

  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  Json post = nullptr;
  if (!first.empty()) {
    const Json special = {{"SpecialToken", {{"id", first}, {"type_id", 0}}}};
    const auto sequence = [](const char* id) { return Json{{"Sequence", {{"id", id}, {"type_id", 0}}}}; };
    post = {{"type", "TemplateProcessing"},
            {"single", Json::array({special, sequence("A")})},
            {"pair", Json::array({special, sequence("A"), sequence("B")})},
            {"special_tokens", {{first, {{"id", first}, {"ids", {vocab.at(first)}}, {"tokens", {first}}}}}}};
  }
  const Json root = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", byte_level},
                     {"post_processor", post},
                     {"decoder", byte_level},
                     {"model",
                      {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", false},
                       {"byte_fallback", false},
                       {"ignore_merges", false},
                       {"vocab", vocab},
                       {"merges", merges}}}};
  return root.dump(1) + "\n";
}

}  // namespace headroom
