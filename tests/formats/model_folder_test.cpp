#include "core/formats/model_folder.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/formats/card_reader.h"
#include "core/formats/inspect.h"
#include "core/formats/model_config.h"
#include "core/formats/safetensors.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using testing_files::kModels;
using testing_files::message_of;
using testing_files::TemporaryFolder;

constexpr const char* kConfig =
    R"({"model_type":"llama","vocab_size":3,"hidden_size":4,"intermediate_size":6,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,"tie_word_embeddings":true})";
constexpr const char* kTokenizer =
    R"({"pre_tokenizer":{"type":"Whitespace"},"model":{"type":"WordLevel","vocab":{"u":0,"a":1,"b":2},"unk_token":"u"}})";

/// Writes every tensor that the small configuration implies, changed as a case wishes.
struct SmallModel {
  std::string config = kConfig;
  std::string tokenizer = kTokenizer;
  std::string prefix = "model.";
  std::vector<std::string> left_out;
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> added;  ///< also replaces
  float value = 0.5f;

  fs::path write(const TemporaryFolder& folder) const {
    folder.file("config.json", config);
    folder.file("tokenizer.json", tokenizer);
    ModelParams params;
    params.config.has_qkv_bias = false;
    params.config.shape = {2, 4, 2, 1, 2, 6, 3, 2048};
    SafetensorsWriter writer;
    const auto add = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
      std::int64_t n = 1;
      for (const std::int64_t dim : shape)
        n *= dim;
      writer.add(name, shape, std::vector<float>(static_cast<std::size_t>(n), value));
    };
    for (const TensorSlot& slot : tensor_slots(params)) {
      const std::string name = prefix + slot.name;
      const bool is_replaced = std::any_of(added.begin(), added.end(), [&](const auto& item) { return item.first == name; });
      if (!is_replaced && std::find(left_out.begin(), left_out.end(), name) == left_out.end()) add(name, slot.shape);
    }
    for (const auto& [name, shape] : added)
      add(name, shape);
    writer.write(folder / "model.safetensors");
    return folder.path();
  }
  std::string refusal() const {
    const TemporaryFolder folder;
    const fs::path path = write(folder);
    const std::string message = message_of([&] { load_model_folder(path); });
    EXPECT_TRUE(message.empty() || message.starts_with(path.native())) << message;
    EXPECT_EQ(inspect_path(path).problem, message) << "inspect says the same";
    return message;
  }
  std::vector<std::string> notices() const {
    const TemporaryFolder folder;
    return load_model_folder(write(folder)).notices;
  }
};

void expect_shape(const Tensor& tensor, std::vector<std::int64_t> shape) { EXPECT_EQ(tensor.shape(), shape); }

TEST(ModelFolder, BundledModelsHaveExactlyTheirShapes) {
  for (const auto& [name, n_kv_heads] : {std::pair("grammar-base", 8), std::pair("grammar-gqa", 2)}) {
    SCOPED_TRACE(name);
    double last = 0;
    bool grows = true;
    const LoadedModel model = load_model_folder(kModels / name, [&](double share) {
      grows = grows && share >= last && share <= 1;
      last = share;
    });
    EXPECT_TRUE(grows);
    EXPECT_EQ(last, 1);
    EXPECT_THAT(model.notices, IsEmpty());
    EXPECT_EQ(model.folder, kModels / name);
    expect_shape(model.params.embedding, {367, 128});
    expect_shape(model.params.final_norm, {128});
    expect_shape(model.params.lm_head, {367, 128});
    ASSERT_THAT(model.params.layers, SizeIs(4));
    const std::int64_t d_kv = 16 * n_kv_heads;
    for (const LayerParams& layer : model.params.layers) {
      expect_shape(layer.attention_norm, {128});
      expect_shape(layer.w_q, {128, 128});
      expect_shape(layer.b_q, {128});
      expect_shape(layer.w_k, {d_kv, 128});
      expect_shape(layer.b_k, {d_kv});
      expect_shape(layer.w_v, {d_kv, 128});
      expect_shape(layer.b_v, {d_kv});
      expect_shape(layer.w_o, {128, 128});
      EXPECT_TRUE(layer.b_o.empty());
      expect_shape(layer.mlp_norm, {128});
      expect_shape(layer.w_gate, {344, 128});
      expect_shape(layer.w_up, {344, 128});
      expect_shape(layer.w_down, {128, 344});
      EXPECT_THAT(layer.heads, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
      EXPECT_THAT(layer.kv_heads, SizeIs(static_cast<std::size_t>(n_kv_heads)));
      EXPECT_EQ(layer.kv_head_of.back(), n_kv_heads - 1);
    }
    const SafetensorsFile file(kModels / name / "model.safetensors");
    const Tensor w_k = file.read_float(*file.find("model.layers.2.self_attn.k_proj.weight"));
    EXPECT_TRUE(std::equal(w_k.span().begin(), w_k.span().end(), model.params.layers[2].w_k.span().begin()));
    EXPECT_EQ(model.tokenizer->vocab_size(), 367);
  }
}

TEST(ModelFolder, C17WithAndWithoutPrefix) {
  for (const char* prefix : {"model.", ""}) {
    SmallModel small;
    small.prefix = prefix;
    EXPECT_EQ(small.refusal(), "") << prefix;
    EXPECT_THAT(small.notices(), IsEmpty());
  }
}

TEST(ModelFolder, UntiedOutputIsRead) {
  SmallModel small;
  small.config = std::string(kConfig).replace(std::string(kConfig).find("true"), 4, "false");
  EXPECT_THAT(small.refusal(), HasSubstr("1 tensor is missing: lm_head.weight"));
  small.added = {{"lm_head.weight", {3, 4}}};
  const TemporaryFolder folder;
  expect_shape(load_model_folder(small.write(folder)).params.lm_head, {3, 4});
}

TEST(ModelFolder, C16ConfigDecidesOverAnOutputThatIsThere) {
  SmallModel small;
  small.added = {{"lm_head.weight", {3, 4}}};
  EXPECT_THAT(small.notices(), ElementsAre(HasSubstr("lm_head.weight")));
}

TEST(ModelFolder, C17BuffersAreIgnoredOtherTensorsAreTold) {
  SmallModel small;
  small.added = {{"model.layers.0.self_attn.rotary_emb.inv_freq", {1}}, {"score.weight", {1}}};
  EXPECT_THAT(small.notices(), ElementsAre("1 tensor is not used: score.weight."));
}

TEST(ModelFolder, MissingTensorsAreListed) {
  SmallModel small;
  small.left_out = {"model.layers.1.self_attn.q_proj.weight"};
  EXPECT_THAT(small.refusal(), HasSubstr("1 tensor is missing: model.layers.1.self_attn.q_proj.weight"));
  small.left_out = {"model.norm.weight", "model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.gate_proj.weight",
                    "model.layers.0.mlp.down_proj.weight"};
  EXPECT_THAT(small.refusal(), AllOf(HasSubstr("4 tensors are missing: "), HasSubstr(" and 1 more")));
}

TEST(ModelFolder, WrongShapesNameExpectedAndFound) {
  SmallModel small;
  small.added = {{"model.layers.0.self_attn.k_proj.weight", {4, 4}}};
  EXPECT_THAT(small.refusal(), HasSubstr("model.layers.0.self_attn.k_proj.weight (expected [2, 4], found [4, 4])"));
  small.added = {{"model.embed_tokens.weight", {12}}};
  EXPECT_THAT(small.refusal(), HasSubstr("model.embed_tokens.weight (expected [3, 4], found [12])"));
}

TEST(ModelFolder, ALayerWithoutThoseBeforeItIsAnError) {
  SmallModel small;
  small.added = {{"model.layers.5.input_layernorm.weight", {4}}};
  EXPECT_THAT(small.refusal(), HasSubstr("1 tensor is not expected by config.json: model.layers.5.input_layernorm.weight"));
}

TEST(ModelFolder, BiasThatTheConfigDoesNotKnowIsAnError) {
  SmallModel small;
  small.added = {{"model.layers.0.self_attn.q_proj.bias", {4}}};
  EXPECT_THAT(small.refusal(), HasSubstr("1 tensor is not expected by config.json: model.layers.0.self_attn.q_proj.bias"));
}

TEST(ModelFolder, IntegerWeightsAreRefused) {
  const TemporaryFolder folder;
  SmallModel small;
  small.left_out = {"model.norm.weight"};
  small.write(folder);
  std::string bytes = testing_files::bytes_of(folder / "model.safetensors");
  const std::size_t at = bytes.find("\"F32\"");
  bytes.replace(at, 5, "\"I32\"");
  folder.file("model.safetensors", bytes);
  EXPECT_THAT(message_of([&] { load_model_folder(folder.path()); }), HasSubstr("1 tensor is of a dtype that is not read"));
}

TEST(ModelFolder, NonFiniteParametersAreCountedAndLoaded) {
  SmallModel small;
  small.value = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(small.notices(),
              ElementsAre(AllOf(HasSubstr("parameters are NaN or infinite, first in model.embed_tokens.weight."))));
  const TemporaryFolder folder;
  const fs::path path = small.write(folder);
  EXPECT_TRUE(std::isnan(load_model_folder(path).params.embedding.data()[0]));
  EXPECT_EQ(inspect_path(path).problem, "");
  EXPECT_THAT(inspect_path(path).notices, ElementsAre(HasSubstr("NaN or infinite")));
  small.value = -std::numeric_limits<float>::infinity();
  EXPECT_THAT(small.notices(), SizeIs(1));
}

TEST(ModelFolder, TokenizerBeyondTheEmbeddingIsTold) {
  SmallModel small;
  small.tokenizer = R"({"model":{"type":"WordLevel","vocab":{"u":0,"a":5},"unk_token":"u"}})";
  EXPECT_THAT(small.notices(),
              ElementsAre("The tokenizer has ids up to 5, but the embedding has only 3 rows: such tokens cannot be read."));
}

TEST(ModelFolder, WithoutATokenizerItTakesIds) {
  SmallModel small;
  const TemporaryFolder folder;
  small.write(folder);
  fs::remove(folder / "tokenizer.json");
  const LoadedModel missing = load_model_folder(folder.path());
  EXPECT_THAT(missing.notices,
              ElementsAre("The text must be token ids, e.g. \"5 12 7\", because the tokenizer cannot be read: " +
                          folder.path().native() + ": there is no tokenizer.json, vocab.txt, or vocab.json with merges.txt."));
  EXPECT_EQ(missing.tokenizer->vocab_size(), 3);
  EXPECT_EQ(missing.tokenizer->encode("2 0", 10).tokens.size(), 2u);
  folder.file("tokenizer.json",
              R"({"normalizer":{"type":"Quantum"},"model":{"type":"WordLevel","vocab":{"u":0},"unk_token":"u"}})");
  EXPECT_THAT(load_model_folder(folder.path()).notices, ElementsAre(HasSubstr("normalizer has the type \"Quantum\"")));
}

TEST(ModelFolder, MissingFilesAreNamed) {
  SmallModel small;
  const TemporaryFolder folder;
  small.write(folder);
  fs::remove(folder / "config.json");
  const std::string message = message_of([&] { load_model_folder(folder.path()); });
  EXPECT_EQ(message, (folder / "config.json").native() + ": cannot be opened: No such file or directory");
  EXPECT_EQ(inspect_path(folder.path()).problem, message);
  small.write(folder);
  fs::remove(folder / "model.safetensors");
  EXPECT_THAT(message_of([&] { load_model_folder(folder.path()); }), HasSubstr("there is no model.safetensors"));
  folder.file("pytorch_model.bin", "x");
  EXPECT_THAT(message_of([&] { load_model_folder(folder.path()); }),
              HasSubstr("there is pytorch_model.bin but no model.safetensors"));
  folder.file("model.safetensors.index.json", "{}");
  EXPECT_THAT(message_of([&] { load_model_folder(folder.path()); }), HasSubstr("model.safetensors.index.json: has no weight_map"));
  EXPECT_THAT(message_of([&] { load_model_folder(folder / "none"); }), HasSubstr("No such file"));
}

TEST(ModelFolder, EveryTruncationIsAnError) {
  const TemporaryFolder folder;
  SmallModel().write(folder);
  const std::string bytes = testing_files::bytes_of(folder / "model.safetensors");
  for (std::size_t n = 0; n < bytes.size(); n += 7) {
    folder.file("model.safetensors", bytes.substr(0, n));
    ASSERT_NE(message_of([&] { load_model_folder(folder.path()); }), "") << n;
  }
}

TEST(ModelFolder, StopIsHonouredAtEveryStep) {
  const TemporaryFolder folder;
  SmallModel().write(folder);
  std::stop_source at_once;
  at_once.request_stop();
  EXPECT_THROW(load_model_folder(folder.path(), {}, at_once.get_token()), Cancelled);
  for (int step = 0; step < 19; ++step) {
    std::stop_source source;
    int n_calls = 0;
    const auto progress = [&](double) {
      if (n_calls++ == step) source.request_stop();
    };
    ASSERT_THROW(load_model_folder(folder.path(), progress, source.get_token()), Cancelled) << step;
    EXPECT_EQ(n_calls, step + 1) << "nothing is read after the stop";
  }
}

TEST(Inspect, ModelFolder) {
  const Inspection result = inspect_path(kModels / "grammar-gqa");
  EXPECT_EQ(result.kind, Inspection::Kind::kModelFolder);
  EXPECT_EQ(result.problem, "");
  EXPECT_THAT(result.notices, IsEmpty());
  EXPECT_THAT(result.tensors, SizeIs(51));
  EXPECT_EQ(result.tensors[0].name, "lm_head.weight");
  EXPECT_EQ(result.tensors[0].shape, "[367, 128]");
  EXPECT_EQ(result.tensors[0].dtype, "F32");
  EXPECT_EQ(result.tensors[0].bytes, 187904u);
  EXPECT_THAT(std::vector(result.facts.begin(), result.facts.begin() + 10),
              ElementsAre(Pair("family", "qwen2"), Pair("layers", "4"), Pair("heads", "8"), Pair("kv_heads", "2"),
                          Pair("d_model", "128"), Pair("d_k", "16"), Pair("d_ff", "344"), Pair("parameters", "788096"),
                          Pair("vocabulary", "367"), Pair("context", "64")));
  // The card's own count and the file's tensors are two ways to one number.
  EXPECT_THAT(result.facts, Contains(Pair("sharing", "grouped: 4 query heads read one K/V head")));
  EXPECT_THAT(result.facts,
              Contains(Pair("KV cache in float16, a token", "2 (K and V) · 4 layers · 2 kv_heads · 16 d_k · 2 B = 512 B")));
  EXPECT_EQ(count_parameters(read_card_file(kModels / "grammar-gqa" / "config.json")).total, 788096);
  EXPECT_EQ(count_parameters(load_model_folder(kModels / "grammar-gqa").params).total(), 788096);
}

TEST(Inspect, TellsFilesApartByContent) {
  const TemporaryFolder folder;
  using Kind = Inspection::Kind;
  const auto copy = [&](const char* from, const char* to) {
    fs::copy_file(kModels / "grammar-base" / from, folder / to);
    return inspect_path(folder / to);
  };
  for (const auto& [from, kind] : {std::pair("model.safetensors", Kind::kSafetensors),
                                   std::pair("tokenizer.json", Kind::kTokenizer), std::pair("config.json", Kind::kConfig)}) {
    const Inspection result = copy(from, (std::string(from) + ".renamed").c_str());
    EXPECT_EQ(result.kind, kind) << from;
    EXPECT_EQ(result.problem, "") << from;
    EXPECT_THAT(result.facts, Not(IsEmpty())) << from;
  }
  const Inspection session = inspect_path(folder.file("a.headroom.json", "not even JSON"));
  EXPECT_EQ(session.kind, Kind::kSession);
  EXPECT_EQ(session.problem, "") << "core/session checks it";
}

TEST(Inspect, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  const auto problem = [&](const char* name, std::string_view bytes) { return inspect_path(folder.file(name, bytes)).problem; };
  EXPECT_THAT(problem("a", ""), HasSubstr("a: is empty"));
  EXPECT_THAT(problem("b", "hello world, this is text"), HasSubstr("is neither safetensors nor JSON nor numpy arrays"));
  EXPECT_THAT(problem("c", "{\"x\":1}"), HasSubstr("neither a config.json, a tokenizer.json nor a session"));
  EXPECT_THAT(problem("d", "PK\x03\x04" + std::string(60, 'x')), HasSubstr("zip archive"));
  EXPECT_THAT(problem("config.json", "{"), HasSubstr("not valid JSON"));
  EXPECT_THAT(problem("tokenizer.json", "{}"), HasSubstr("has no \"model\""));
  EXPECT_THAT(problem("model.safetensors", "abc"), HasSubstr("too short for safetensors"));
  EXPECT_EQ(inspect_path(folder / "config.json").kind, Inspection::Kind::kConfig);
  EXPECT_THAT(inspect_path(folder / "none").problem, HasSubstr("No such file"));
  EXPECT_THAT(inspect_path("/dev/zero").problem, HasSubstr("not a regular file"));
  const TemporaryFolder empty;
  EXPECT_THAT(inspect_path(empty.path()).problem, HasSubstr("holds no config.json"));
}

TEST(Inspect, BrokenConfigDoesNotHideTheTensors) {
  const TemporaryFolder folder;
  SmallModel small;
  small.config = "{";
  const Inspection result = inspect_path(small.write(folder));
  EXPECT_THAT(result.problem, HasSubstr("config.json: is not valid JSON"));
  EXPECT_THAT(result.tensors, SizeIs(20));
}

}  // namespace
}  // namespace headroom
