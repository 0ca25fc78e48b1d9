// Rotary positions as config.json tells them: two dialects, six scalings, and what is wrong with each.

#include "core/formats/rope_fields.h"

#include <gmock/gmock.h>

#include "core/formats/model_config.h"
#include "core/formats/model_folder.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing_files::message_of;
using testing_files::TemporaryFolder;
using Kind = RopeScaling::Kind;

/// Heads of 16, two layers.
std::string config_with(const std::string& more) {
  return R"({"model_type":"llama","vocab_size":100,"hidden_size":64,"intermediate_size":96,"num_hidden_layers":2,)"
         R"("num_attention_heads":4,"max_position_embeddings":400,)" +
         more + "}";
}
std::string phi_with(const std::string& more) { return config_with(R"("model_type":"phi3",)" + more); }

ModelConfig read(const std::string& json) {
  const TemporaryFolder folder;
  return read_model_config(folder.file("config.json", json));
}
std::string refusal(const std::string& json) {
  const TemporaryFolder folder;
  const auto path = folder.file("config.json", json);
  const std::string message = message_of([&] { read_model_config(path); });
  return message.empty() ? "" : message.substr(path.native().size() + 2);
}

struct TwoDialects {
  const char* name;
  std::string old_one, new_one;
};

/// Each scaling under the old names and under the new ones.
std::vector<TwoDialects> dialects() {
  const auto pair = [](const char* name, const std::string& type, const std::string& rest) {
    return TwoDialects{name, config_with(R"("rope_theta":500.0,"rope_scaling":{"type":")" + type + "\"" + rest + "}"),
                       config_with(R"("rope_parameters":{"rope_theta":500.0,"rope_type":")" + type + "\"" + rest + "}")};
  };
  const std::string factors = R"("short_factor":[1,2,3,4],"long_factor":[1.5,2.5,3.5,4])";
  return {
      pair("Default", "default", ""),
      pair("Linear", "linear", R"(,"factor":2.5)"),
      pair("Dynamic", "dynamic", R"(,"factor":4)"),
      pair("Llama3", "llama3", R"(,"factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":100)"),
      pair("Yarn", "yarn", R"(,"factor":4,"beta_fast":20,"beta_slow":2,"mscale":0.7,"mscale_all_dim":1.2,"truncate":false)"),
      {"LongRope",
       phi_with(R"("partial_rotary_factor":0.5,"original_max_position_embeddings":100,"rope_scaling":{"type":"su",)" + factors +
                "}"),
       phi_with(R"("rope_parameters":{"rope_type":"longrope","rope_theta":10000.0,"partial_rotary_factor":0.5,)"
                R"("original_max_position_embeddings":100,"factor":4.0,)" +
                factors + "}")},
  };
}

class RopeDialects : public ::testing::TestWithParam<TwoDialects> {};
TEST_P(RopeDialects, SayTheSame) {
  const ModelConfig old_one = read(GetParam().old_one), new_one = read(GetParam().new_one);
  EXPECT_EQ(old_one, new_one);
  EXPECT_EQ(old_one.rope_scaling.kind == Kind::kNone, GetParam().name == std::string("Default"));
}

TEST_P(RopeDialects, AreReadBackAsTheyAreWritten) {
  ModelConfig config = read(GetParam().new_one);
  config.rope_theta = 123.456f;
  const bool is_phi = config.family == "phi3";
  const RopeDialect dialect = is_phi ? RopeDialect{.turns_part = true, .longrope_original = 4096} : RopeDialect{};
  std::string members = is_phi ? R"("model_type":"phi3")" : R"("model_type":"llama")";
  for (const ConfigMember& member : rope_members(dialect, config))
    members += ",\"" + member.name + "\":" + member.json;
  EXPECT_EQ(read(config_with(members)), config) << members;
}

std::string dialect_name(const ::testing::TestParamInfo<TwoDialects>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Rope, RopeDialects, ::testing::ValuesIn(dialects()), dialect_name);

TEST(RopeFields, DetailsOfEachScaling) {
  const RopeScaling llama3 =
      read(config_with(R"("rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":0.5,"high_freq_factor":3})"))
          .rope_scaling;
  EXPECT_EQ(llama3.factor, 8);
  EXPECT_EQ(llama3.low_freq_factor, 0.5);
  EXPECT_EQ(llama3.high_freq_factor, 3);
  EXPECT_EQ(llama3.original_positions, 400) << "the model's own length where none is told";
  const RopeScaling yarn =
      read(config_with(R"("rope_parameters":{"rope_type":"yarn","factor":null,"beta_fast":0,"mscale":0,"attention_factor":1.25,)"
                       R"("original_max_position_embeddings":100})"))
          .rope_scaling;
  EXPECT_EQ(yarn.factor, 4) << "null: how many times longer the model is now";
  EXPECT_EQ(yarn.beta_fast, 32) << "0 counts as absent";
  EXPECT_FALSE(yarn.mscale);
  EXPECT_EQ(yarn.attention_factor, 1.25);
  EXPECT_TRUE(yarn.truncates);
  EXPECT_EQ(read(phi_with(R"("max_position_embeddings":8192,"rope_scaling":{"type":"longrope","short_factor":[1,1,1,1,1,1,1,1],)"
                          R"("long_factor":[1,1,1,1,1,1,1,2]})"))
                .rope_scaling.original_positions,
            4096)
      << "Phi-3's own";
}

TEST(RopeFields, NullAndEmptyMeanNone) {
  for (const char* more : {R"("rope_scaling":null)", R"("rope_scaling":{})", R"("rope_parameters":null,"rope_scaling":null)",
                           R"("rope_scaling":{"type":null,"factor":null})", R"("rope_scaling":{"type":"default","factor":1.0})"})
    EXPECT_EQ(read(config_with(more)), read(config_with(R"("use_cache":true)"))) << more;
}

TEST(RopeFields, OneObjectForEachKindOfLayerThatSaysTheSame) {
  const std::string one = R"({"rope_type":"linear","factor":2,"rope_theta":77})";
  const std::string both = R"("rope_parameters":{"full_attention":)" + one + R"(,"sliding_attention":)" + one + "}";
  const ModelConfig config = read(config_with(both));
  EXPECT_EQ(config.rope_theta, 77);
  EXPECT_EQ(config.rope_scaling.kind, Kind::kLinear);
  const std::string types = R"(,"layer_types":["full_attention","full_attention"])";
  EXPECT_EQ(read(config_with(R"("rope_parameters":{"full_attention":)" + one + "}" + types)), config);
  EXPECT_THAT(refusal(config_with(R"("rope_parameters":{"sliding_attention":)" + one + "}" + types)),
              StartsWith("rope_parameters says nothing of layers of \"full_attention\""));
  EXPECT_THAT(refusal(config_with(R"("rope_parameters":{"full_attention":)" + one + R"(,"sliding_attention":{"rope_theta":77}})")),
              StartsWith("rope_parameters gives some layers other rotary positions than others"));
}

struct BadRope {
  const char* name;
  std::string json;
  const char* says;
};

std::vector<BadRope> bad_ropes() {
  const auto scaled = [](const std::string& rest) { return config_with(R"("rope_scaling":{"rope_type":)" + rest + "}"); };
  const auto longrope = [](const std::string& rest) { return phi_with(R"("rope_scaling":{"type":"longrope",)" + rest + "}"); };
  const std::string eight = "[1,1,1,1,1,1,1,1]";
  return {
      {"UnknownType", scaled(R"("ntk-by-parts","factor":2)"), "rope_scaling.rope_type is \"ntk-by-parts\", but only \"default\""},
      {"TypeTwice", scaled(R"("linear","type":"dynamic","factor":2)"), "rope_scaling.rope_type and rope_scaling.type differ"},
      {"NoFactor", scaled(R"("linear")"), "rope_scaling.factor is missing"},
      {"NullFactor", scaled(R"("dynamic","factor":null)"), "rope_scaling.factor is missing"},
      {"FactorZero", scaled(R"("linear","factor":0)"), "rope_scaling.factor is 0, where a number"},
      {"FactorNegative", scaled(R"("linear","factor":-2)"), "rope_scaling.factor is -2"},
      {"FactorText", scaled(R"("linear","factor":"2")"), "rope_scaling.factor is \"2\""},
      {"FactorHuge", scaled(R"("linear","factor":1e300)"), "rope_scaling.factor is 1e+300"},
      {"Llama3Low", scaled(R"("llama3","factor":8,"high_freq_factor":4)"), "rope_scaling.low_freq_factor is missing"},
      {"Llama3Order", scaled(R"("llama3","factor":8,"low_freq_factor":4,"high_freq_factor":4)"), "must be above the low one"},
      {"OriginalText", scaled(R"("yarn","factor":2,"original_max_position_embeddings":"8")"),
       "rope_scaling.original_max_position_embeddings is \"8\""},
      {"OriginalZero", scaled(R"("yarn","factor":2,"original_max_position_embeddings":0)"),
       "rope_scaling.original_max_position_embeddings is 0"},
      {"OriginalTwice",
       config_with(
           R"("original_max_position_embeddings":8,"rope_scaling":{"type":"yarn","factor":2,"original_max_position_embeddings":9})"),
       "original_max_position_embeddings and rope_scaling.original_max_position_embeddings differ"},
      {"TruncateNumber", scaled(R"("yarn","factor":2,"truncate":1)"), "rope_scaling.truncate is 1, where true or false"},
      {"DialectsDiffer",
       config_with(R"("rope_scaling":{"type":"linear","factor":2},"rope_parameters":{"rope_type":"linear","factor":3})"),
       "the scalings in rope_parameters and rope_scaling differ"},
      {"PhiLinear", phi_with(R"("rope_scaling":{"type":"linear","factor":2})"), "is not \"longrope\""},
      {"NoLongFactors", longrope(R"("short_factor":)" + eight), "rope_scaling.long_factor is missing"},
      {"FewFactors", longrope(R"("short_factor":[1,2],"long_factor":)" + eight),
       "rope_scaling.short_factor is a list of 2, where a list of 8 numbers is needed"},
      {"ManyFactors", longrope(R"("short_factor":[1,1,1,1,1,1,1,1,1],"long_factor":)" + eight), "is a list of 9"},
      {"FactorInsideZero", longrope(R"("short_factor":[1,1,1,1,1,1,1,0],"long_factor":)" + eight),
       "rope_scaling.short_factor's entry is 0"},
      {"FactorsText", longrope(R"("short_factor":"1","long_factor":)" + eight), "rope_scaling.short_factor is \"1\""},
      {"NestedUnknown", config_with(R"("rope_parameters":{"chunked_attention":{"rope_theta":5}})"),
       "rope_parameters.chunked_attention sets rotary positions for a kind of layer that is not supported"},
      {"NestedNull", config_with(R"("rope_parameters":{"full_attention":null})"), "rope_parameters.full_attention is null"},
      {"PartOfLlama", config_with(R"("rope_parameters":{"partial_rotary_factor":0.5})"),
       "rope_parameters.partial_rotary_factor is 0.5, but in this family all of each head turns"},
      {"PartTooSmall", phi_with(R"("partial_rotary_factor":0.01)"), "rotary positions turn 0 of d_k = 16 coordinates"},
      {"PartOverOne", phi_with(R"("partial_rotary_factor":1.5)"), "partial_rotary_factor is 1.5"},
      {"DynamicOfOnePair", config_with(R"("num_attention_heads":32,"rope_scaling":{"type":"dynamic","factor":2})"),
       "dynamic rotary positions need heads that turn more than one pair"},
  };
}

class BadRopes : public ::testing::TestWithParam<BadRope> {};
TEST_P(BadRopes, AreRefusedWithFieldAndReason) {
  const std::string message = refusal(GetParam().json);
  EXPECT_THAT(message, HasSubstr(GetParam().says));
  EXPECT_LT(message.size(), 300u);
}
std::string bad_name(const ::testing::TestParamInfo<BadRope>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Rope, BadRopes, ::testing::ValuesIn(bad_ropes()), bad_name);

}  // namespace
}  // namespace headroom
