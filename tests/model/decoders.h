#pragma once

#include "tests/model/families.h"

namespace headroom::test {

/// A small configuration of each family of decoders that goes beyond Llama's and GPT-2's block, with every option that it has.
inline std::vector<ModelConfig> decoder_configs() {
  ModelConfig plain;
  plain.shape = {
      .n_layers = 3, .d_model = 12, .n_heads = 4, .n_kv_heads = 2, .d_head = 8, .d_ff = 10, .vocab_size = 13, .max_positions = 9};
  plain.has_qkv_bias = false;
  plain.rope_theta = 100;
  const auto with = [&](const char* family, const auto& change) {
    ModelConfig config = plain;
    config.family = family;
    change(config);
    return config;
  };
  const auto gemma = [](ModelConfig& c) {
    c.mlp = MlpKind::kGeGluTanh;
    c.embedding_scale = static_cast<float>(std::sqrt(12.0));
    c.has_qkv_bias = c.has_o_bias = true;
  };
  return {
      with("llama",
           [](ModelConfig& c) {
             c.has_qkv_bias = c.has_o_bias = c.has_mlp_bias = true;
             c.mlp = MlpKind::kReGlu;
             c.rope_scaling = {
                 .kind = RopeScaling::Kind::kYarn, .factor = 3, .original_positions = 5, .mscale = 0.7, .mscale_all_dim = 1.5};
             c.ties_embeddings = false;
           }),
      with("mistral",
           [](ModelConfig& c) {
             c.windows = {3, 3, 3};
           }),
      with("qwen2",
           [](ModelConfig& c) {
             c.has_qkv_bias = true;
             c.windows = {0, 4, 4};
             c.rope_scaling = {.kind = RopeScaling::Kind::kDynamic, .factor = 2};
           }),
      with("qwen3",
           [](ModelConfig& c) {
             c.has_qk_norm = c.has_qkv_bias = c.has_o_bias = true;
             c.mlp = MlpKind::kGeGlu;
             c.rope_scaling = {.kind = RopeScaling::Kind::kLlama3, .factor = 4, .original_positions = 7, .low_freq_factor = 0.5};
           }),
      with("gemma",
           [&](ModelConfig& c) {
             gemma(c);
             c.rope_scaling = {.kind = RopeScaling::Kind::kLinear, .factor = 2};
           }),
      with("gemma2",
           [&](ModelConfig& c) {
             gemma(c);
             c.norm_place = NormPlace::kAround;
             c.attention_scale = 1 / std::sqrt(6.0f);
             c.score_cap = 2;
             c.logit_cap = 3;
             c.windows = {3, 0, 3};
           }),
      with("phi3",
           [](ModelConfig& c) {
             c.rotary_share = 0.5;
             c.windows = {4, 4, 4};
             c.rope_scaling = {.kind = RopeScaling::Kind::kLongRope,
                               .factor = 1.8,
                               .original_positions = 5,
                               .short_factors = {1, 1.5},
                               .long_factors = {1.25, 3}};
           }),
      with("gpt_neox",
           [](ModelConfig& c) {
             c.shape.d_model = 32;
             c.shape.n_kv_heads = 4;
             c.norm = NormKind::kLayer;
             c.block_order = BlockOrder::kParallel;
             c.mlp = MlpKind::kGelu;
             c.rotary_share = 0.25;
             c.has_qkv_bias = c.has_o_bias = c.has_mlp_bias = true;
             c.rms_norm_eps = 1e-5f;
           }),
      with("gpt2",
           [](ModelConfig& c) {
             c.shape.d_model = 32;
             c.shape.n_kv_heads = 4;
             c.norm = NormKind::kLayer;
             c.positions = PositionKind::kLearned;
             c.mlp = MlpKind::kSilu;
             c.rope_theta = ModelConfig().rope_theta;
             c.attention_scale = 1.0f;
             c.divides_scale_by_layer = true;
             c.has_qkv_bias = c.has_o_bias = c.has_mlp_bias = true;
             c.rms_norm_eps = 1e-5f;
           }),
  };
}

}  // namespace headroom::test
