#include "core/formats/save_model.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>
#include <bit>
#include <csignal>

#include "core/formats/json_value.h"
#include "core/formats/model_folder.h"
#include "core/formats/safetensors.h"
#include "core/model/surgery.h"
#include "core/tensor/dtype.h"
#include "tests/formats/testing.h"
#include "tests/model/families.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_files::bytes_of;
using testing_files::message_of;
using testing_files::TemporaryFolder;

constexpr const char* kTokenizer =
    R"({"version":"1.0","pre_tokenizer":{"type":"Whitespace"},"model":{"type":"WordLevel","vocab":{"<bos>":0,"<unk>":1,"<mask>":2,"<eos>":3,"a":4,"b":5},"unk_token":"<unk>"}})";

std::string description(const Tensor& stored) {
  const Tensor tensor = stored.widened();
  std::string text = shape_text(tensor.shape());
  for (const float value : tensor.span()) {
    text += ' ';
    text += std::to_string(std::bit_cast<std::uint32_t>(value));
  }
  return text;
}

/// Every bit of every tensor. An empty tensor has no shape worth comparing.
std::vector<std::string> description(const ModelParams& params) {
  std::vector<std::string> lines;
  test::for_each_tensor(params, [&](const Tensor& tensor) { lines.push_back(tensor.empty() ? "none" : description(tensor)); });
  return lines;
}

class EachFamily : public ::testing::TestWithParam<std::string> {};

TEST_P(EachFamily, WhatIsWrittenIsReadBackBitForBit) {
  for (const std::int64_t d_ff : {10, 0}) {
    SCOPED_TRACE(d_ff);
    ModelConfig config = test::family_config(GetParam());
    config.shape.d_ff = d_ff;
    const ModelParams params = test::stirred_params(config, 5);
    const TemporaryFolder folder;
    save_model_folder(params, kTokenizer, folder / "model", {.readme = "# A model\n"});
    const LoadedModel loaded = load_model_folder(folder / "model");
    EXPECT_EQ(loaded.params.config, config);
    EXPECT_EQ(description(loaded.params), description(params));
    EXPECT_THAT(loaded.notices, IsEmpty());
    EXPECT_EQ(loaded.params.layers.size(), 2u);
    EXPECT_EQ(loaded.params.layers[1].kv_head_of, params.layers[1].kv_head_of);
    EXPECT_EQ(loaded.params.encoder_layers.size(), static_cast<std::size_t>(config.n_encoder_layers));
    EXPECT_EQ(bytes_of(folder / "model" / "tokenizer.json"), kTokenizer);
    EXPECT_EQ(bytes_of(folder / "model" / "README.md"), "# A model\n");
    EXPECT_EQ(folder.n_entries(), 1u) << "nothing else is left";
  }
}

TEST_P(EachFamily, UntiedOutputComesBack) {
  ModelConfig config = test::family_config(GetParam());
  config.ties_embeddings = false;
  const ModelParams params = test::stirred_params(config, 6);
  const TemporaryFolder folder;
  save_model_folder(params, kTokenizer, folder / "model");
  const LoadedModel loaded = load_model_folder(folder / "model");
  EXPECT_FALSE(loaded.params.lm_head.empty());
  EXPECT_EQ(description(loaded.params), description(params));
}

TEST_P(EachFamily, HalvesAreTheNearest) {
  const ModelParams params = test::stirred_params(test::family_config(GetParam()), 7);
  const TemporaryFolder folder;
  save_model_folder(params, kTokenizer, folder / "model", {.floats = SavedFloats::kFloat16});
  const LoadedModel loaded = load_model_folder(folder / "model");
  ModelParams rounded = params;
  test::for_each_tensor(rounded, [](Tensor& tensor) {
    for (float& value : tensor.span())
      value = from_float16(to_float16(value));
  });
  EXPECT_EQ(description(loaded.params), description(rounded));
  EXPECT_NE(description(loaded.params), description(params));
}

TEST_P(EachFamily, SpecialTokensGetTheirIds) {
  const TemporaryFolder folder;
  save_model_folder(test::stirred_params(test::family_config(GetParam()), 8), kTokenizer, folder / "model");
  const JsonDocument config = read_json_file(folder / "model" / "config.json", 1 << 20);
  EXPECT_EQ(config.root.find("model_type")->string, GetParam());
  EXPECT_EQ(config.root.find("bos_token_id")->number(), 0);
  EXPECT_EQ(config.root.find("eos_token_id")->number(), 3);
  EXPECT_TRUE(config.root.find("pad_token_id")->is(JsonValue::Type::kNull)) << "the vocabulary has none";
  const JsonDocument tokens = read_json_file(folder / "model" / "tokenizer_config.json", 1 << 20);
  EXPECT_EQ(tokens.root.find("mask_token")->string, "<mask>");
  EXPECT_EQ(tokens.root.find("pad_token"), nullptr);
}

INSTANTIATE_TEST_SUITE_P(SaveModel, EachFamily, ::testing::ValuesIn(test::kFamilies),
                         [](const auto& param_info) { return param_info.param; });

TEST(SaveModel, PrunedHeadsAreWrittenAsZeros) {
  const ModelParams params = test::stirred_params(test::family_config("qwen2"), 9);
  const std::vector<HeadRef> pruned = {{0, 0}, {0, 1}, {1, 3}};
  const TemporaryFolder folder;
  save_model_folder(prune_heads(params, pruned), kTokenizer, folder / "model");
  const ModelParams loaded = load_model_folder(folder / "model").params;
  ModelParams expected = params;
  const auto zero_rows = [](Tensor& tensor, std::int64_t head, std::int64_t width) {
    std::fill_n(tensor.data() + head * 4 * width, 4 * width, 0.0f);
  };
  for (const HeadRef& ref : pruned) {
    LayerParams& layer = expected.layers[static_cast<std::size_t>(ref.layer)];
    zero_rows(layer.w_q, ref.head, 12);
    zero_rows(layer.b_q, ref.head, 1);
    for (std::int64_t r = 0; r < 12; ++r)
      std::fill_n(layer.w_o.row(r).data() + ref.head * 4, 4, 0.0f);
  }
  // Both heads of the first layer's first group are gone, and with them what they read.
  LayerParams& first = expected.layers[0];
  for (Tensor* matrix : {&first.w_k, &first.w_v})
    zero_rows(*matrix, 0, 12);
  for (Tensor* bias : {&first.b_k, &first.b_v})
    zero_rows(*bias, 0, 1);
  EXPECT_EQ(description(loaded), description(expected));
}

TEST(SaveModel, AFamilyThatCannotHoldTheModelIsRefusedInOneSentence) {
  const TemporaryFolder folder;
  const auto refusal = [&](ModelConfig config) {
    const ModelParams params = make_random_params(config, 1);
    const std::string message = message_of([&] { save_model_folder(params, kTokenizer, folder / "m"); });
    EXPECT_TRUE(message.starts_with((folder / "m").native() + ": the model cannot be saved: ")) << message;
    EXPECT_EQ(folder.n_entries(), 0u);
    return message;
  };
  ModelConfig config = test::family_config("gpt2");
  config.shape.n_kv_heads = 1;
  EXPECT_THAT(refusal(config), HasSubstr("GPT-2 has one K/V head for each head, so kv_heads = 1 must be h = 3"));
  config = test::family_config("bert");
  config.norm_place = NormPlace::kBefore;
  EXPECT_THAT(refusal(config), HasSubstr("BERT has LayerNorm after each sub-layer"));
  config = test::family_config("bart");
  config.rms_norm_eps = 1e-6f;
  EXPECT_THAT(refusal(config), HasSubstr("eps 1e-5"));
  config = test::family_config("qwen2");
  config.positions = PositionKind::kLearned;
  EXPECT_THAT(refusal(config), HasSubstr("rotary positions"));
  config.family = "mamba";
  EXPECT_THAT(refusal(config), HasSubstr("there is no family of models named \"mamba\""));
}

TEST(SaveModel, ItsOwnFolderIsReplacedAnothersIsNot) {
  const TemporaryFolder folder;
  const ModelParams first = test::stirred_params(test::family_config("gpt2"), 1),
                    second = test::stirred_params(test::family_config("qwen2"), 2);
  save_model_folder(first, kTokenizer, folder / "m", {.more_files = {{"training.bin", "state"}}});
  EXPECT_EQ(bytes_of(folder / "m" / "training.bin"), "state");
  save_model_folder(second, kTokenizer, folder / "m");
  EXPECT_EQ(description(load_model_folder(folder / "m").params), description(second));
  EXPECT_FALSE(fs::exists(folder / "m" / "training.bin")) << "the old folder went as a whole";
  EXPECT_EQ(folder.n_entries(), 1u);

  testing_files::TemporaryFolder other;
  fs::copy(folder / "m", other / "m", fs::copy_options::recursive);
  std::ofstream(other / "m" / "thesis.txt") << "dear";
  const std::string message = message_of([&] { save_model_folder(first, kTokenizer, other / "m"); });
  EXPECT_EQ(message, (other / "m").native() + ": is a folder that holds other files, which are not replaced: choose another name");
  EXPECT_EQ(bytes_of(other / "m" / "thesis.txt"), "dear");
  EXPECT_EQ(description(load_model_folder(other / "m").params), description(second));
}

TEST(SaveModel, AnEmptyFolderIsFilledAndMissingParentsAreMade) {
  const TemporaryFolder folder;
  const ModelParams params = test::stirred_params(test::family_config("gpt2"), 1);
  fs::create_directory(folder / "m");
  save_model_folder(params, kTokenizer, folder / "m");
  save_model_folder(params, kTokenizer, folder / "deep" / "down" / "m" / "");
  EXPECT_EQ(description(load_model_folder(folder / "m").params), description(load_model_folder(folder / "deep/down/m").params));
}

TEST(SaveModel, AFileInTheWayIsSaid) {
  const TemporaryFolder folder;
  const fs::path path = folder.file("m", "a file");
  const ModelParams params = test::stirred_params(test::family_config("gpt2"), 1);
  EXPECT_EQ(message_of([&] { save_model_folder(params, kTokenizer, path); }),
            path.native() + ": cannot be written: it is there already and is no folder");
  EXPECT_THAT(message_of([&] { save_model_folder(params, kTokenizer, path / "m"); }), HasSubstr("cannot be written"));
  EXPECT_EQ(bytes_of(path), "a file");
}

TEST(SaveModel, NamesOfMoreFilesAreBareAndDiffer) {
  const TemporaryFolder folder;
  const ModelParams params = test::stirred_params(test::family_config("gpt2"), 1);
  for (const char* name : {"../x", "a/b", "", ".", "config.json", "model.safetensors"})
    EXPECT_THAT(message_of([&] {
                  save_model_folder(params, kTokenizer, folder / "m", {.more_files = {{name, ""}}});
                }),
                HasSubstr("is no name for one more file"));
  EXPECT_EQ(folder.n_entries(), 0u);
}

/// A full disk in small: files may not grow beyond a limit.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
  void (*old_handler_)(int) = nullptr;
};

TEST(SaveModel, AFullDiskKeepsTheOldFolderAndLeavesNothingBehind) {
  const TemporaryFolder folder;
  const ModelParams old = test::stirred_params(test::family_config("gpt2"), 1),
                    fresh = test::stirred_params(test::family_config("gpt2"), 2);
  save_model_folder(old, kTokenizer, folder / "m");
  std::string message, message_of_new;
  {
    const FileSizeLimit limit(4096);
    message = message_of([&] { save_model_folder(fresh, kTokenizer, folder / "m"); });
    message_of_new = message_of([&] { save_model_folder(fresh, kTokenizer, folder / "n"); });
  }
  EXPECT_EQ(message, (folder / "m").native() + ": cannot be written: File too large");
  EXPECT_EQ(message_of_new, (folder / "n").native() + ": cannot be written: File too large");
  EXPECT_EQ(folder.n_entries(), 1u);
  EXPECT_EQ(description(load_model_folder(folder / "m").params), description(old));
}

}  // namespace
}  // namespace headroom
