#include "core/session/cards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/session/reduce.h"

namespace headroom {
namespace {

using ::testing::HasSubstr;

const std::filesystem::path kAssets = std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets";

Session session_of(const std::string& card, const std::string& beside = "") {
  return reduce(Session{}, CardChosen{card, beside}).session;
}

TEST(Cards, TheOpenModelHasOne) {
  const Session session = session_of("");
  EXPECT_EQ(session.view.stage, StageView::kCard);
  const CardState state = read_cards(session, kAssets);
  ASSERT_TRUE(state.shown->has_config) << state.shown->problem;
  EXPECT_EQ(state.shown->card.name, "grammar-base");
  EXPECT_EQ(state.shown->card.d_head, 16);
  EXPECT_EQ(state.shown->not_run, "");
  // The configuration and the file agree on how many parameters there are.
  std::uint64_t elements = 0;
  for (const ListedTensor& tensor : state.shown->tensors->tensors)
    elements += tensor.elements;
  EXPECT_EQ(count_parameters(state.shown->card).total, static_cast<std::int64_t>(elements));
}

TEST(Cards, OfTheLibraryOfFilesAndPasted) {
  const CardState two = read_cards(session_of("card:llama-2-70b", "card:gpt2"), kAssets);
  EXPECT_EQ(two.shown->card.name, "LLaMA 2 70B");
  EXPECT_EQ(two.beside->card.name, "GPT-2 small");
  EXPECT_EQ(two.shown->tensors, nullptr);
  const CardState pasted =
      read_cards(session_of(R"({"model_type": "x", "hidden_size": 64, "num_attention_heads": 4})"), kAssets, two);
  EXPECT_EQ(pasted.library, two.library) << "read once";
  EXPECT_EQ(pasted.shown->card.d_head, 16);
  EXPECT_EQ(pasted.beside, nullptr);
  const CardState file = read_cards(session_of((kAssets / "models" / "grammar-gqa").string()), kAssets, two);
  EXPECT_EQ(file.shown->card.decoder.n_kv_heads, 2);
}

TEST(Cards, WhatIsWrongIsInTheAnswer) {
  const auto problem = [](const std::string& card) { return read_cards(session_of(card), kAssets).shown->problem; };
  EXPECT_THAT(problem("card:none"), HasSubstr("There is no card named \"none\""));
  EXPECT_THAT(problem("{"), HasSubstr("the pasted configuration: is not valid JSON"));
  EXPECT_THAT(problem("/no/such/folder"), HasSubstr("no such file or folder"));
  const CardState no_library = read_cards(session_of("card:gpt2"), "/no/such/assets");
  EXPECT_NE(no_library.library_problem, "");
}

TEST(Cards, WhatCannotBeRunSaysWhy) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "cards-not-run";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "config.json")
      << R"({"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2,
    "intermediate_size": 8, "vocab_size": 10, "quantization_config": {"quant_method": "awq"}})";
  const CardState state = read_cards(session_of(folder.string()), kAssets);
  EXPECT_THAT(state.shown->not_run, HasSubstr("quantised (\"awq\")"));
  EXPECT_TRUE(state.shown->has_config);
  std::filesystem::remove_all(folder);
}

TEST(Cards, TheKeyHoldsAllThatDecidesThem) {
  Session session = session_of("");
  const std::string first = card_key(session);
  session.compute.model = "grammar-gqa";
  EXPECT_NE(card_key(session), first);
  Session library = session_of("card:gpt2");
  const std::string of_library = card_key(library);
  library.compute.model = "grammar-gqa";
  EXPECT_EQ(card_key(library), of_library) << "the open model changes nothing here";
}

TEST(Cards, ContextIsTheCardsOwnUntilOneIsChosen) {
  View view;
  ModelCard card;
  EXPECT_EQ(card_context(view, card), 2048);
  card.context = 4096;
  EXPECT_EQ(card_context(view, card), 4096);
  view.kv_context = 100;
  EXPECT_EQ(card_context(view, card), 100);
  view.kv_context = std::int64_t{1} << 60;
  EXPECT_EQ(card_context(view, card), kMaxCardContext);
}

}  // namespace
}  // namespace headroom
