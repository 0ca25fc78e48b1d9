#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/attention/layer.h"
#include "core/model/shape.h"
#include "core/tensor/tensor.h"

namespace headroom {

/// What the model is trained to predict: the next token; tokens hidden from it; the words of another sequence that it reads.
enum class ModelKind { kCausal, kMasked, kEncoderDecoder };
enum class NormKind { kRms, kLayer };
/// Before each sub-layer, with one more norm at the end (GPT-2, Llama); after its residual sum (BERT, BART); or on both sides of each
/// sub-layer, before the sum, with one more at the end (Gemma 2).
enum class NormPlace { kBefore, kAfter, kAround };
/// Whether the MLP reads what attention added, or both read the block's input (GPT-NeoX).
enum class BlockOrder { kSequential, kParallel };
/// What stands between an MLP's matrices. The gated ones multiply by a second projection: SwiGLU, GeGLU, ReGLU (Shazeer 2020,
/// arXiv:2002.05202). Tanh: the approximation of gelu. A model without MLPs has shape.d_ff = 0.
enum class MlpKind { kSwiGlu, kGelu, kGeluTanh, kRelu, kSilu, kGeGlu, kGeGluTanh, kReGlu };
bool is_gated(MlpKind mlp);

/// How rotary positions are stretched to longer texts than a model was first trained on. Names and formulas as in transformers'
/// rope_parameters.
struct RopeScaling {
  enum class Kind { kNone, kLinear, kDynamic, kLlama3, kYarn, kLongRope } kind = Kind::kNone;
  double factor = 1;
  std::int64_t original_positions = 0;                             ///< the length first trained on; 0: shape.max_positions
  double low_freq_factor = 1, high_freq_factor = 4;                ///< llama3
  double beta_fast = 32, beta_slow = 1;                            ///< yarn
  std::optional<double> attention_factor, mscale, mscale_all_dim;  ///< yarn, longrope
  bool truncates = true;                                           ///< yarn: its correction range is rounded to whole coordinates
  std::vector<double> short_factors, long_factors;                 ///< longrope, [rotary dims / 2]

  bool operator==(const RopeScaling&) const = default;
};

/// What a checkpoint says beside its shape. The defaults are Llama's block with Qwen2's biases.
struct ModelConfig {
  std::string family = "qwen2";  ///< model_type of config.json
  ModelKind kind = ModelKind::kCausal;
  ModelShape shape;
  std::int64_t n_encoder_layers = 0;  ///< of an encoder-decoder; shape.n_layers are the decoder's
  NormKind norm = NormKind::kRms;
  NormPlace norm_place = NormPlace::kBefore;
  BlockOrder block_order = BlockOrder::kSequential;
  PositionKind positions = PositionKind::kRotary;
  MlpKind mlp = MlpKind::kSwiGlu;
  float rope_theta = 10000;
  double rotary_share = 1;  ///< of each head's coordinates, that turn
  RopeScaling rope_scaling;
  /// [n_layers] keys that each layer's queries see, themselves included; 0: all before. Empty: all layers see all.
  std::vector<std::int64_t> windows;
  std::int64_t relative_buckets = 0, relative_max_distance = 0;  ///< PositionKind::kRelative
  /// Rows of a file's learned positions before the first token's: RoBERTa's padding_idx + 1.
  std::int64_t skipped_positions = 0;
  std::optional<float> attention_scale;  ///< factor on q·k; unset: 1 / sqrt(d_head)
  bool divides_scale_by_layer = false;   ///< layer i's factor is divided by i + 1 (GPT-2's option)
  float score_cap = 0, logit_cap = 0;    ///< soft caps; 0: none
  float embedding_scale = 1;             ///< factor on embeddings (Gemma, BART's option)
  float logit_scale = 1;                 ///< factor on the last state before the output (T5, tied)
  float rms_norm_eps = 1e-6f;            ///< of either kind of norm
  bool ties_embeddings = true;
  bool has_qkv_bias = true;
  bool has_o_bias = false;
  bool has_qk_norm = false;  ///< an RMS norm of each head's q and k before rotation (Qwen3)
  bool has_mlp_bias = false;
  bool has_embedding_norm = false;  ///< a norm right after the embeddings (BERT, BART)
  bool has_head_transform = false;  ///< dense, gelu and norm before the output (BERT's masked-word head)
  bool has_output_bias = false;     ///< one number a word added to the logits
  bool predicts = true;             ///< false: an encoder by itself, or a BERT without its head: no logits

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
  Tensor q_norm, k_norm;                       ///< [d_head] where has_qk_norm
  Tensor attention_out_norm, mlp_out_norm;     ///< [d_model]; NormPlace::kAround alone: the second norm of each half
  CrossParams cross;                           ///< of an encoder-decoder's decoder; else empty
  Tensor mlp_norm, mlp_norm_bias;              ///< [d_model]; all of the MLP is empty when d_ff is 0
  Tensor w_gate, b_gate;                       ///< [d_ff, d_model], [d_ff] or empty; of a gated MLP alone
  Tensor w_up, b_up;                           ///< [d_ff, d_model], [d_ff] or empty
  Tensor w_down, b_down;                       ///< [d_model, d_ff], [d_model] or empty

  std::vector<std::int64_t> heads;       ///< which head of the unpruned layer each remaining one is; ascending
  std::vector<std::int64_t> kv_heads;    ///< likewise for K/V heads
  std::vector<std::int64_t> kv_head_of;  ///< index into kv_heads for each remaining head

  bool is_drawn() const { return !attention_norm.empty(); }
  /// By reference. `eps`: of q_norm and k_norm.
  AttentionLayerParams attention(float eps) const;
};

/// A whole transformer: embedding, blocks, output; of an encoder-decoder both stacks, which share the embedding. Matrices may be of any
/// stored type (Tensor::type); norms, biases, positions and token types are float32.
struct ModelParams {
  ModelConfig config;
  Tensor embedding;      ///< [vocab_size, d_model]
  Tensor positions;      ///< [max_positions, d_model]; PositionKind::kLearned alone
  Tensor token_types;    ///< [n_types, d_model] added to each embedding by its token's type (BERT's sentence A, B); or empty
  Tensor relative_bias;  ///< [relative_buckets, n_heads]; PositionKind::kRelative alone, shared by all layers
  Tensor embedding_norm, embedding_norm_bias;  ///< [d_model] where has_embedding_norm
  std::vector<LayerParams> layers;
  Tensor final_norm, final_norm_bias;                          ///< [d_model]; but for NormPlace::kAfter
  Tensor head_dense, head_dense_bias;                          ///< [d_model, d_model], [d_model] where has_head_transform
  Tensor head_norm, head_norm_bias;                            ///< [d_model] where has_head_transform
  Tensor lm_head;                                              ///< [vocab_size, d_model]; empty when tied
  Tensor output_bias;                                          ///< [vocab_size] where has_output_bias
  std::vector<LayerParams> encoder_layers;                     ///< n_encoder_layers
  Tensor encoder_positions, encoder_relative_bias;             ///< as positions, relative_bias
  Tensor encoder_final_norm, encoder_final_norm_bias;          ///< as final_norm
  Tensor encoder_embedding_norm, encoder_embedding_norm_bias;  ///< as embedding_norm

  ConstWeightView output() const { return config.ties_embeddings ? embedding.weights() : lm_head.weights(); }
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
