// A language model inside a model that also reads pictures: config.json holds it under text_config, the files behind a prefix.
#include "core/formats/inner_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/formats/model_folder.h"
#include "tests/formats/stored_files.h"

namespace headroom {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing_files::bytes_of;
using testing_files::joined;
using testing_files::message_of;
using testing_files::RawTensor;
using testing_files::TemporaryFolder;

const std::filesystem::path kDecoders = std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests/golden/decoders";

/// How a checkpoint names the tensors of its language model: what stands before "model." of its layers, and before its output.
struct Names {
  std::string layers, output;
};

/// The golden model inside one of `outer_type`, beside a tower of more layers than it has.
void write_outer(const TemporaryFolder& folder, const std::string& name, const std::string& outer_type, const Names& names) {
  std::vector<RawTensor> tensors = testing_files::tensors_as(kDecoders / name / "model.safetensors", DType::kF32);
  for (RawTensor& tensor : tensors) {
    const std::string_view inner = "model.";
    const bool is_inside = tensor.name.starts_with(inner);
    tensor.name = is_inside ? names.layers + tensor.name.substr(inner.size()) : names.output + tensor.name;
  }
  for (int layer = 0; layer < 9; ++layer)
    tensors.push_back(testing_files::raw_tensor(
        joined({"vision_tower.encoder.layers.", std::to_string(layer), ".self_attn.q_proj.weight"}), Tensor({2, 2}), DType::kF32));
  folder.file("model.safetensors", testing_files::file_of(tensors));
  std::filesystem::create_symlink(kDecoders / name / "tokenizer.json", folder / "tokenizer.json");
  folder.file("config.json",
              joined({R"({"model_type": ")", outer_type, R"(", "vision_config": {"hidden_size": 2}, "text_config": )",
                      bytes_of(kDecoders / name / "config.json"), "}"}));
}

TEST(InnerModel, IsReadAsByItself) {
  const Names spellings[] = {{"language_model.model.", "language_model."}, {"model.language_model.", ""}};
  for (const char* name : {"llama-biased", "mistral"}) {
    const LoadedModel alone = load_model_folder(kDecoders / name);
    for (const Names& names : spellings) {
      SCOPED_TRACE(std::string(name) + " behind " + names.layers);
      const TemporaryFolder folder;
      write_outer(folder, name, "llava", names);
      const LoadedModel model = load_model_folder(folder.path());
      EXPECT_EQ(model.params.config, alone.params.config);
      ASSERT_EQ(model.params.layers.size(), alone.params.layers.size());
      EXPECT_TRUE(std::ranges::equal(model.params.layers.back().w_q.span(), alone.params.layers.back().w_q.span()));
      EXPECT_TRUE(std::ranges::equal(model.params.lm_head.span(), alone.params.lm_head.span()));
      EXPECT_THAT(model.notices, Contains(HasSubstr("Only its language model (text_config)")));
      EXPECT_THAT(model.notices, Contains(HasSubstr("9 tensors are not used: vision_tower.")));
    }
  }
}

TEST(InnerModel, OfAnUnknownModelIsRefused) {
  const TemporaryFolder folder;
  write_outer(folder, "mistral", "paligemma", {"language_model.model.", "language_model."});
  EXPECT_THAT(message_of([&] { load_model_folder(folder.path()); }), HasSubstr("model_type is \"paligemma\""));
}

TEST(InnerModel, IsGoneIntoOnce) {
  const TemporaryFolder folder;
  folder.file("config.json",
              R"({"model_type": "llava", "text_config": {"model_type": "llava", "text_config": {"model_type": "llama"}}})");
  EXPECT_THAT(message_of([&] { load_model_folder(folder.path()); }), HasSubstr("text_config: model_type is \"llava\""));
}

TEST(InnerModel, QuantisedAroundItIsRefused) {
  const TemporaryFolder folder;
  folder.file("config.json", R"({"model_type": "llava", "quantization_config": {}, "text_config": {"model_type": "llama"}})");
  EXPECT_THAT(message_of([&] { load_model_folder(folder.path()); }), HasSubstr("quantization_config"));
}

TEST(InnerModel, TakesATiedOutputFromAround) {
  const auto tied = [](const std::string& json) {
    const std::optional<JsonValue> inner = find_inner_model(parse_json(json, "test").root);
    const JsonValue* flag = inner ? inner->find("tie_word_embeddings") : nullptr;
    return flag != nullptr && flag->boolean;
  };
  EXPECT_TRUE(tied(R"({"model_type": "llava", "tie_word_embeddings": true, "text_config": {}})"));
  EXPECT_FALSE(tied(R"({"model_type": "llava", "tie_word_embeddings": true, "text_config": {"tie_word_embeddings": false}})"));
  EXPECT_FALSE(tied(R"({"model_type": "llava", "text_config": {}})"));
}

}  // namespace
}  // namespace headroom
