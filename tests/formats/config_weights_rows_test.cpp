// Rows of bad configurations that only the weights show: other layers, other shapes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/formats/layer_count.h"
#include "core/formats/model_folder.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing_files::bytes_of;
using testing_files::kModels;
using testing_files::message_of;
using testing_files::TemporaryFolder;

/// A bundled model whose config.json tells of another number of layers.
void write_model(const TemporaryFolder& folder, const std::string& name, const std::string& from, const std::string& to) {
  for (const char* file : {"model.safetensors", "tokenizer.json"})
    std::filesystem::create_symlink(kModels / name / file, folder / file);
  std::string config = bytes_of(kModels / name / "config.json");
  const std::size_t at = config.find(from);
  ASSERT_NE(at, std::string::npos);
  config.replace(at, from.size(), to);
  folder.file("config.json", config);
}

TEST(ConfigHostile, C5TheLayersThatAreThereAreShown) {
  const ModelParams whole = load_model_folder(kModels / "grammar-base").params;
  ASSERT_EQ(whole.layers.size(), 4u);
  for (const char* told : {"5", "3"}) {
    const TemporaryFolder folder;
    write_model(folder, "grammar-base", "\"num_hidden_layers\": 4", std::string("\"num_hidden_layers\": ") + told);
    const LoadedModel model = load_model_folder(folder.path());
    EXPECT_EQ(model.params.config.shape.n_layers, 4);
    ASSERT_EQ(model.params.layers.size(), 4u);
    EXPECT_FALSE(model.params.config.predicts);
    EXPECT_THAT(model.notices, Contains(HasSubstr(std::string("config.json says ") + told + " layers, but the file holds 4")));
    EXPECT_TRUE(std::ranges::equal(model.params.layers[3].w_q.span(), whole.layers[3].w_q.span()));
  }
}

TEST(ConfigHostile, C5OfAMaskedModelToo) {
  const TemporaryFolder folder;
  write_model(folder, "grammar-masked", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 7");
  const LoadedModel model = load_model_folder(folder.path());
  EXPECT_EQ(model.params.layers.size(), 4u);
  EXPECT_FALSE(model.params.config.predicts);
}

TEST(ConfigHostile, C5AStackOfTwoIsRefused) {
  const TemporaryFolder folder;
  write_model(folder, "grammar-translation", "\"decoder_layers\": 3", "\"decoder_layers\": 4");
  EXPECT_THAT(message_of([&] { load_model_folder(folder.path()); }), HasSubstr("missing"));
}

TEST(ConfigHostile, C6AnotherShapeNamesTheTensor) {
  const TemporaryFolder folder;
  write_model(folder, "grammar-base", "\"intermediate_size\": ", "\"intermediate_size\": 1");
  const std::string message = message_of([&] { load_model_folder(folder.path()); });
  EXPECT_THAT(message, HasSubstr("of another shape than config.json implies: "));
  EXPECT_THAT(message, HasSubstr("layers.0.mlp.gate_proj.weight (expected [1"));
  EXPECT_THAT(message, HasSubstr(", found ["));
}

}  // namespace
}  // namespace headroom
