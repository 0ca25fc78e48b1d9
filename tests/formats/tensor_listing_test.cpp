#include "core/formats/tensor_listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "core/formats/inspect.h"
#include "core/formats/safetensors.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using testing_files::TemporaryFolder;

std::string tensors_file(const std::vector<std::string>& names) {
  SafetensorsWriter writer;
  const std::vector<float> values(6, 1.0f);
  for (const std::string& name : names)
    writer.add(name, {2, 3}, values);
  return writer.bytes();
}

const char* kUnknownConfig = R"({"model_type": "frobnicator", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 8,
                                 "num_key_value_heads": 2, "vocab_size": 100})";

TEST(TensorListing, GroupsByLayerAndAddsUp) {
  const TemporaryFolder folder;
  folder.file("model.safetensors",
              tensors_file({"model.layers.0.q.weight", "model.layers.10.q.weight", "model.norm.weight", "h.2.attn", "10"}));
  const TensorListing listing = list_tensors(folder.path());
  EXPECT_EQ(listing.problem, "");
  ASSERT_THAT(listing.tensors, SizeIs(5));
  EXPECT_EQ(listing.bytes, 5 * 24u);
  EXPECT_EQ(dtypes_text(listing), "5 F32");
  for (const ListedTensor& tensor : listing.tensors) {
    EXPECT_EQ(tensor.shape, "[2, 3]");
    EXPECT_EQ(tensor.elements, 6u);
    const std::string group = tensor.name == "model.layers.0.q.weight"    ? "model.layers.0"
                              : tensor.name == "model.layers.10.q.weight" ? "model.layers.10"
                              : tensor.name == "h.2.attn"                 ? "h.2"
                                                                          : "";
    EXPECT_EQ(tensor.group, group) << tensor.name;
    EXPECT_EQ(tensor.layer, group.empty() ? -1 : std::stoi(group.substr(group.find_last_of('.') + 1)));
  }
}

TEST(TensorListing, NamesAreSafeToShow) {
  const TemporaryFolder folder;
  const TensorListing listing = list_tensors(folder.file("x.safetensors", tensors_file({"a\x1b[31m",
                                                                                        "\xE2\x80\xAE"
                                                                                        "b"})));
  for (const ListedTensor& tensor : listing.tensors) {
    EXPECT_EQ(tensor.name.find('\x1b'), std::string::npos);
    EXPECT_EQ(tensor.name.find("\xE2\x80\xAE"), std::string::npos);
  }
}

TEST(TensorListing, WhatIsThereOfABrokenCheckpointIsListed) {
  const TemporaryFolder folder;
  folder.file("model-00001-of-00002.safetensors", tensors_file({"a"}));
  folder.file("model.safetensors.index.json",
              R"({"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}})");
  const TensorListing listing = list_tensors(folder.path());
  EXPECT_THAT(listing.problem, HasSubstr("model-00002-of-00002.safetensors"));
  ASSERT_THAT(listing.tensors, SizeIs(1));
  EXPECT_EQ(listing.files, std::vector<std::string>{"model-00001-of-00002.safetensors"});
  folder.file("model-00002-of-00002.safetensors", tensors_file({"b"}));
  const TensorListing whole = list_tensors(folder.path());
  EXPECT_EQ(whole.problem, "");
  EXPECT_THAT(whole.tensors, SizeIs(2));
  EXPECT_EQ(whole.tensors[1].file, 1u);
}

TEST(TensorListing, ProblemsAreSentences) {
  const TemporaryFolder folder;
  EXPECT_NE(list_tensors(folder.path()).problem, "");
  EXPECT_THAT(list_tensors(folder.file("x.safetensors", "version https://git-lfs.github.com/spec/v1\n")).problem,
              HasSubstr("Git LFS pointer"));
  EXPECT_THAT(list_tensors(folder / "none.safetensors").problem, HasSubstr("none.safetensors"));
}

TEST(Inspect, UnknownFamiliesAreTold) {
  const TemporaryFolder folder;
  folder.file("config.json", kUnknownConfig);
  folder.file("model.safetensors", tensors_file({"a", "b"}));
  const Inspection found = inspect_path(folder.path());
  EXPECT_EQ(found.kind, Inspection::Kind::kModelFolder);
  EXPECT_THAT(found.problem, HasSubstr("frobnicator"));
  EXPECT_THAT(found.facts, Contains(Pair("d_k", "8")));
  EXPECT_THAT(found.facts, Contains(Pair("sharing", "grouped: 4 query heads read one K/V head")));
  EXPECT_THAT(found.tensors, SizeIs(2));
  const Inspection config = inspect_path(folder / "config.json");
  EXPECT_THAT(config.problem, HasSubstr("frobnicator"));
  EXPECT_THAT(config.facts,
              Contains(Pair("KV cache in float16, a token", "2 (K and V) · 2 layers · 2 kv_heads · 8 d_k · 2 B = 128 B")));
}

TEST(Inspect, IndexOfShards) {
  const TemporaryFolder folder;
  folder.file("model-00001-of-00001.safetensors", tensors_file({"a"}));
  const auto index = folder.file("model.safetensors.index.json", R"({"weight_map": {"a": "model-00001-of-00001.safetensors"}})");
  const Inspection found = inspect_path(index);
  EXPECT_EQ(found.kind, Inspection::Kind::kShardIndex);
  EXPECT_EQ(found.problem, "");
  EXPECT_THAT(found.tensors, SizeIs(1));
  folder.file("model.safetensors.index.json", R"({"weight_map": {"a": "../x.safetensors"}})");
  EXPECT_NE(inspect_path(index).problem, "");
}

TEST(Inspect, TensorsAloneAreListed) {
  const TemporaryFolder folder;
  folder.file("adapter.safetensors", tensors_file({"a"}));
  const Inspection found = inspect_path(folder.path());
  EXPECT_THAT(found.tensors, SizeIs(1));
  EXPECT_THAT(found.problem, HasSubstr("config.json"));
}

}  // namespace
}  // namespace headroom
