#include "core/formats/llama_block.h"

namespace headroom {
namespace {

void write_window(const ModelConfig& config, std::vector<ConfigMember>& members) {
  members.push_back({"sliding_window", config.windows.empty() ? "null" : json_of(config.windows.front())});
}

}  // namespace

/// Phi-3. Source  Abdin et al. 2024, arXiv:2404.14219; its long versions by LongRoPE.
std::vector<LlamaDialect> phi_dialects() {
  return {{.model_type = "phi3",
           .architecture = "Phi3ForCausalLM",
           .headless = "Phi3Model",
           .absent_max_positions = 4096,
           .absent_eps = 1e-5f,
           .matrices = MatrixNames::kFused,
           .window = {WindowRule::kAll, 0},
           .rope = {.turns_part = true, .longrope_original = 4096},
           .write_more = write_window}};
}

}  // namespace headroom
