#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/formats/family.h"
#include "core/formats/layer_kinds.h"
#include "core/formats/rope_fields.h"

namespace headroom {

// Llama's block and its names of tensors, which most decoders share. A family of them is one LlamaDialect: what it does otherwise.

enum class AttentionBias { kNever, kQkv, kAsTold };  ///< kAsTold: on q, k, v and W_O when config.json's attention_bias is true
enum class MlpBias { kNever, kAsTold };              ///< as config.json's mlp_bias
enum class MatrixNames { kApart, kFused };           ///< kFused: q, k, v are one matrix, gate and up another (Phi-3)
enum class GainNames { kPlain, kOneLess };           ///< kOneLess: norms' gains are kept as the difference from 1 (Gemma)

struct LlamaDialect {
  const char* model_type = "";
  const char* architecture = "";
  const char* headless = "";
  // What a number is that config.json leaves away; null instead means one K/V head a head, and heads of hidden_size / h.
  std::int64_t absent_kv_heads = 0;  ///< 0: as many as heads
  std::int64_t absent_d_head = 0;    ///< 0: hidden_size / num_attention_heads
  std::int64_t absent_max_positions = 2048;
  float absent_eps = 1e-6f;
  bool absent_tie = false;
  AttentionBias attention_bias = AttentionBias::kNever;
  MlpBias mlp_bias = MlpBias::kNever;
  bool has_qk_norm = false;
  const char* activation =
      "hidden_act";  ///< the field, its value when absent, and the MLP that "gelu" means where the name misleads
  const char* absent_activation = "silu";
  bool takes_gelu_as_tanh = false;
  NormPlace norm_place = NormPlace::kBefore;
  bool scales_embedding = false;  ///< by sqrt(hidden_size)
  GainNames gains = GainNames::kPlain;
  MatrixNames matrices = MatrixNames::kApart;
  WindowDialect window;
  RopeDialect rope;
  /// What else config.json says, and writes; null: nothing.
  void (*read_more)(const ConfigReader& reader, ModelConfig& config) = nullptr;
  void (*write_more)(const ModelConfig& config, std::vector<ConfigMember>& members) = nullptr;
  /// The scores' own scale and caps, and the logits' cap, are told by the two above.
  bool tells_scores = false;
};

// The dialects of one file each; llama_families() is made of them.
std::vector<LlamaDialect> plain_llama_dialects();  ///< family_llama.cpp
std::vector<LlamaDialect> gemma_dialects();        ///< family_gemma.cpp
std::vector<LlamaDialect> phi_dialects();          ///< family_phi.cpp

/// Llama's own where there is none of that name.
const LlamaDialect& llama_dialect_named(std::string_view model_type);

/// Every tensor of such a model.
std::vector<TensorSlot> llama_slots(ModelParams& params);

}  // namespace headroom
