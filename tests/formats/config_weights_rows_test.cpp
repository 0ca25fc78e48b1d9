// Rows of bad configurations that only the weights show: other layers, other shapes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/formats/inspect.h"
#include "core/formats/model_folder.h"
#include "core/model/forward.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing_files::bytes_of;
using testing_files::kModels;
using testing_files::message_of;
using testing_files::TemporaryFolder;

/// A model whose config.json says something else in one place.
void write_model(const TemporaryFolder& folder, const std::filesystem::path& model, const std::string& from,
                 const std::string& to) {
  for (const char* file : {"model.safetensors", "tokenizer.json"})
    std::filesystem::create_symlink(model / file, folder / file);
  std::string config = bytes_of(model / "config.json");
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
    write_model(folder, kModels / "grammar-base", "\"num_hidden_layers\": 4", std::string("\"num_hidden_layers\": ") + told);
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
  write_model(folder, kModels / "grammar-masked", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 7");
  const LoadedModel model = load_model_folder(folder.path());
  EXPECT_EQ(model.params.layers.size(), 4u);
  EXPECT_FALSE(model.params.config.predicts);
}

TEST(ConfigHostile, C5AStackOfTwoIsRefused) {
  const TemporaryFolder folder;
  write_model(folder, kModels / "grammar-translation", "\"decoder_layers\": 3", "\"decoder_layers\": 4");
  EXPECT_THAT(message_of([&] { load_model_folder(folder.path()); }), HasSubstr("missing"));
}

TEST(ConfigHostile, C6AnotherShapeNamesTheTensor) {
  const TemporaryFolder folder;
  write_model(folder, kModels / "grammar-base", "\"intermediate_size\": ", "\"intermediate_size\": 1");
  const std::string message = message_of([&] { load_model_folder(folder.path()); });
  EXPECT_THAT(message, HasSubstr("of another shape than config.json implies: "));
  EXPECT_THAT(message, HasSubstr("layers.0.mlp.gate_proj.weight (expected [1"));
  EXPECT_THAT(message, HasSubstr(", found ["));
}

/// What the first layer attends to, of both models alike: q, k and the row sums, which fix every probability.
void expect_same_first_attention(const ModelParams& part, const ModelParams& whole) {
  ThreadPool pool(1);
  const std::unique_ptr<AttentionBackend> backend = make_flash_backend(pool);
  const std::unique_ptr<AttentionLayer> layer = make_cpu_attention_layer(pool, *backend);
  const std::vector<std::int32_t> ids = {1, 5, 3, 9, 2};
  const ForwardOptions options{.mask = {.direction = default_direction(whole.config.kind)}};
  const ForwardTrace found = forward(part, ids, *layer, pool, options), wanted = forward(whole, ids, *layer, pool, options);
  ASSERT_EQ(found.layers.size(), 1u);
  EXPECT_TRUE(found.logits.empty());
  const AttentionLayerResult &a = found.layers[0].attention, &b = wanted.layers[0].attention;
  EXPECT_TRUE(std::ranges::equal(a.q.span(), b.q.span()));
  EXPECT_TRUE(std::ranges::equal(a.k.span(), b.k.span()));
  EXPECT_TRUE(std::ranges::equal(a.logsumexp.span(), b.logsumexp.span()));
}

TEST(ConfigHostile, C19TheAttentionBeforeAnUnknownActivationIsShown) {
  const std::filesystem::path golden = std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests/golden";
  struct Case {
    std::filesystem::path model;
    std::string from, to;
  };
  const Case cases[] = {
      {kModels / "grammar-base", "\"silu\"", "\"quick_gelu_x\""},
      {kModels / "grammar-masked", "\"gelu_new\"", "\"quick_gelu_x\""},
      {golden / "families/gpt2", "\"activation_function\": \"gelu_new\"", "\"activation_function\": \"quick_gelu_x\""},
      {golden / "decoders/gemma2", "\"hidden_activation\": \"gelu_pytorch_tanh\"", "\"hidden_activation\": \"quick_gelu_x\""},
      {golden / "decoders/phi3", "\"silu\"", "\"quick_gelu_x\""},
      {golden / "decoders/gpt_neox", "\"gelu\"", "\"quick_gelu_x\""},
      {golden / "encoders/distilbert", "\"activation\": \"gelu\"", "\"activation\": \"quick_gelu_x\""},
  };
  for (const Case& unknown : cases) {
    SCOPED_TRACE(unknown.model.filename().string());
    const TemporaryFolder folder;
    write_model(folder, unknown.model, unknown.from, unknown.to);
    const LoadedModel model = load_model_folder(folder.path());
    EXPECT_THAT(model.notices, Contains(AllOf(HasSubstr("is \"quick_gelu_x\", but only"),
                                              HasSubstr("the attention of the first layer is shown"))));
    EXPECT_FALSE(model.params.config.predicts);
    expect_same_first_attention(model.params, load_model_folder(unknown.model).params);
    EXPECT_EQ(inspect_path(folder.path()).problem, "");
  }
}

TEST(ConfigHostile, C19OfTwoStacksIsRefused) {
  const TemporaryFolder folder;
  write_model(folder, kModels / "grammar-translation", "\"activation_function\": \"", "\"activation_function\": \"quick_");
  EXPECT_THAT(message_of([&] { load_model_folder(folder.path()); }), HasSubstr("activation_function is \"quick_"));
}

}  // namespace
}  // namespace headroom
