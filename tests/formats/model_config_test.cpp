#include "core/formats/model_config.h"

#include <gmock/gmock.h>

#include <clocale>
#include <locale>

#include "core/formats/model_folder.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using testing_files::kModels;
using testing_files::message_of;
using testing_files::TemporaryFolder;

/// A valid config with `more` members after the others: a name that is there already replaces the first one.
std::string config_with(const std::string& more) {
  return R"({"model_type":"llama","vocab_size":100,"hidden_size":64,"intermediate_size":96,"num_hidden_layers":2,"num_attention_heads":8)" +
         (more.empty() ? "" : "," + more) + "}";
}
ModelConfig read(const std::string& json) {
  const TemporaryFolder folder;
  return read_model_config(folder.file("config.json", json));
}
std::string refusal(const std::string& json) {
  const TemporaryFolder folder;
  const auto path = folder.file("config.json", json);
  const std::string message = message_of([&] { read_model_config(path); });
  if (message.empty()) return "";
  EXPECT_THAT(message, StartsWith(path.native() + ": "));
  return message.substr(path.native().size() + 2);
}

TEST(ModelConfig, BundledModels) {
  ModelConfig expected;
  expected.rope_theta = 100;  // most of the starter's numbers are the defaults of ModelConfig
  expected.ties_embeddings = false;
  expected.shape.vocab_size = 367;
  EXPECT_EQ(read_model_config(kModels / "grammar-base" / "config.json"), expected);
  expected.shape.n_kv_heads = 2;
  EXPECT_EQ(read_model_config(kModels / "grammar-gqa" / "config.json"), expected);
}

TEST(ModelConfig, LlamaDefaults) {
  const ModelConfig config = read(config_with(""));
  EXPECT_EQ(config.family, "llama");
  EXPECT_EQ(config.shape, (ModelShape{2, 64, 8, 8, 8, 96, 100, 2048}));
  EXPECT_EQ(config.rope_theta, 10000);
  EXPECT_EQ(config.rms_norm_eps, 1e-6f);
  EXPECT_FALSE(config.ties_embeddings || config.has_qkv_bias || config.has_o_bias);
}

TEST(ModelConfig, FamiliesDifferWhereTheyShould) {
  const ModelConfig llama = read(config_with(R"("attention_bias":true)"));
  EXPECT_TRUE(llama.has_qkv_bias && llama.has_o_bias);
  const ModelConfig qwen = read(config_with(R"("model_type":"qwen2","num_key_value_heads":4,"attention_bias":false)"));
  EXPECT_TRUE(qwen.has_qkv_bias);
  EXPECT_FALSE(qwen.has_o_bias);
  EXPECT_EQ(qwen.shape.max_positions, 32768);
  const ModelConfig mistral = read(config_with(R"("model_type":"mistral","attention_bias":true)"));
  EXPECT_FALSE(mistral.has_qkv_bias);
  EXPECT_EQ(mistral.shape.n_kv_heads, 8) << "its default";
  EXPECT_EQ(read(config_with(R"("model_type":null,"architectures":["Qwen2ForCausalLM"],"num_key_value_heads":2)")).family, "qwen2");
}

TEST(ModelConfig, NullMeansAbsent) {
  const ModelConfig config = read(config_with(
      R"("num_key_value_heads":null,"head_dim":null,"rope_scaling":null,"rope_theta":null,"sliding_window":null,"rms_norm_eps":null,"quantization_config":null,"auto_map":null)"));
  EXPECT_EQ(config, read(config_with("")));
  EXPECT_EQ(read(config_with(R"("model_type":"mistral","num_attention_heads":16,"num_key_value_heads":null)")).shape.n_kv_heads,
            16);
}

TEST(ModelConfig, HeadDimMayDifferFromTheQuotient) {
  EXPECT_EQ(read(config_with(R"("head_dim":32)")).shape.d_head, 32);
  EXPECT_EQ(read(config_with(R"("head_dim":32,"num_attention_heads":5,"num_key_value_heads":5)")).shape.d_head, 32);
}

TEST(ModelConfig, BothRopeDialects) {
  EXPECT_EQ(read(config_with(R"("rope_theta":500000.0)")).rope_theta, 500000.0f);
  EXPECT_EQ(read(config_with(R"("rope_theta":10000)")).rope_theta, 10000.0f);
  EXPECT_EQ(read(config_with(R"("rope_parameters":{"rope_theta":250.5,"rope_type":"default"})")).rope_theta, 250.5f);
  EXPECT_EQ(read(config_with(R"("rope_scaling":{"type":"default"},"rope_theta":7)")).rope_theta, 7);
  EXPECT_EQ(read(config_with(R"("rope_scaling":{},"rope_theta":7)")).rope_theta, 7);
}

TEST(ModelConfig, LayersThatAllSeeAllHaveNoWindows) {
  for (const char* more : {R"("model_type":"qwen2","num_key_value_heads":8,"use_sliding_window":false,"sliding_window":4)",
                           R"("model_type":"mistral","sliding_window":null)", R"("model_type":"phi3")",
                           R"("model_type":"qwen2","num_key_value_heads":8,"use_sliding_window":true,"sliding_window":null)",
                           R"("sliding_window":3)", R"("layer_types":["full_attention","full_attention"])"})
    EXPECT_THAT(read(config_with(more)).windows, IsEmpty()) << more;
}

TEST(ModelConfig, DuplicateKeysAreToldAndTheLastCounts) {
  const TemporaryFolder folder;
  const auto reading = read_model_config_with_notices(folder.file("config.json", config_with(R"("hidden_size":32)")));
  EXPECT_EQ(reading.config.shape.d_model, 32);
  EXPECT_THAT(reading.notices, ElementsAre(AllOf(StartsWith("\"hidden_size\" is in "), HasSubstr("twice; the last one counts."))));
}

TEST(ModelConfig, CommaLocaleChangesNothing) {
  const char* set = nullptr;
  for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"})
    if (set == nullptr) set = std::setlocale(LC_ALL, name);
  if (set == nullptr) GTEST_SKIP() << "no locale with a decimal comma is installed";
  EXPECT_EQ(read(config_with(R"("rope_theta":250.5)")).rope_theta, 250.5f);
  EXPECT_THAT(refusal(config_with(R"("rope_theta":0.5)")), StartsWith("rope_theta is 0.5, "));
  std::setlocale(LC_ALL, "C");
}

struct BadConfig {
  const char* name;
  std::string json;
  std::vector<const char*> says;
};

std::vector<BadConfig> bad_configs() {
  const auto with = [](const std::string& more) { return config_with(more); };
  std::string deep(100000, '[');
  return {
      {"NotJson", "hello", {"not valid JSON at byte 0"}},
      {"Empty", "", {"is empty"}},
      {"TooLarge", std::string((8u << 20) + 1, ' '), {"has 8,388,609 bytes, more than the limit of 8,388,608"}},
      {"Array", "[1]", {"must be an object, but it is a list"}},
      {"Deep", deep, {"nested deeper than 128"}},
      {"Nul", with("") + std::string(1, '\0'), {"holds a NUL"}},
      {"InvalidUtf8", with("\"a\":\"\xFF\""), {"not valid UTF-8"}},
      {"HeadsZero", with(R"("num_attention_heads":0)"), {"num_attention_heads is 0, where an integer from 1 to 4096 is needed"}},
      {"HeadsDoNotDivide", with(R"("num_attention_heads":7)"), {"num_attention_heads (7) does not divide hidden_size (64)"}},
      {"KvZero", with(R"("num_key_value_heads":0)"), {"num_key_value_heads is 0"}},
      {"KvDoesNotDivide", with(R"("num_key_value_heads":3)"), {"num_key_value_heads (3) does not divide num_attention_heads (8)"}},
      {"KvMoreThanHeads",
       with(R"("num_key_value_heads":16)"),
       {"num_key_value_heads (16) does not divide num_attention_heads (8)"}},
      {"Negative", with(R"("hidden_size":-64)"), {"hidden_size is -64"}},
      {"Float", with(R"("hidden_size":64.0)"), {"hidden_size is 64, where an integer"}},
      {"Text", with(R"("hidden_size":"64")"), {"hidden_size is \"64\""}},
      {"Bool", with(R"("hidden_size":true)"), {"hidden_size is true"}},
      {"NullRequired", with(R"("hidden_size":null)"), {"hidden_size is missing"}},
      {"TwoTo32", with(R"("hidden_size":4294967296)"), {"hidden_size is 4294967296"}},
      {"Huge", with(R"("hidden_size":1e30)"), {"hidden_size is 1e+30"}},
      {"HugerThanDouble", with(R"("hidden_size":1e400)"), {"number too large"}},
      {"Object", with(R"("hidden_size":{})"), {"hidden_size is an object"}},
      {"Layers", with(R"("num_hidden_layers":2000000000)"), {"num_hidden_layers is 2000000000", "to 1000"}},
      {"Vocabulary", with(R"("vocab_size":9223372036854775808)"), {"vocab_size is 9223372036854775808", "to 10000000"}},
      {"MissingLayers",
       R"({"model_type":"llama","vocab_size":1,"hidden_size":64,"intermediate_size":96,"num_attention_heads":8})",
       {"num_hidden_layers is missing"}},
      {"OddHeads", with(R"("head_dim":7)"), {"odd size 7"}},
      {"OddQuotient", with(R"("hidden_size":72)"), {"odd size 9"}},
      {"HeadDimTooLarge", with(R"("head_dim":258)"), {"head_dim is 258, where an integer from 1 to 256"}},
      {"QuotientTooLarge", with(R"("hidden_size":4096,"num_attention_heads":4)"), {"heads of 1024, but at most 256"}},
      {"RopeTypeNumber", with(R"("rope_scaling":{"type":3})"), {"rope_scaling.type is 3"}},
      {"RopeFactorAlone", with(R"("rope_scaling":{"factor":2})"), {"rope_scaling.factor is 2"}},
      {"RopeList", with(R"("rope_scaling":[1])"), {"rope_scaling is a list"}},
      {"RopePartial", with(R"("partial_rotary_factor":0.5)"), {"partial_rotary_factor is 0.5"}},
      {"RopePartialInside",
       with(R"("rope_parameters":{"partial_rotary_factor":0.5})"),
       {"rope_parameters.partial_rotary_factor is 0.5"}},
      {"ThetaZero", with(R"("rope_theta":0)"), {"rope_theta is 0"}},
      {"ThetaNegative", with(R"("rope_theta":-5)"), {"rope_theta is -5"}},
      {"ThetaText", with(R"("rope_theta":"1e4")"), {"rope_theta is \"1e4\""}},
      {"ThetaTwice",
       with(R"("rope_theta":10000,"rope_parameters":{"rope_theta":500000})"),
       {"rope_theta and rope_parameters.rope_theta differ"}},
      {"Activation", with(R"("hidden_act":"quick_gelu_x")"), {"hidden_act is \"quick_gelu_x\", but only \"gelu\""}},
      {"ActivationNumber", with(R"("hidden_act":3)"), {"hidden_act is 3, where a name is needed"}},
      {"MlpBias",
       with(R"("model_type":"qwen2","num_key_value_heads":8,"mlp_bias":true)"),
       {"mlp_bias is true, but MLPs of this family have no biases"}},
      {"EpsZero", with(R"("rms_norm_eps":0)"), {"rms_norm_eps is 0"}},
      {"EpsNegative", with(R"("rms_norm_eps":-1e-6)"), {"rms_norm_eps is -1e-06"}},
      {"EpsUnderflows", with(R"("rms_norm_eps":1e-400)"), {"rms_norm_eps is 0"}},
      {"TieText", with(R"("tie_word_embeddings":"yes")"), {"tie_word_embeddings is \"yes\", where true or false"}},
      {"Family",
       with(R"("model_type":"mamba")"),
       {"model_type is \"mamba\"", "llama, mistral, qwen2, qwen3, gemma, gemma2, phi3, gpt2, gpt_neox, bert"}},
      {"FamilyMissing", R"({"hidden_size":64})", {"model_type is missing"}},
      {"AutoMap", with(R"("auto_map":{"AutoModel":"evil.py"})"), {"auto_map", "never run"}},
      {"Quantized", with(R"("quantization_config":{"bits":4})"), {"quantization_config"}},
      {"WindowZero", with(R"("model_type":"mistral","sliding_window":0)"), {"sliding_window is 0"}},
      {"WindowNegative", with(R"("model_type":"mistral","sliding_window":-1)"), {"sliding_window is -1"}},
      {"WindowText", with(R"("model_type":"phi3","sliding_window":"4")"), {"sliding_window is \"4\""}},
      {"LayerTypesWithoutAWindow",
       with(R"("layer_types":["full_attention","sliding_attention"])"),
       {"layer_types holds \"sliding_attention\", but there is no sliding window"}},
      {"LayerTypesSwitchedOff",
       with(R"("model_type":"qwen3","num_key_value_heads":8,"layer_types":["full_attention","sliding_attention"])"),
       {"there is no sliding window: use_sliding_window is not true"}},
      {"LayerTypesShort", with(R"("layer_types":["full_attention"])"), {"layer_types has 1 entries for 2 layers"}},
      {"LayerTypesLong",
       with(R"("layer_types":["full_attention","full_attention","full_attention"])"),
       {"layer_types has 3 entries for 2 layers"}},
      {"LayerTypeUnknown",
       with(R"("layer_types":["full_attention","chunked_attention"])"),
       {"layer_types holds \"chunked_attention\", but only \"full_attention\" and \"sliding_attention\""}},
      {"LayerTypesText", with(R"("layer_types":"full_attention")"), {"layer_types is \"full_attention\", where a list is needed"}},
      {"LayerTypesOfMistral",
       with(R"("model_type":"mistral","layer_types":["full_attention","sliding_attention"])"),
       {"in this family sliding_window is of all layers"}},
      {"GemmaBothWays",
       with(R"("model_type":"gemma","num_key_value_heads":8,"use_bidirectional_attention":true)"),
       {"in both directions"}},
      {"GemmaCapZero", with(R"("model_type":"gemma2","attn_logit_softcapping":0)"), {"attn_logit_softcapping is 0"}},
      {"GemmaScalarNegative", with(R"("model_type":"gemma2","query_pre_attn_scalar":-1)"), {"query_pre_attn_scalar is -1"}},
      {"NeoxHeadsDoNotDivide",
       with(R"("model_type":"gpt_neox","num_attention_heads":7)"),
       {"the width 64 cannot be cut into 7 heads"}},
      {"NeoxShareOverOne", with(R"("model_type":"gpt_neox","rotary_pct":1.5)"), {"rotary_pct is 1.5"}},
      {"NeoxShareNegative", with(R"("model_type":"gpt_neox","rotary_pct":-1)"), {"rotary_pct is -1"}},
      {"NeoxShareTwice",
       with(R"("model_type":"gpt_neox","rotary_pct":0.5,"partial_rotary_factor":0.25)"),
       {"partial_rotary_factor and rotary_pct differ"}},
      {"NeoxBaseTwice",
       with(R"("model_type":"gpt_neox","rotary_emb_base":500,"rope_theta":10000)"),
       {"rope_theta and rotary_emb_base differ"}},
      {"NeoxOddHeads", with(R"("model_type":"gpt_neox","hidden_size":72)"), {"d_k = 9 is odd"}},
      {"Gpt2WidthTwice",
       with(R"("model_type":"gpt2","n_embd":64,"hidden_size":32,"n_layer":2,"n_head":8)"),
       {"n_embd and hidden_size mean the same, but differ"}},
  };
}

class BadConfigs : public ::testing::TestWithParam<BadConfig> {};
TEST_P(BadConfigs, AreRefusedWithFieldAndReason) {
  const std::string message = refusal(GetParam().json);
  EXPECT_NE(message, "");
  for (const char* part : GetParam().says)
    EXPECT_THAT(message, HasSubstr(part));
  EXPECT_LT(message.size(), 300u);
}
const auto kName = [](const auto& info) { return std::string(info.param.name); };
INSTANTIATE_TEST_SUITE_P(ModelConfig, BadConfigs, ::testing::ValuesIn(bad_configs()), kName);

}  // namespace
}  // namespace headroom
