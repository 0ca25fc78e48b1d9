#include "core/formats/card_library.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "core/formats/card_reader.h"
#include "core/formats/json_value.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

const std::filesystem::path kSource = HEADROOM_SOURCE_DIR;

const std::vector<LibraryCard>& library() {
  static const std::vector<LibraryCard> cards = read_card_library(kSource / "assets" / "cards");
  return cards;
}

const ModelCard& card(const char* id) {
  const LibraryCard* found = find_library_card(library(), id);
  if (found == nullptr) throw Error(std::string("no card ") + id);
  return found->card;
}

/// The golden's names of the parts; fused projections are one tensor there.
std::map<std::string, std::int64_t> parts_of(const ModelCard& card, bool is_fused) {
  std::map<std::string, std::int64_t> parts;
  for (const PartCount& part : count_parameters(card).parts) {
    const auto name = [&]() -> std::string {
      switch (part.part) {
        case CardPart::kEmbedding:
          return "embedding";
        case CardPart::kPositions:
          return "positions";
        case CardPart::kQuery:
          return is_fused ? "qkv" : "q";
        case CardPart::kKey:
          return is_fused ? "qkv" : "k";
        case CardPart::kValue:
          return is_fused ? "qkv" : "v";
        case CardPart::kOutProjection:
          return "out";
        case CardPart::kCross:
          return "cross";
        case CardPart::kMlp:
          return "mlp";
        case CardPart::kNorms:
          return "norms";
        case CardPart::kOutput:
          return "output";
      }
      return "";
    };
    if (part.n.value_or(-1) != 0) parts[name()] += part.n.value_or(-1);
  }
  return parts;
}

std::map<std::string, std::int64_t> golden_parts(const JsonValue& golden) {
  std::map<std::string, std::int64_t> parts;
  for (const auto& [name, value] : golden.find("parts")->members)
    parts[name] = static_cast<std::int64_t>(value.unsigned_value);
  return parts;
}

JsonDocument golden() { return read_json_file(kSource / "tests" / "golden" / "card_golden.json", 1u << 20); }

TEST(CardLibrary, CountsEveryCardByPartAsTheReferenceDoes) {
  const JsonDocument document = golden();
  std::size_t n_compared = 0;
  for (const LibraryCard& item : library()) {
    SCOPED_TRACE(item.id);
    const JsonValue* expected = document.root.find(item.id);
    ASSERT_NE(expected, nullptr) << "make_card_golden.py was not run for this card";
    const auto parts = golden_parts(*expected);
    EXPECT_EQ(parts_of(item.card, parts.contains("qkv")), parts);
    EXPECT_EQ(count_parameters(item.card).total, static_cast<std::int64_t>(expected->find("total")->unsigned_value));
    ++n_compared;
  }
  EXPECT_EQ(n_compared + 1, document.root.members.size()) << "a card of the golden is missing in assets/cards";
}

TEST(CardLibrary, CountsClassesAndChoicesAsTheReferenceDoes) {
  const JsonDocument document = golden();
  for (const JsonValue& variant : document.root.find("variants")->items) {
    const std::string& id = variant.find("card")->string;
    JsonDocument config = read_json_file(kSource / "assets" / "cards" / (id + ".json"), 1u << 16);
    JsonDocument changed{*config.root.find("config"), {}};
    std::string trace = id;
    for (const auto& [name, value] : variant.find("changes")->members) {
      std::erase_if(changed.root.members, [&](const auto& member) { return member.first == name; });
      changed.root.members.emplace_back(name, value);
      trace += ", " + name;
    }
    SCOPED_TRACE(trace);
    const ModelCard found = read_card(changed, "config.json");
    const auto parts = golden_parts(variant);
    EXPECT_EQ(parts_of(found, parts.contains("qkv")), parts);
    EXPECT_EQ(count_parameters(found).total, static_cast<std::int64_t>(variant.find("total")->unsigned_value));
  }
}

TEST(CardLibrary, KnowsThePublishedTotals) {
  const std::map<std::string, std::int64_t> published{
      {"gpt2", 124439808},        {"bert-base", 109482240},   {"llama-2-7b", 6738415616},   {"llama-2-70b", 68976648192},
      {"llama-3-8b", 8030261248}, {"mistral-7b", 7241732096}, {"t5-base", 222903552},       {"gemma-2-2b", 2614341888},
      {"qwen2-7b", 7615616512},   {"pythia-160m", 162322944}, {"mixtral-8x7b", 46702792704}};
  for (const auto& [id, total] : published)
    EXPECT_EQ(count_parameters(card(id.c_str())).total, total) << id;
  EXPECT_EQ(count_parameters(card("mixtral-8x7b")).active, 12879925248);  // two of eight experts: the 13B of its paper
}

TEST(CardLibrary, EveryCardIsWholeAndCited) {
  for (const LibraryCard& item : library()) {
    SCOPED_TRACE(item.id);
    EXPECT_TRUE(item.card.missing.empty()) << item.card.missing.front();
    EXPECT_EQ(item.card.not_run, "");
    EXPECT_TRUE(item.card.source.find("20") != std::string::npos) << "a source names its year";
    EXPECT_EQ(item.card.source.find("http"), std::string::npos);
    EXPECT_TRUE(item.card.d_head && item.card.context && item.card.main_stack().n_kv_heads);
    EXPECT_TRUE(card_work(item.card, 1024).has_value());
  }
}

TEST(CardLibrary, ReadsWidthsThatAreNoQuotient) {
  EXPECT_EQ(card("gemma-7b").d_head, 256);  // 3072 / 16 = 192
  EXPECT_EQ(card("gemma-2-27b").d_head, 128);
  EXPECT_EQ(card("qwen2-7b").d_head, 128);
  EXPECT_FALSE(card("qwen2-7b").tells_d_head);
}

TEST(CardLibrary, CachesOfWellKnownModels) {
  const auto per_token = [](const char* id) { return card_cache(card(id), KvType::kFloat16, 1)->bytes_per_token; };
  EXPECT_EQ(per_token("llama-2-7b"), 524288);
  EXPECT_EQ(per_token("llama-2-70b"), 327680);
  EXPECT_EQ(per_token("llama-3-8b"), 131072);
  EXPECT_EQ(per_token("gpt3-175b"), 4718592);
  EXPECT_EQ(card_cache(card("llama-2-7b"), KvType::kFloat16, 4096)->bytes, std::int64_t{2} << 30);
  EXPECT_FALSE(card_cache(card("bert-base"), KvType::kFloat16, 512));
}

TEST(CardLibrary, WindowsLimitTheCache) {
  // Every layer of Mistral v0.1 keeps 4,096 tokens; every other one of Gemma 2 does.
  const auto held = [](const char* id, std::int64_t context) { return card_cache(card(id), KvType::kInt8, context)->bytes; };
  EXPECT_EQ(held("mistral-7b", 32768), held("mistral-7b", 4096));
  EXPECT_EQ(held("gemma-2-2b", 8192), 2 * 13 * 4 * (256 + 4) * (4096 + 8192));
  EXPECT_EQ(card("gemma-2-2b").decoder.windows[0], 4096);
  EXPECT_EQ(card("gemma-2-2b").decoder.windows[1], 0);
  EXPECT_TRUE(card("qwen2-7b").decoder.windows.empty());
}

TEST(CardLibrary, BrokenFoldersAreRefused) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "cards";
  std::filesystem::create_directories(folder);
  EXPECT_TRUE(read_card_library(folder).empty());
  std::ofstream(folder / "bad.json") << R"({"name": "x", "config": {"model_type": "llama"}})";
  EXPECT_THROW(read_card_library(folder), Error);  // no source
  std::filesystem::remove_all(folder);
  EXPECT_THROW(read_card_library(folder), Error);
}

}  // namespace
}  // namespace headroom
