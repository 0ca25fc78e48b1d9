// Encoders' and encoder-decoders' folders: what is written is read back; every dialect and every wrong number of their config.json.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/formats/model_folder.h"
#include "core/formats/safetensors.h"
#include "core/formats/save_model.h"
#include "core/tensor/error.h"
#include "tests/formats/testing.h"
#include "tests/model/encoders.h"
#include "tests/model/families.h"

namespace headroom {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_files::TemporaryFolder;
using Json = nlohmann::ordered_json;

constexpr const char* kTokenizer =
    R"({"version":"1.0","pre_tokenizer":{"type":"Whitespace"},"model":{"type":"WordLevel","vocab":{"[PAD]":0,"[UNK]":1,"a":2},"unk_token":"[UNK]"}})";

/// Largest difference of any tensor, infinite where one is missing or of another shape.
double largest_difference(const ModelParams& a, const ModelParams& b) {
  std::vector<Tensor> left, right;
  test::for_each_tensor(a, [&](const Tensor& tensor) { left.push_back(tensor.widened()); });
  test::for_each_tensor(b, [&](const Tensor& tensor) { right.push_back(tensor.widened()); });
  if (left.size() != right.size()) return INFINITY;
  double largest = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (left[i].empty() && right[i].empty()) continue;
    if (left[i].shape() != right[i].shape()) return INFINITY;
    largest = std::max(largest, test::largest_error(left[i].span(), right[i].span()));
  }
  return largest;
}

class WrittenEncoders : public ::testing::TestWithParam<const char*> {};

TEST_P(WrittenEncoders, AreReadBackBitForBit) {
  const LoadedModel model = load_model_folder(test::kEncodersFolder + GetParam());
  ASSERT_EQ(find_family_problem(model.params.config), "");
  const TemporaryFolder folder;
  save_model_folder(model.params, kTokenizer, folder / "model");
  const LoadedModel again = load_model_folder(folder / "model");
  EXPECT_EQ(again.params.config, model.params.config);
  EXPECT_EQ(largest_difference(again.params, model.params), 0);
  EXPECT_THAT(again.notices, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Families, WrittenEncoders,
                         ::testing::Values("bert-pretraining", "bert-old-names", "bert-classifier", "minilm", "minilm-no-pooler",
                                           "roberta", "roberta-encoder", "xlm-roberta", "distilbert", "distilbert-sinusoidal", "t5",
                                           "t5-v1_1", "t5-gated-silu", "bart-scaled", "bart-model"));

TEST(WrittenEncoders, RandomOnesToo) {
  for (const std::string& family : test::kReadEncoders)
    for (const bool ties : {true, false}) {
      SCOPED_TRACE(family);
      ModelConfig config = test::family_config(family);
      config.ties_embeddings = ties;
      if (!ties) config.logit_scale = 1;
      const ModelParams params = test::stirred_params(config, 5);
      const TemporaryFolder folder;
      save_model_folder(params, kTokenizer, folder / "model");
      const LoadedModel again = load_model_folder(folder / "model");
      EXPECT_EQ(again.params.config, config);
      EXPECT_EQ(largest_difference(again.params, params), 0);
    }
}

/// A golden folder with another config.json.
class ChangedConfig : public ::testing::Test {
 protected:
  /// A JSON merge patch: null takes a member away.
  void write(const char* name, const char* patch) {
    const std::filesystem::path from = test::kEncodersFolder + name;
    for (const char* file : {"model.safetensors", "tokenizer.json"})
      std::filesystem::copy_file(from / file, folder_ / file, std::filesystem::copy_options::overwrite_existing);
    Json config = Json::parse(std::ifstream(from / "config.json"));
    config.merge_patch(Json::parse(patch));
    std::ofstream(folder_ / "config.json") << config;
  }
  ModelConfig config(const char* name, const char* patch) {
    write(name, patch);
    return read_model_config(folder_ / "config.json");
  }
  /// Empty when it is read without an error.
  std::string problem(const char* name, const char* patch) {
    try {
      config(name, patch);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  std::string load_problem(const char* name, const char* patch) {
    write(name, patch);
    try {
      load_model_folder(folder_ / "");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  TemporaryFolder folder_;
};

TEST_F(ChangedConfig, EitherSpellingIsRead) {
  const char* const distilbert = R"({"dim": null, "hidden_size": 30, "n_layers": null, "num_hidden_layers": 3, "n_heads": null,
                                     "num_attention_heads": 5})";
  EXPECT_EQ(config("distilbert", distilbert), config("distilbert", "{}"));
  const char* const t5 = R"({"d_model": null, "hidden_size": 26, "num_layers": null, "num_hidden_layers": 2, "num_heads": null,
                             "num_attention_heads": 3, "d_kv": null, "head_dim": 7})";
  EXPECT_EQ(config("t5", t5), config("t5", "{}"));
  const char* const bart = R"({"d_model": null, "hidden_size": 24, "encoder_layers": null, "num_hidden_layers": 3})";
  EXPECT_EQ(config("bart-scaled", bart), config("bart-scaled", "{}"));
}

TEST_F(ChangedConfig, TwoSpellingsThatDifferAreRefused) {
  EXPECT_THAT(problem("distilbert", R"({"hidden_size": 31})"), HasSubstr("dim and hidden_size mean the same, but differ"));
  EXPECT_THAT(problem("t5", R"({"head_dim": 8})"), HasSubstr("d_kv and head_dim mean the same, but differ"));
  EXPECT_THAT(problem("bart-scaled", R"({"num_attention_heads": 4})"),
              HasSubstr("num_attention_heads and encoder_attention_heads mean the same, but differ"));
}

TEST_F(ChangedConfig, BothDialectsOfT5sOutput) {
  const ModelConfig new_words = config("t5-v1_1", "{}");
  EXPECT_EQ(config("t5-v1_1", R"({"scale_decoder_outputs": null, "tie_word_embeddings": false})"), new_words);
  EXPECT_EQ(config("t5", R"({"scale_decoder_outputs": null, "tie_word_embeddings": null})"), config("t5", "{}"));
  EXPECT_NE(new_words.logit_scale, config("t5-v1_1", R"({"scale_decoder_outputs": true})").logit_scale);
}

TEST_F(ChangedConfig, T5sDecoderHasAsManyLayersAsItsEncoderUnlessTold) {
  EXPECT_EQ(config("t5", R"({"num_decoder_layers": null})").shape.n_layers, 2);
  EXPECT_EQ(config("t5", "{}").shape.n_layers, 3);
}

TEST_F(ChangedConfig, EveryFeedForwardOfT5) {
  const auto mlp = [&](const std::string& name) { return config("t5", ("{\"feed_forward_proj\": \"" + name + "\"}").c_str()).mlp; };
  EXPECT_EQ(mlp("relu"), MlpKind::kRelu);
  EXPECT_EQ(mlp("gelu"), MlpKind::kGelu);
  EXPECT_EQ(mlp("gelu_new"), MlpKind::kGeluTanh);
  EXPECT_EQ(mlp("silu"), MlpKind::kSilu);
  EXPECT_EQ(mlp("gated-gelu"), MlpKind::kGeGluTanh) << "by this name transformers means gelu_new";
  EXPECT_EQ(mlp("gated-gelu_new"), MlpKind::kGeGluTanh);
  EXPECT_EQ(mlp("gated-silu"), MlpKind::kSwiGlu);
  EXPECT_EQ(mlp("gated-relu"), MlpKind::kReGlu);
  EXPECT_THAT(problem("t5", R"({"feed_forward_proj": "gated-quick"})"),
              HasSubstr("feed_forward_proj is \"gated-quick\", but only"));
  EXPECT_THAT(problem("t5", R"({"feed_forward_proj": 3})"), HasSubstr("feed_forward_proj is 3, but only"));
}

TEST_F(ChangedConfig, WrongNumbersAreRefusedByName) {
  struct Case {
    const char *name, *patch, *sentence;
  };
  const Case cases[] = {
      {"bert-pretraining", R"({"num_attention_heads": 0})", "num_attention_heads is 0, where an integer from 1"},
      {"bert-pretraining", R"({"num_attention_heads": 5})", "the width 28 cannot be cut into 5 heads"},
      {"bert-pretraining", R"({"hidden_size": 28.5})", "hidden_size is 28.5"},
      {"bert-pretraining", R"({"hidden_size": "28"})", "hidden_size is \"28\""},
      {"bert-pretraining", R"({"num_hidden_layers": 2000000000})", "num_hidden_layers is 2000000000"},
      {"bert-pretraining", R"({"vocab_size": 9223372036854775808})", "vocab_size is 9223372036854775808"},
      {"bert-pretraining", R"({"vocab_size": null})", "vocab_size is missing"},
      {"bert-pretraining", R"({"layer_norm_eps": 0})", "layer_norm_eps is 0"},
      {"bert-pretraining", R"({"layer_norm_eps": -1e-5})", "layer_norm_eps is -1e-05"},
      {"bert-pretraining", R"({"is_decoder": true})", "is_decoder is true, but"},
      {"bert-pretraining", R"({"add_cross_attention": true})", "add_cross_attention is true, but"},
      {"bert-pretraining", R"({"position_embedding_type": "relative_key"})", "position_embedding_type is \"relative_key\""},
      {"bert-pretraining", R"({"hidden_act": "quick_gelu_x"})", "hidden_act is \"quick_gelu_x\", but only"},
      {"roberta", R"({"pad_token_id": -1})", "pad_token_id is -1"},
      {"roberta", R"({"pad_token_id": 15})", "max_position_embeddings is 16, but RoBERTa's positions begin at 16"},
      {"distilbert", R"({"sinusoidal_pos_embds": 1})", "sinusoidal_pos_embds is 1"},
      {"distilbert", R"({"n_heads": 7})", "the width 30 cannot be cut into 7 heads"},
      {"t5", R"({"d_kv": 0})", "d_kv is 0"},
      {"t5", R"({"d_kv": 257})", "d_kv is 257, where an integer from 1 to 256"},
      {"t5", R"({"d_ff": 0})", "d_ff is 0"},
      {"t5", R"({"relative_attention_num_buckets": 3})", "relative_attention_num_buckets is 3"},
      {"t5", R"({"relative_attention_max_distance": 4})", "relative_attention_max_distance is 4, but with"},
      {"t5", R"({"is_encoder_decoder": false})", "is_encoder_decoder is false, but half a T5"},
      {"bart-scaled", R"({"decoder_attention_heads": 4})", "encoder_attention_heads is 3 and decoder_attention_heads is 4"},
      {"bart-scaled", R"({"encoder_ffn_dim": 34})", "encoder_ffn_dim is 34 and decoder_ffn_dim is 33"},
      {"bart-scaled", R"({"is_encoder_decoder": false})", "half a BART"},
  };
  for (const Case& wrong : cases)
    EXPECT_THAT(problem(wrong.name, wrong.patch), HasSubstr(wrong.sentence)) << wrong.name << " " << wrong.patch;
}

TEST_F(ChangedConfig, TensorsMustBeWhatItImplies) {
  EXPECT_THAT(load_problem("bert-pretraining", R"({"hidden_size": 24})"),
              HasSubstr("bert.embeddings.word_embeddings.weight (expected [41, 24], found [41, 28])"));
  EXPECT_THAT(load_problem("roberta", R"({"pad_token_id": 2})"), "") << "the table has as many rows, of which tokens read fewer";
  EXPECT_THAT(load_problem("t5", R"({"num_heads": 4})"), HasSubstr("(expected [28, 26], found [21, 26])"));
  EXPECT_THAT(load_problem("t5", R"({"relative_attention_num_buckets": 16})"), HasSubstr("(expected [16, 3], found [8, 3])"));
  EXPECT_THAT(load_problem("t5", R"({"feed_forward_proj": "gated-gelu"})"), HasSubstr("DenseReluDense.wi_0.weight"));
}

TEST_F(ChangedConfig, C16AnOutputThatConfigTiesIsPassedOverAndTold) {
  write("t5-v1_1", R"({"scale_decoder_outputs": null, "tie_word_embeddings": true})");
  const LoadedModel model = load_model_folder(folder_ / "");
  EXPECT_TRUE(model.params.config.ties_embeddings);
  EXPECT_THAT(model.notices, ::testing::ElementsAre(HasSubstr("lm_head.weight, but config.json ties the output")));
}

/// The file of a golden model with one more tensor.
void add_tensor(const std::filesystem::path& path, const std::string& name, const std::vector<float>& values,
                const std::vector<std::int64_t>& shape) {
  SafetensorsWriter writer;
  {
    const SafetensorsFile file(path);
    for (const TensorEntry& entry : file.tensors()) {
      const Tensor tensor = file.read_float(entry);
      writer.add(entry.name, tensor.shape(), tensor.span());
    }
  }
  writer.add(name, shape, values);
  std::filesystem::remove(path);
  writer.write(path);
}

TEST_F(ChangedConfig, StacksOfAnUntiedBartShareTheirEmbedding) {
  const char* const name = "model.encoder.embed_tokens.weight";
  for (const bool differs : {false, true}) {
    write("bart-scaled", "{}");
    const Tensor shared = [&] {
      const SafetensorsFile file(folder_ / "model.safetensors");
      return file.read_float(*file.find("model.shared.weight"));
    }();
    std::vector<float> values(shared.span().begin(), shared.span().end());
    if (differs) values[100] += 0.5f;
    add_tensor(folder_ / "model.safetensors", name, values, shared.shape());
    std::string sentence;
    try {
      EXPECT_THAT(load_model_folder(folder_ / "").notices, IsEmpty());
    } catch (const Error& error) {
      sentence = error.what();
    }
    if (differs) {
      EXPECT_THAT(sentence, HasSubstr("encoder.embed_tokens.weight differs from the tensor that both stacks share here"));
    } else {
      EXPECT_EQ(sentence, "");
    }
  }
}

TEST_F(ChangedConfig, C17APartOfAnotherModelIsFoundBehindItsPrefix) {
  for (const auto& [name, prefix] : {std::pair("bert-pretraining", "module."), std::pair("minilm", "encoder.model."),
                                     std::pair("t5", "transformer."), std::pair("bart-scaled", "a.b.")}) {
    SCOPED_TRACE(name);
    write(name, "{}");
    const LoadedModel plain = load_model_folder(folder_ / "");
    SafetensorsWriter writer;
    {
      const SafetensorsFile file(folder_ / "model.safetensors");
      for (const TensorEntry& entry : file.tensors()) {
        const Tensor tensor = file.read_float(entry);
        writer.add(prefix + entry.name, tensor.shape(), tensor.span());
      }
    }
    std::filesystem::remove(folder_ / "model.safetensors");
    writer.write(folder_ / "model.safetensors");
    const LoadedModel part = load_model_folder(folder_ / "");
    EXPECT_EQ(part.params.config, plain.params.config);
    EXPECT_EQ(largest_difference(part.params, plain.params), 0);
    EXPECT_EQ(part.notices.size(), plain.notices.size());
  }
}

TEST_F(ChangedConfig, TheFirstBlockAloneHasRelativePositions) {
  write("t5", "{}");
  const std::vector<float> table(8 * 3, 1.0f);
  add_tensor(folder_ / "model.safetensors", "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight", table,
             {8, 3});
  EXPECT_THAT(load_model_folder(folder_ / "").notices, IsEmpty()) << "old files have a table there that nothing reads";
  write("t5", "{}");
  add_tensor(folder_ / "model.safetensors", "decoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight", table, {8, 3});
  EXPECT_THAT(testing_files::message_of([&] { load_model_folder(folder_ / ""); }), HasSubstr("is not expected by config.json"));
}

TEST_F(ChangedConfig, AFactorAndAFormTellWhatAFamilyCannotHold) {
  const auto told = [](ModelConfig config, const std::function<void(ModelConfig&)>& change) {
    change(config);
    return find_family_problem(config);
  };
  const ModelConfig bert = test::family_config("bert"), t5 = test::family_config("t5"), bart = test::family_config("bart"),
                    distilbert = test::family_config("distilbert"), roberta = test::family_config("roberta");
  EXPECT_EQ(told(bert, [](ModelConfig& c) { c.attention_scale = 1; }),
            "BERT's scores are q·k / sqrt(d_k), with no other scale and no cap");
  EXPECT_EQ(told(bert, [](ModelConfig& c) { c.mlp = MlpKind::kGeGlu; }), "BERT has ungated MLPs with biases");
  EXPECT_EQ(told(bert, [](ModelConfig& c) { c.predicts = c.has_head_transform = c.has_output_bias = false; }), "");
  EXPECT_EQ(told(distilbert, [](ModelConfig& c) { c.rms_norm_eps = 1e-5f; }),
            "DistilBERT's norms have the eps 1e-12, which its config.json does not hold");
  EXPECT_EQ(told(roberta, [](ModelConfig& c) { c.mlp = MlpKind::kRelu; }),
            "RoBERTa's head has GELU, and so must have its MLPs here");
  EXPECT_EQ(told(roberta, [](ModelConfig& c) { c.skipped_positions = 0; }), "RoBERTa's positions begin after its padding's");
  EXPECT_EQ(told(t5, [](ModelConfig& c) { c.attention_scale.reset(); }), "T5's scores are q·k, with no scale");
  EXPECT_EQ(told(t5, [](ModelConfig& c) { c.positions = PositionKind::kLearned; }), "T5 has relative positions");
  EXPECT_EQ(told(t5, [](ModelConfig& c) { c.ties_embeddings = false; }),
            "a T5 with a factor at its output has the embedding there");
  EXPECT_EQ(told(bart, [](ModelConfig& c) { c.embedding_scale = std::sqrt(15.0f); }), "");
  EXPECT_EQ(told(bart, [](ModelConfig& c) { c.embedding_scale = 2; }), "BART's embeddings and logits have no factor and no cap");
}

}  // namespace
}  // namespace headroom
