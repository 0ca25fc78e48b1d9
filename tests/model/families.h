#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "core/model/params.h"

namespace headroom::test {

/// A small configuration of each family, of odd sizes where the family allows them.
inline ModelConfig family_config(const std::string& family) {
  ModelConfig config;
  config.family = family;
  config.shape = {
      .n_layers = 2, .d_model = 12, .n_heads = 4, .n_kv_heads = 2, .d_head = 4, .d_ff = 10, .vocab_size = 13, .max_positions = 9};
  if (family == "qwen2") return config;
  if (family == "llama") {
    config.has_qkv_bias = config.has_o_bias = true;
    config.ties_embeddings = false;
    return config;
  }
  if (family == "mistral") {
    config.has_qkv_bias = false;
    return config;
  }
  if (family == "t5") {
    config.kind = ModelKind::kEncoderDecoder;
    config.n_encoder_layers = 3;
    config.shape.n_kv_heads = 4;
    config.shape.d_head = 5;  // heads need not fill d_model
    config.positions = PositionKind::kRelative;
    config.relative_buckets = 6;
    config.relative_max_distance = 7;
    config.attention_scale = 1;
    config.mlp = MlpKind::kRelu;
    config.has_qkv_bias = false;
    config.logit_scale = 1 / std::sqrt(12.0f);
    return config;
  }
  config.shape.d_model = 15;  // d_k may be odd without rotary positions
  config.shape.n_heads = config.shape.n_kv_heads = 3;
  config.shape.d_head = 5;
  config.norm = NormKind::kLayer;
  config.positions = PositionKind::kLearned;
  config.mlp = MlpKind::kGeluTanh;
  config.rms_norm_eps = family == "bert" || family == "distilbert" ? 1e-12f : 1e-5f;
  config.has_qkv_bias = config.has_o_bias = config.has_mlp_bias = true;
  if (family == "gpt2") return config;
  config.norm_place = NormPlace::kAfter;
  config.has_embedding_norm = config.has_output_bias = true;
  config.kind = family == "bart" ? ModelKind::kEncoderDecoder : ModelKind::kMasked;
  config.has_head_transform = family != "bart";
  if (family == "bart") config.n_encoder_layers = 3;
  if (family != "roberta" && family != "xlm-roberta") return config;
  config.skipped_positions = 2;
  config.mlp = MlpKind::kGelu;
  return config;
}

/// The encoder of a T5 as a model by itself, with an output: relative positions in one stack.
inline ModelConfig relative_config() {
  ModelConfig config = family_config("t5");
  config.kind = ModelKind::kMasked;
  config.n_encoder_layers = 0;
  return config;
}

inline const std::vector<std::string> kFamilies = {"qwen2", "llama", "mistral", "gpt2", "bert", "bart"};
inline const std::vector<std::string> kReadEncoders = {"roberta", "xlm-roberta", "distilbert", "t5"};  ///< that nothing here trains

/// Every tensor of the model, whatever it is.
template <typename Params, typename Visit>
void for_each_tensor(Params& params, const Visit& visit) {
  for (auto* tensor : {&params.embedding,
                       &params.positions,
                       &params.embedding_norm,
                       &params.embedding_norm_bias,
                       &params.final_norm,
                       &params.final_norm_bias,
                       &params.head_dense,
                       &params.head_dense_bias,
                       &params.head_norm,
                       &params.head_norm_bias,
                       &params.lm_head,
                       &params.output_bias,
                       &params.encoder_positions,
                       &params.encoder_embedding_norm,
                       &params.encoder_embedding_norm_bias,
                       &params.token_types,
                       &params.relative_bias,
                       &params.encoder_relative_bias,
                       &params.encoder_final_norm,
                       &params.encoder_final_norm_bias})
    visit(*tensor);
  for (auto* layers : {&params.layers, &params.encoder_layers})
    for (auto& layer : *layers)
      for (auto* tensor : {&layer.attention_norm,
                           &layer.attention_norm_bias,
                           &layer.w_q,
                           &layer.b_q,
                           &layer.w_k,
                           &layer.b_k,
                           &layer.w_v,
                           &layer.b_v,
                           &layer.w_o,
                           &layer.b_o,
                           &layer.cross.norm,
                           &layer.cross.norm_bias,
                           &layer.cross.w_q,
                           &layer.cross.b_q,
                           &layer.cross.w_k,
                           &layer.cross.b_k,
                           &layer.cross.w_v,
                           &layer.cross.b_v,
                           &layer.cross.w_o,
                           &layer.cross.b_o,
                           &layer.mlp_norm,
                           &layer.mlp_norm_bias,
                           &layer.w_gate,
                           &layer.w_up,
                           &layer.b_up,
                           &layer.w_down,
                           &layer.b_down,
                           &layer.b_gate,
                           &layer.q_norm,
                           &layer.k_norm,
                           &layer.attention_out_norm,
                           &layer.mlp_out_norm})
        visit(*tensor);
}

/// Random parameters of which nothing is zero or one: gains and every bias differ too.
inline ModelParams stirred_params(const ModelConfig& config, std::uint64_t seed) {
  ModelParams params = make_random_params(config, seed);
  int n = 0;
  for_each_tensor(params, [&](Tensor& tensor) {
    ++n;
    for (std::int64_t i = 0; i < tensor.size(); ++i)
      tensor.data()[i] += 0.3f * std::sin(static_cast<float>(7 * i + 11 * n));
  });
  return params;
}

}  // namespace headroom::test
