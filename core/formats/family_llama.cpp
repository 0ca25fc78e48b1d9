#include "core/formats/llama_block.h"

namespace headroom {
namespace {

void write_qwen_window(const ModelConfig& config, std::vector<ConfigMember>& members) {
  std::int64_t window = 0;
  std::string types;
  for (const std::int64_t own : config.windows) {
    window = own > 0 ? own : window;
    types += (types.empty() ? "" : ", ") + json_of(own > 0 ? "sliding_attention" : "full_attention");
  }
  members.push_back({"use_sliding_window", json_of(window > 0)});
  if (window == 0) return;
  members.push_back({"sliding_window", json_of(window)});
  members.push_back({"layer_types", "[" + types + "]"});
}

void write_mistral_window(const ModelConfig& config, std::vector<ConfigMember>& members) {
  members.push_back({"sliding_window", config.windows.empty() ? "null" : json_of(config.windows.front())});
}

}  // namespace

std::vector<LlamaDialect> plain_llama_dialects() {
  constexpr WindowDialect kLateWindows{WindowRule::kLate, 4096};
  return {
      {.model_type = "llama",
       .architecture = "LlamaForCausalLM",
       .headless = "LlamaModel",
       .attention_bias = AttentionBias::kAsTold,
       .mlp_bias = MlpBias::kAsTold},
      {.model_type = "mistral",
       .architecture = "MistralForCausalLM",
       .headless = "MistralModel",
       .absent_kv_heads = 8,
       .absent_max_positions = 131072,
       .window = {WindowRule::kAll, 4096},
       .write_more = write_mistral_window},
      {.model_type = "qwen2",
       .architecture = "Qwen2ForCausalLM",
       .headless = "Qwen2Model",
       .absent_kv_heads = 32,
       .absent_max_positions = 32768,
       .attention_bias = AttentionBias::kQkv,
       .window = kLateWindows,
       .write_more = write_qwen_window},
      {.model_type = "qwen3",
       .architecture = "Qwen3ForCausalLM",
       .headless = "Qwen3Model",
       .absent_kv_heads = 32,
       .absent_d_head = 128,
       .absent_max_positions = 32768,
       .attention_bias = AttentionBias::kAsTold,
       .has_qk_norm = true,
       .window = kLateWindows,
       .write_more = write_qwen_window},
  };
}

}  // namespace headroom
