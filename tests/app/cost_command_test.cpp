// `headroom cost`: figures, comparison, devices, and what wrong use and too large plans are answered with.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/cost/plan_cost.h"
#include "core/formats/card_library.h"
#include "core/formats/device_library.h"
#include "core/formats/plan_json.h"
#include "tests/app/run_program.h"

namespace headroom {
namespace {

using nlohmann::ordered_json;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

const std::filesystem::path kAssets = std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets";

Finished run_cost(std::vector<std::string> words) {
  words.insert(words.begin(), "cost");
  return run_program(words);
}

TEST(CostCommand, JsonIsThePlansOwn) {
  const Finished finished = run_cost(
      {"--model-card", "llama-3-8b", "--context",         "8k", "--batch",    "4", "--dtype",  "int8", "--kv-dtype", "fp16",
       "--device",     "a100-80gb",  "--tensor-parallel", "2",  "--kv-heads", "4", "--window", "4096", "--page",     "16",
       "--json"});
  ASSERT_EQ(finished.status, 0) << finished.err;
  const CostPlan plan{.card = "llama-3-8b",
                      .context = 8000,
                      .batch = 4,
                      .weights = KvType::kInt8,
                      .device = "a100-80gb",
                      .tensor_parallel = 2,
                      .n_kv_heads = 4,
                      .window = 4096,
                      .page_rows = 16};
  const auto cards = read_card_library(kAssets / "cards");
  const auto devices = read_device_library(kAssets / "devices");
  const PlanCost expected = plan_costs(find_library_card(cards, "llama-3-8b")->card, plan, *find_device(devices, "a100-80gb"));
  EXPECT_EQ(finished.out, plan_json(expected) + "\n");
}

TEST(CostCommand, TextHasTheFiguresTheirBasisAndTheirArithmetic) {
  const Finished finished =
      run_cost({"--model-card", "llama-2-7b", "--page", "16", "--beside", "kv-dtype=int8", "--beside", "batch=2"});
  ASSERT_EQ(finished.status, 0) << finished.err;
  EXPECT_THAT(
      finished.out,
      AllOf(StartsWith("LLaMA 2 7B: 1 text of 4,096 tokens, weights float16, K and V float16, pages of 16, on NVIDIA H100 SXM\n"),
            HasSubstr("\nOne step of decoding\n"), HasSubstr("2.00 GiB"), HasSubstr("computed"), HasSubstr("data sheet"),
            HasSubstr("estimated"), HasSubstr("2 · 32 layers · 32 kv_heads · 4,096 tokens · 128 d_k · 2 B"),
            HasSubstr("multi-query: 1 K/V head"), HasSubstr("\nAssumed\n"),
            HasSubstr("\nBeside it: LLaMA 2 7B: 2 texts of 4,096 tokens, weights float16, K and V int8"), HasSubstr("1.03 times")));
}

TEST(CostCommand, AFolderAFileAndABundledModelAreTheSameCard) {
  const std::string folder = (kAssets / "models" / "grammar-gqa").string();
  const Finished by_name = run_cost({"--model-card", "grammar-gqa", "--dtype", "float32", "--json"});
  ASSERT_EQ(by_name.status, 0) << by_name.err;
  EXPECT_EQ(run_cost({"--model-card", folder, "--dtype", "float32", "--json"}).out, by_name.out);
  EXPECT_EQ(run_cost({"--model-card", folder + "/config.json", "--dtype", "float32", "--json"}).out, by_name.out);
  const ordered_json json = ordered_json::parse(by_name.out);
  EXPECT_EQ(json["plan"]["context"], 64);  // the model's own
  EXPECT_EQ(json["plan"]["kv"], "float32");
}

TEST(CostCommand, ThisMachineIsMeasured) {
  const Finished finished = run_cost({"--model-card", "grammar-base", "--device", "this-machine", "--json"});
  ASSERT_EQ(finished.status, 0) << finished.err;
  const ordered_json device = ordered_json::parse(finished.out)["device"];
  EXPECT_EQ(device["basis"], "measured");
  EXPECT_GT(device["bandwidth_bytes_per_s"], 1e8);
}

TEST(CostCommand, WhatDoesNotFitIsPlannedAndRefused) {
  const Finished finished = run_cost({"--model-card", "llama-2-70b", "--context", "4k", "--device", "rtx-4090", "--json"});
  EXPECT_EQ(finished.status, 1);
  EXPECT_THAT(finished.err, AllOf(StartsWith("headroom: 1 text of 4,000 tokens needs "),
                                  HasSubstr("NVIDIA GeForce RTX 4090 has 21.60 GiB"), HasSubstr("split over 8 devices")));
  const ordered_json json = ordered_json::parse(finished.out);
  EXPECT_EQ(json["fits"], false);
  EXPECT_EQ("headroom: " + json["refusal"].get<std::string>() + "\n", finished.err);
}

TEST(CostCommand, ListsDevices) {
  const Finished text = run_cost({"--list-devices"}), json = run_cost({"--list-devices", "--json"});
  EXPECT_EQ(text.status, 0);
  const auto devices = read_device_library(kAssets / "devices");
  EXPECT_EQ(ordered_json::parse(json.out).size(), devices.size());
  for (const Device& device : devices)
    EXPECT_THAT(text.out, AllOf(HasSubstr(device.id), HasSubstr(device.source)));
}

struct Wrong {
  std::vector<std::string> words;
  int status;
  const char* sentence;
};

TEST(CostCommand, WrongUseIsOneSentence) {
  const std::vector<std::string> card{"--model-card", "gpt2"};
  const std::vector<Wrong> cases{
      {{"--page", "0"}, 2, "--page 0: it should be a whole number from 1 to 4096"},
      {{"--page", "4097"}, 2, "--page 4097: it should be"},
      {{"--batch", "0"}, 2, "--batch 0: it should be a whole number from 1 to 1000000"},
      {{"--batch", "1.5"}, 2, "--batch 1.5: it should be"},
      {{"--context", "0"}, 2, "--context 0: it should be a number of tokens"},
      {{"--context", "1G"}, 2, "--context 1G: at most 10000000 tokens are planned"},
      {{"--dtype", "int3"}, 2, "--dtype int3: it should be float32, float16, bfloat16, int8 or int4"},
      {{"--device", "abacus"}, 2, "abacus"},
      {{"--kv-heads", "5"}, 1, "5 K/V heads do not divide the 12 heads of GPT-2 small"},
      {{"--tensor-parallel", "2000"}, 2, "--tensor-parallel 2000: it should be"},
      {{"--beside", "colour=red"}, 2, "--beside colour=red: it should be NAME=VALUE"},
      {{"--beside", "page=0"}, 2, "--page 0"},
  };
  for (const Wrong& wrong : cases) {
    std::vector<std::string> words = card;
    words.insert(words.end(), wrong.words.begin(), wrong.words.end());
    const Finished finished = run_cost(words);
    EXPECT_EQ(finished.status, wrong.status) << wrong.sentence << finished.err;
    EXPECT_THAT(finished.err, HasSubstr(wrong.sentence));
    EXPECT_EQ(finished.out, "") << wrong.sentence;
  }
  EXPECT_EQ(run_cost({}).status, 2);
  const Finished unknown = run_cost({"--model-card", "no-such-model"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.err, AllOf(HasSubstr("no-such-model"), HasSubstr("llama-2-70b")));
}

TEST(CostCommand, AnUnknownFamilyIsRefusedWithWhatIsMissing) {
  const TemporaryFolder folder;
  write_bytes(folder / "config.json", R"({"model_type": "falcon", "hidden_size": 64, "num_attention_heads": 4})");
  const Finished finished = run_cost({"--model-card", folder.path().string()});
  EXPECT_EQ(finished.status, 1);
  EXPECT_THAT(finished.err, HasSubstr("its cost cannot be computed. "));
  EXPECT_EQ(finished.out, "");
}

}  // namespace
}  // namespace headroom
