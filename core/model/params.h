#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/attention/layer.h"
#include "core/model/shape.h"
#include "core/tensor/tensor.h"

namespace headroom {

/// What the model is trained to predict: the next token; tokens hidden from it; the words of another sequence that it reads.
enum class ModelKind { kCausal, kMasked, kEncoderDecoder };
enum class NormKind { kRms, kLayer };
/// Before each sub-layer, with one more norm at the end (GPT-2, Llama), or after its residual sum (BERT, BART).
enum class NormPlace { kBefore, kAfter };
/// gelu with the error function, or its tanh approximation. A model without MLPs has shape.d_ff = 0.
enum class MlpKind { kSwiGlu, kGelu, kGeluTanh };

/// What a checkpoint says beside its shape. The defaults are Llama's block with Qwen2's biases.
struct ModelConfig {
  std::string family = "qwen2";  ///< model_type of config.json
  ModelKind kind = ModelKind::kCausal;
  ModelShape shape;
  std::int64_t n_encoder_layers = 0;  ///< of an encoder-decoder; shape.n_layers are the decoder's
  NormKind norm = NormKind::kRms;
  NormPlace norm_place = NormPlace::kBefore;
  PositionKind positions = PositionKind::kRotary;
  MlpKind mlp = MlpKind::kSwiGlu;
  float rope_theta = 10000;
  float rms_norm_eps = 1e-6f;  ///< of either kind of norm
  bool ties_embeddings = true;
  bool has_qkv_bias = true;
  bool has_o_bias = false;
  bool has_mlp_bias = false;
  bool has_embedding_norm = false;  ///< a norm right after the embeddings (BERT, BART)
  bool has_head_transform = false;  ///< dense, gelu and norm before the output (BERT's masked-word head)
  bool has_output_bias = false;     ///< one number a word added to the logits
  bool predicts = true;             ///< false: an encoder by itself, whose output is for a decoder to read

  bool operator==(const ModelConfig&) const = default;
};

/// Which tokens each sees in such a model as it was trained: both sides for a masked one, what came before for others.
Direction default_direction(ModelKind kind);

/// How a decoder's block reads the encoder: its queries from here, its keys and values from the encoder's output.
struct CrossParams {
  Tensor norm, norm_bias;  ///< [d_model]
  Tensor w_q, b_q;         ///< [n_heads * d_head, d_model], [n_heads * d_head] or empty
  Tensor w_k, b_k;         ///< [n_kv_heads * d_head, d_model]
  Tensor w_v, b_v;         ///< [n_kv_heads * d_head, d_model]
  Tensor w_o, b_o;         ///< [d_model, n_heads * d_head]
};

/// One block. Norms' biases are empty under NormKind::kRms. After surgery its head counts differ from the model's: `heads` and `kv_head_of` say what is left.
struct LayerParams {
  Tensor attention_norm, attention_norm_bias;  ///< [d_model]
  Tensor w_q, b_q;                             ///< [n_heads * d_head, d_model], [n_heads * d_head] or empty
  Tensor w_k, b_k;                             ///< [n_kv_heads * d_head, d_model]
  Tensor w_v, b_v;                             ///< [n_kv_heads * d_head, d_model]
  Tensor w_o, b_o;                             ///< [d_model, n_heads * d_head]
  CrossParams cross;                           ///< of an encoder-decoder's decoder; else empty
  Tensor mlp_norm, mlp_norm_bias;              ///< [d_model]; all of the MLP is empty when d_ff is 0
  Tensor w_gate;                               ///< [d_ff, d_model]; SwiGLU alone
  Tensor w_up, b_up;                           ///< [d_ff, d_model], [d_ff] or empty
  Tensor w_down, b_down;                       ///< [d_model, d_ff], [d_model] or empty

  std::vector<std::int64_t> heads;       ///< which head of the unpruned layer each remaining one is; ascending
  std::vector<std::int64_t> kv_heads;    ///< likewise for K/V heads
  std::vector<std::int64_t> kv_head_of;  ///< index into kv_heads for each remaining head

  bool is_drawn() const { return !attention_norm.empty(); }
  AttentionLayerParams attention() const;
};

/// A whole transformer: embedding, blocks, output; of an encoder-decoder both stacks, which share the embedding.
struct ModelParams {
  ModelConfig config;
  Tensor embedding;                            ///< [vocab_size, d_model]
  Tensor positions;                            ///< [max_positions, d_model]; PositionKind::kLearned alone
  Tensor embedding_norm, embedding_norm_bias;  ///< [d_model] where has_embedding_norm
  std::vector<LayerParams> layers;
  Tensor final_norm, final_norm_bias;                          ///< [d_model]; NormPlace::kBefore alone
  Tensor head_dense, head_dense_bias;                          ///< [d_model, d_model], [d_model] where has_head_transform
  Tensor head_norm, head_norm_bias;                            ///< [d_model] where has_head_transform
  Tensor lm_head;                                              ///< [vocab_size, d_model]; empty when tied
  Tensor output_bias;                                          ///< [vocab_size] where has_output_bias
  std::vector<LayerParams> encoder_layers;                     ///< n_encoder_layers
  Tensor encoder_positions;                                    ///< as positions
  Tensor encoder_embedding_norm, encoder_embedding_norm_bias;  ///< as embedding_norm

  ConstMatrixView output() const { return config.ties_embeddings ? embedding.matrix() : lm_head.matrix(); }
};

/// Number of single parameters, by part. A tied output is counted once. Those of layers that are not drawn count too.
struct ParameterCount {
  std::int64_t embedding = 0, attention = 0, mlp = 0, norms = 0, output = 0;
  std::int64_t total() const { return embedding + attention + mlp + norms + output; }
};
ParameterCount count_parameters(const ModelParams& params);

/// Fills LayerParams::heads, kv_heads, kv_head_of for an unpruned layer.
void set_unpruned(LayerParams& layer, std::int64_t n_heads, std::int64_t n_kv_heads);

/// Which layers' parameters are there: a long text is first looked at through its first layer alone.
enum class DrawnLayers { kAll, kFirst };

/// Seeded random parameters of any valid shape ("lab": untrained), scaled so that activations stay of order one. With kFirst the later
/// layers know their heads but have no tensors, nor has an untied output; the first layer is the same either way.
ModelParams make_random_params(const ModelConfig& config, std::uint64_t seed, DrawnLayers drawn = DrawnLayers::kAll);

}  // namespace headroom
