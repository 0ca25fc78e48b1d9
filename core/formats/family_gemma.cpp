#include <cmath>

#include "core/formats/llama_block.h"

namespace headroom {
namespace {

void refuse_both_sides(const ConfigReader& reader) {
  reader.require_flag("use_bidirectional_attention", false, "a Gemma that reads in both directions is not supported");
}

void read_gemma(const ConfigReader& reader, ModelConfig&) { refuse_both_sides(reader); }

/// A soft cap: absent means the family's own, null none.
float read_cap(const ConfigReader& reader, const char* name, float absent) {
  return reader.is_null(name) ? 0 : reader.real(name, 1e-3, 1e9, absent);
}

void read_gemma2(const ConfigReader& reader, ModelConfig& config) {
  refuse_both_sides(reader);
  config.attention_scale = 1 / std::sqrt(reader.real("query_pre_attn_scalar", 1e-6, 1e9, 256));
  config.score_cap = read_cap(reader, "attn_logit_softcapping", 50);
  config.logit_cap = read_cap(reader, "final_logit_softcapping", 30);
}

void write_gemma2(const ModelConfig& config, std::vector<ConfigMember>& members) {
  const auto cap = [](float value) { return value > 0 ? json_of(value) : std::string("null"); };
  const float scale = config.attention_scale.value_or(1 / std::sqrt(static_cast<float>(config.shape.d_head)));
  const float scalar = 1 / (scale * scale), whole = std::round(scalar);
  members.push_back({"query_pre_attn_scalar",
                     std::abs(scalar - whole) < 1e-4f * whole ? json_of(static_cast<std::int64_t>(whole)) : json_of(scalar)});
  members.push_back({"attn_logit_softcapping", cap(config.score_cap)});
  members.push_back({"final_logit_softcapping", cap(config.logit_cap)});
  std::int64_t window = 0;
  std::string types;
  for (std::size_t i = 0; i < static_cast<std::size_t>(config.shape.n_layers); ++i) {
    const std::int64_t own = i < config.windows.size() ? config.windows[i] : 0;
    window = own > 0 ? own : window;
    types += (types.empty() ? "" : ", ") + json_of(own > 0 ? "sliding_attention" : "full_attention");
  }
  members.push_back({"sliding_window", window > 0 ? json_of(window) : "null"});
  members.push_back({"layer_types", "[" + types + "]"});
}

}  // namespace

/// Source  Gemma Team 2024, arXiv:2403.08295 and arXiv:2408.00118.
std::vector<LlamaDialect> gemma_dialects() {
  LlamaDialect gemma{.model_type = "gemma",
                     .architecture = "GemmaForCausalLM",
                     .headless = "GemmaModel",
                     .absent_kv_heads = 16,
                     .absent_d_head = 256,
                     .absent_max_positions = 8192,
                     .absent_tie = true,
                     .attention_bias = AttentionBias::kAsTold,
                     .absent_activation = "gelu_pytorch_tanh",
                     .takes_gelu_as_tanh = true,
                     .scales_embedding = true,
                     .gains = GainNames::kOneLess,
                     .read_more = read_gemma};
  LlamaDialect gemma2 = gemma;
  gemma2.model_type = "gemma2";
  gemma2.architecture = "Gemma2ForCausalLM";
  gemma2.headless = "Gemma2Model";
  gemma2.absent_kv_heads = 4;
  gemma2.activation = "hidden_activation";
  gemma2.takes_gelu_as_tanh = false;
  gemma2.norm_place = NormPlace::kAround;
  gemma2.window = {WindowRule::kEveryOther, 4096};
  gemma2.read_more = read_gemma2;
  gemma2.write_more = write_gemma2;
  gemma2.tells_scores = true;
  return {gemma, gemma2};
}

}  // namespace headroom
