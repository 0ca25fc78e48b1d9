#include "core/session/pass_estimate.h"

#include "core/cost/kv_cache.h"
#include "core/cost/work.h"
#include "core/formats/utf8.h"
#include "core/model/long_pass.h"

namespace headroom {
namespace {

double rate_of(const std::string& stage, const LongPlan& plan) {
  if (stage == "attention") return plan.attention_flops;
  return stage == "q k v" || stage == "rotary" || stage == "W_O" ? plan.projection_flops : plan.dense_flops;
}

/// Of layers whose random parameters would have to be drawn first.
std::int64_t undrawn_bytes(const ModelParams& params) {
  ModelParams undrawn;
  undrawn.config = params.config;
  undrawn.config.ties_embeddings = params.config.ties_embeddings || !params.lm_head.empty();
  for (const LayerParams& layer : params.layers) {
    if (layer.is_drawn()) continue;
    undrawn.layers.emplace_back();
    undrawn.layers.back().heads = layer.heads;
    undrawn.layers.back().kv_heads = layer.kv_heads;
  }
  return 4 * count_parameters(undrawn).total();
}

}  // namespace

PassEstimate estimate_pass(const ModelParams& params, std::int64_t seq, const Mask& mask, const LongPlan& plan,
                           std::int64_t free_bytes) {
  PassShape shape{.model = params.config, .n_heads = {}, .n_kv_heads = {}, .seq = seq, .mask = mask};
  for (const LayerParams& layer : params.layers) {
    shape.n_heads.push_back(std::ssize(layer.heads));
    shape.n_kv_heads.push_back(std::ssize(layer.kv_heads));
  }
  PassEstimate estimate;
  estimate.n_layers = std::ssize(params.layers);
  estimate.seq = seq;
  for (const StageWork& stage : pass_work(shape)) {
    estimate.flops += stage.flops;
    if (const double rate = rate_of(stage.stage, plan); rate > 0) estimate.seconds += stage.flops / rate;
  }
  estimate.bytes = long_forward_bytes(params, seq) + undrawn_bytes(params);
  // A device hands back whole tensors of a layer: its input, its heads' outputs and its output.
  if (plan.is_on_gpu)
    estimate.bytes += 4 * seq * (2 * params.config.shape.d_model + params.config.shape.n_heads * params.config.shape.d_head);
  estimate.free_bytes = free_bytes;
  if (estimate.bytes > free_bytes) {
    estimate.refusal = "All " + std::to_string(estimate.n_layers) + " layers of " +
                       with_thousands(static_cast<std::uint64_t>(seq)) + " tokens take " + bytes_text(estimate.bytes) +
                       " of memory, and this machine has " + bytes_text(free_bytes) +
                       " free: choose a shorter text or a smaller model.";
  }
  return estimate;
}

}  // namespace headroom
