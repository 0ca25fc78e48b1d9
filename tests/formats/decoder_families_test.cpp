// Folders of every family of decoders, written and read back; what config.json of real ones says; what a family cannot hold.

#include <gmock/gmock.h>

#include <bit>

#include "core/formats/model_folder.h"
#include "core/formats/save_model.h"
#include "core/tensor/error.h"
#include "tests/formats/testing.h"
#include "tests/model/decoders.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_files::message_of;
using testing_files::TemporaryFolder;
using Kind = RopeScaling::Kind;

constexpr const char* kTokenizer =
    R"({"version":"1.0","pre_tokenizer":{"type":"Whitespace"},"model":{"type":"WordLevel","vocab":{"<bos>":0,"<unk>":1,"a":2},"unk_token":"<unk>"}})";

void expect_same(const ModelParams& got, const ModelParams& expected) {
  EXPECT_EQ(got.config, expected.config);
  std::vector<Tensor> ours, theirs;
  test::for_each_tensor(got, [&](const Tensor& tensor) { ours.push_back(tensor.widened()); });
  test::for_each_tensor(expected, [&](const Tensor& tensor) { theirs.push_back(tensor.widened()); });
  ASSERT_EQ(ours.size(), theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    ASSERT_EQ(ours[i].size(), theirs[i].size()) << i;
    for (std::int64_t j = 0; j < ours[i].size(); ++j)
      ASSERT_EQ(std::bit_cast<std::uint32_t>(ours[i].data()[j]), std::bit_cast<std::uint32_t>(theirs[i].data()[j]))
          << i << " " << j;
  }
}

TEST(DecoderFolders, WhatIsWrittenIsReadBackBitForBit) {
  for (const bool has_mlp : {true, false})
    for (ModelConfig config : test::decoder_configs()) {
      SCOPED_TRACE(config.family);
      if (!has_mlp) config.shape.d_ff = 0;
      const ModelParams params = test::stirred_params(config, 5);
      const TemporaryFolder folder;
      save_model_folder(params, kTokenizer, folder / "model");
      const LoadedModel loaded = load_model_folder(folder / "model");
      expect_same(loaded.params, params);
      EXPECT_THAT(loaded.notices, IsEmpty());
    }
}

TEST(DecoderFolders, GoldenOnesAreWrittenAsTheyWereRead) {
  const std::string golden = HEADROOM_SOURCE_DIR "/tests/golden/decoders/";
  for (const char* name : {"llama", "llama-biased", "llama-llama3", "llama-yarn-mscale", "mistral", "qwen2", "qwen3", "gemma",
                           "gemma2", "phi3", "phi3-longrope", "gpt_neox", "gpt_neox-sequential", "gpt2-scales"}) {
    SCOPED_TRACE(name);
    const LoadedModel model = load_model_folder(golden + name);
    const TemporaryFolder folder;
    save_model_folder(model.params, kTokenizer, folder / "model");
    expect_same(load_model_folder(folder / "model").params, model.params);
  }
}

TEST(DecoderFolders, ADecoderSavedWithoutItsOutputPredictsNothing) {
  for (const char* family : {"llama", "gpt_neox"}) {
    SCOPED_TRACE(family);
    ModelConfig config;
    for (const ModelConfig& one : test::decoder_configs())
      if (one.family == family) config = one;
    config.predicts = false;
    config.ties_embeddings = true;
    const ModelParams params = test::stirred_params(config, 5);
    const TemporaryFolder folder;
    save_model_folder(params, kTokenizer, folder / "model");
    const auto config_json = folder / "model" / "config.json";
    std::string text = testing_files::bytes_of(config_json);
    EXPECT_THAT(text, HasSubstr(std::string(family) == "llama" ? "\"LlamaModel\"" : "\"GPTNeoXModel\""));
    text.replace(text.find("\"tie_word_embeddings\": true"), 27, "\"tie_word_embeddings\": false");
    std::ofstream(config_json) << text;
    expect_same(load_model_folder(folder / "model").params, params);
  }
}

TEST(DecoderFolders, AFamilyThatCannotHoldTheModelIsNamed) {
  const auto problem = [](const char* family, const auto& change) {
    for (ModelConfig config : test::decoder_configs())
      if (config.family == family) {
        EXPECT_EQ(find_family_problem(config), "");
        change(config);
        return find_family_problem(config);
      }
    return std::string("no such family");
  };
  EXPECT_EQ(problem("llama", [](ModelConfig& c) { c.windows = {2, 2, 2}; }), "llama models have no windows");
  EXPECT_EQ(problem("mistral",
                    [](ModelConfig& c) {
                      c.windows = {2, 2, 0};
                    }),
            "mistral models have a window in all layers or in none");
  EXPECT_EQ(problem("qwen3", [](ModelConfig& c) { c.windows = {2, 0, 3}; }), "qwen3 models have windows of one length");
  EXPECT_EQ(problem("qwen3", [](ModelConfig& c) { c.has_qk_norm = false; }), "qwen3 models have norms of q and k");
  EXPECT_EQ(problem("qwen2", [](ModelConfig& c) { c.has_mlp_bias = true; }), "qwen2 models have SwiGLU MLPs without biases");
  EXPECT_EQ(problem("llama", [](ModelConfig& c) { c.score_cap = 3; }),
            "llama models have no other scale of scores and logits, and no cap");
  EXPECT_EQ(problem("llama", [](ModelConfig& c) { c.rotary_share = 0.5; }), "llama models turn all of each head");
  EXPECT_EQ(problem("llama", [](ModelConfig& c) { c.embedding_scale = 2; }), "llama models have no factor on embeddings");
  EXPECT_EQ(problem("gemma", [](ModelConfig& c) { c.norm_place = NormPlace::kAround; }),
            "gemma models have RMSNorm before each sub-layer and rotary positions");
  EXPECT_EQ(problem("gemma2", [](ModelConfig& c) { c.embedding_scale = 1; }), "gemma2 models have embeddings times sqrt(d_model)");
  EXPECT_EQ(problem("phi3", [](ModelConfig& c) { c.rope_scaling = {.kind = Kind::kLinear}; }),
            "phi3 models scale their rotary positions by longrope");
  EXPECT_EQ(problem("gpt_neox", [](ModelConfig& c) { c.shape.n_kv_heads = 2; }),
            "GPT-NeoX has one K/V head for each head, so kv_heads = 2 must be h = 4");
  EXPECT_EQ(problem("gpt_neox", [](ModelConfig& c) { c.has_qk_norm = true; }), "GPT-NeoX has no norm of q and k");
  EXPECT_EQ(problem("gpt_neox", [](ModelConfig& c) { c.has_o_bias = false; }),
            "GPT-NeoX has biases on q, k, v and after W_O, or on none");
  EXPECT_EQ(problem("gpt2", [](ModelConfig& c) { c.attention_scale = 0.5f; }), "GPT-2's scores are q·k / sqrt(d_k), or q·k alone");
  EXPECT_THAT(problem("gpt2", [](ModelConfig& c) { c.logit_cap = 2; }), HasSubstr("no cap"));
}

ModelConfig read(const std::string& json) {
  const TemporaryFolder folder;
  return read_model_config(folder.file("config.json", json));
}

/// The numbers that every file has, of a small model.
std::string sized(const std::string& family, const std::string& more) {
  return R"({"model_type":")" + family + R"(","vocab_size":100,"hidden_size":64,"intermediate_size":96,"num_hidden_layers":4,)" +
         R"("num_attention_heads":8)" + (more.empty() ? "" : ",") + more + "}";
}

TEST(DecoderConfigs, DefaultsOfEachFamily) {
  const ModelConfig mistral = read(sized("mistral", ""));
  EXPECT_THAT(mistral.windows, ElementsAre(4096, 4096, 4096, 4096)) << "absent is the family's own; null is none";
  const ModelConfig qwen3 = read(sized("qwen3", R"("num_key_value_heads":2)"));
  EXPECT_EQ(qwen3.shape.d_head, 128);
  EXPECT_TRUE(qwen3.has_qk_norm);
  EXPECT_FALSE(qwen3.has_qkv_bias);
  EXPECT_EQ(read(sized("qwen3", R"("num_key_value_heads":2,"head_dim":null)")).shape.d_head, 8);
  const ModelConfig gemma = read(sized("gemma", R"("num_attention_heads":16,"hidden_act":"gelu")"));
  EXPECT_EQ(gemma.shape.d_head, 256);
  EXPECT_EQ(gemma.shape.n_kv_heads, 16);
  EXPECT_EQ(gemma.mlp, MlpKind::kGeGluTanh) << "Gemma's first files say gelu and mean its approximation";
  EXPECT_EQ(gemma.embedding_scale, 8);
  EXPECT_TRUE(gemma.ties_embeddings);
  EXPECT_EQ(read(sized("gemma", R"("num_attention_heads":16)")), gemma);
  const ModelConfig gemma2 = read(sized("gemma2", R"("hidden_act":"silu")"));
  EXPECT_EQ(gemma2.mlp, MlpKind::kGeGluTanh) << "its own field is hidden_activation";
  EXPECT_EQ(gemma2.shape.n_kv_heads, 4);
  EXPECT_EQ(gemma2.attention_scale, 1.0f / 16);
  EXPECT_EQ(gemma2.score_cap, 50);
  EXPECT_EQ(gemma2.logit_cap, 30);
  EXPECT_THAT(gemma2.windows, ElementsAre(4096, 0, 4096, 0));
  EXPECT_EQ(gemma2.norm_place, NormPlace::kAround);
  const ModelConfig uncapped =
      read(sized("gemma2", R"("attn_logit_softcapping":null,"final_logit_softcapping":null,"sliding_window":null)"));
  EXPECT_EQ(uncapped.score_cap, 0);
  EXPECT_EQ(uncapped.logit_cap, 0);
  EXPECT_THAT(uncapped.windows, IsEmpty());
  const ModelConfig phi3 = read(sized("phi3", R"("sliding_window":2047)"));
  EXPECT_EQ(phi3.rms_norm_eps, 1e-5f);
  EXPECT_THAT(phi3.windows, ElementsAre(2047, 2047, 2047, 2047));
  const ModelConfig neox = read(sized("gpt_neox", ""));
  EXPECT_EQ(neox.block_order, BlockOrder::kParallel);
  EXPECT_EQ(neox.rotary_share, 0.25);
  EXPECT_EQ(neox.mlp, MlpKind::kGelu);
  EXPECT_EQ(neox.norm, NormKind::kLayer);
  EXPECT_TRUE(neox.has_qkv_bias && neox.has_o_bias && neox.has_mlp_bias);
  EXPECT_FALSE(neox.ties_embeddings);
}

TEST(DecoderConfigs, OldNamesMeanTheSame) {
  EXPECT_EQ(read(sized("gpt_neox", R"("rotary_pct":0.5,"rotary_emb_base":25000)")),
            read(sized("gpt_neox", R"("rope_parameters":{"rope_type":"default","rope_theta":25000,"partial_rotary_factor":0.5})")));
  const std::string gpt2 = R"({"model_type":"gpt2","vocab_size":100,)";
  EXPECT_EQ(read(gpt2 + R"("n_embd":64,"n_layer":2,"n_head":4,"n_ctx":77})"),
            read(gpt2 + R"("hidden_size":64,"num_hidden_layers":2,"num_attention_heads":4,"max_position_embeddings":77})"));
  EXPECT_EQ(read(gpt2 + R"("n_embd":64,"n_layer":2,"n_head":4,"n_ctx":77,"n_positions":50})").shape.max_positions, 50);
}

TEST(DecoderConfigs, WindowsOfQwen) {
  const std::string on = R"("num_key_value_heads":2,"use_sliding_window":true,"sliding_window":16)";
  EXPECT_THAT(read(sized("qwen2", on)).windows, IsEmpty()) << "max_window_layers is 28 where absent";
  EXPECT_THAT(read(sized("qwen2", on + R"(,"max_window_layers":3)")).windows, ElementsAre(0, 0, 0, 16));
  EXPECT_THAT(
      read(sized("qwen3", on + R"(,"layer_types":["sliding_attention","full_attention","full_attention","sliding_attention"])"))
          .windows,
      ElementsAre(16, 0, 0, 16));
}

/// As the files of well-known models are.
TEST(DecoderConfigs, OfRealModels) {
  const ModelConfig llama31 = read(
      R"({"architectures":["LlamaForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":128000,"eos_token_id":[128001,128008,128009],
          "hidden_act":"silu","hidden_size":4096,"initializer_range":0.02,"intermediate_size":14336,"max_position_embeddings":131072,"mlp_bias":false,
          "model_type":"llama","num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":8,"pretraining_tp":1,"rms_norm_eps":1e-05,
          "rope_scaling":{"factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192,"rope_type":"llama3"},
          "rope_theta":500000.0,"tie_word_embeddings":false,"torch_dtype":"bfloat16","transformers_version":"4.42.3","use_cache":true,"vocab_size":128256})");
  EXPECT_EQ(llama31.rope_scaling.kind, Kind::kLlama3);
  EXPECT_EQ(llama31.rope_scaling.original_positions, 8192);
  EXPECT_EQ(llama31.rope_theta, 500000);
  EXPECT_EQ(llama31.shape.d_head, 128);
  const ModelConfig gemma2 = read(
      R"({"architectures":["Gemma2ForCausalLM"],"attention_bias":false,"attn_logit_softcapping":50.0,"cache_implementation":"hybrid","eos_token_id":1,
          "final_logit_softcapping":30.0,"head_dim":256,"hidden_act":"gelu_pytorch_tanh","hidden_activation":"gelu_pytorch_tanh","hidden_size":2304,
          "intermediate_size":9216,"max_position_embeddings":8192,"model_type":"gemma2","num_attention_heads":8,"num_hidden_layers":26,
          "num_key_value_heads":4,"query_pre_attn_scalar":256,"rms_norm_eps":1e-06,"rope_theta":10000.0,"sliding_window":4096,"vocab_size":256000})");
  EXPECT_EQ(gemma2.shape.n_heads * gemma2.shape.d_head, 2048) << "not hidden_size";
  EXPECT_EQ(gemma2.embedding_scale, 48);
  const ModelConfig pythia = read(
      R"({"architectures":["GPTNeoXForCausalLM"],"bos_token_id":0,"eos_token_id":0,"hidden_act":"gelu","hidden_size":512,"initializer_range":0.02,
          "intermediate_size":2048,"layer_norm_eps":1e-05,"max_position_embeddings":2048,"model_type":"gpt_neox","num_attention_heads":8,
          "num_hidden_layers":6,"rotary_emb_base":10000,"rotary_pct":0.25,"tie_word_embeddings":false,"use_parallel_residual":true,"vocab_size":50304})");
  EXPECT_EQ(pythia.shape.d_head, 64);
  EXPECT_EQ(pythia.rotary_share, 0.25);
  const ModelConfig mistral = read(
      R"({"architectures":["MistralForCausalLM"],"hidden_act":"silu","hidden_size":4096,"intermediate_size":14336,"max_position_embeddings":32768,
          "model_type":"mistral","num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":8,"rms_norm_eps":1e-05,"rope_theta":10000.0,
          "sliding_window":4096,"tie_word_embeddings":false,"vocab_size":32000})");
  EXPECT_EQ(mistral.windows, std::vector<std::int64_t>(32, 4096));
  const ModelConfig qwen25 = read(
      R"({"architectures":["Qwen2ForCausalLM"],"hidden_act":"silu","hidden_size":896,"intermediate_size":4864,"max_position_embeddings":32768,
          "max_window_layers":24,"model_type":"qwen2","num_attention_heads":14,"num_hidden_layers":24,"num_key_value_heads":2,"rms_norm_eps":1e-06,
          "rope_theta":1000000.0,"sliding_window":32768,"tie_word_embeddings":true,"use_mrope":false,"use_sliding_window":false,"vocab_size":151936})");
  EXPECT_TRUE(qwen25.has_qkv_bias && qwen25.ties_embeddings);
  EXPECT_THAT(qwen25.windows, IsEmpty());
}

}  // namespace
}  // namespace headroom
