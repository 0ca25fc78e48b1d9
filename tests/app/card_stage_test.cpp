// The Card stage in the program: cards are read beside the running model, which what cannot be run leaves alone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "app/views/commands.h"
#include "app/widgets/input.h"
#include "app/window/open_path.h"
#include "app/window/program.h"
#include "core/formats/safetensors.h"
#include "tests/app/program_harness.h"
#include "tests/app/run_program.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const fs::path kAssets = HEADROOM_SOURCE_DIR "/assets";
const char* kUnknownConfig = R"({"model_type": "frobnicator", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 8,
                                 "num_key_value_heads": 2, "vocab_size": 100})";

fs::path write(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::string two_tensors() {
  SafetensorsWriter writer;
  const std::vector<float> values(4, 0.5f);
  writer.add("layers.0.a", {2, 2}, values);
  writer.add("layers.1.a", {2, 2}, values);
  return writer.bytes();
}

struct Harness : test::ProgramHarness {
  Harness() : ProgramHarness(std::chrono::seconds(40)) {}
};

TEST(CardStage, CardsAreReadWhenTheyAreLookedAt) {
  Harness harness;
  EXPECT_EQ(harness.model().cards.shown, nullptr) << "nothing is read before";
  harness.act(StageViewSet{StageView::kCard});
  ASSERT_TRUE(harness.until([&] { return harness.model().cards.shown != nullptr; }));
  EXPECT_EQ(harness.model().cards.shown->card.name, "grammar-base");
  ASSERT_NE(harness.model().cards.library, nullptr);
  harness.act(CardChosen{"card:llama-2-7b", "card:llama-2-70b"});
  ASSERT_TRUE(harness.until([&] { return harness.model().cards.beside != nullptr; }));
  EXPECT_EQ(harness.model().cards.shown->card.name, "LLaMA 2 7B");
  EXPECT_EQ(harness.model().cards.beside->card.name, "LLaMA 2 70B");
}

TEST(CardStage, WhatCannotBeRunKeepsTheRunningModel) {
  const TemporaryFolder folder;
  write(folder / "strange" / "config.json", kUnknownConfig);
  write(folder / "strange" / "model.safetensors", two_tensors());
  Harness harness;
  const Compute before = harness.session().compute;
  harness.program->open(folder / "strange");
  ASSERT_TRUE(harness.until([&] { return harness.model().cards.shown != nullptr; }));
  EXPECT_EQ(harness.session().compute, before);
  EXPECT_EQ(harness.session().view.stage, StageView::kCard);
  EXPECT_TRUE(harness.has_toast("frobnicator"));
  const ShownCard& shown = *harness.model().cards.shown;
  EXPECT_EQ(shown.card.decoder.n_kv_heads, 2);
  EXPECT_THAT(shown.not_run, HasSubstr("frobnicator"));
  EXPECT_EQ(shown.tensors->tensors.size(), 2u);
}

TEST(CardStage, PathsThatAreCards) {
  const TemporaryFolder folder;
  const auto opened = [&](const fs::path& path) { return open_path(path, kAssets); };
  const auto card_of = [&](const OpenedPath& path) {
    EXPECT_EQ(path.kind, OpenedPath::Kind::kCard);
    return std::holds_alternative<CardChosen>(path.action) ? std::get<CardChosen>(path.action).card : "";
  };
  const fs::path alone = write(folder / "alone" / "config.json", kUnknownConfig);
  EXPECT_EQ(card_of(opened(alone)), alone.string());
  EXPECT_THAT(opened(alone).notices, IsEmpty());
  EXPECT_THAT(opened(folder / "alone").notices, ElementsAre(HasSubstr("frobnicator")));
  const fs::path renamed = write(folder / "renamed" / "llama.json", kUnknownConfig);
  EXPECT_EQ(card_of(opened(renamed)), renamed.string());
  const fs::path tensors = write(folder / "tensors" / "x.safetensors", two_tensors());
  EXPECT_EQ(card_of(opened(tensors.parent_path())), tensors.parent_path().string());
  EXPECT_EQ(opened(kAssets / "models" / "grammar-base" / "config.json").kind, OpenedPath::Kind::kModel);
  EXPECT_EQ(opened(write(folder / "session" / "x.json", "{}")).kind, OpenedPath::Kind::kSession) << "says nothing of a model";
}

TEST(CardStage, BrokenFilesAreTold) {
  const TemporaryFolder folder;
  write(folder / "broken" / "config.json", "{");
  Harness harness;
  harness.program->open(folder / "broken");
  ASSERT_TRUE(harness.until([&] { return harness.model().cards.shown != nullptr; }));
  EXPECT_THAT(harness.model().cards.shown->problem, HasSubstr("is not valid JSON"));
}

TEST(CardStage, HasAKey) { EXPECT_STREQ(chord_text(find_command("view/card")->keys), "6"); }

TEST(CardCommand, ExportsTheLibraryAndFiles) {
  const TemporaryFolder folder;
  const auto exported = [&](std::vector<std::string> options) {
    options.insert(options.begin(), {"export", "--view", "card"});
    return run_program(options);
  };
  const Finished whole = exported({"--card", "llama-2-70b", "--set", "view.kv_type=float16", "--out", (folder / "a.svg").string()});
  EXPECT_EQ(whole.status, 0) << whole.err;
  EXPECT_TRUE(fs::exists(folder / "a.svg"));
  const fs::path config = write(folder / "config.json", kUnknownConfig);
  EXPECT_EQ(exported({"--card", config.string(), "--beside", "gpt2", "--out", (folder / "b.png").string()}).status, 0);
  const Finished unknown = exported({"--card", "nobody", "--out", (folder / "c.png").string()});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.err, HasSubstr("There is no card named \"nobody\""));
  EXPECT_FALSE(fs::exists(folder / "c.png"));
}

}  // namespace
}  // namespace headroom
