#include "core/runs/plan.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace headroom {
namespace {

/// Contexts are short: at 100 the slowest pair of a head turns by about half a circle over 48 positions' worth of words.
constexpr float kRopeTheta = 100;

std::int64_t round_up(std::int64_t value, std::int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace

std::int64_t tokens_per_step(const TrainPlan& plan) { return plan.row_length * plan.rows_per_step * plan.accumulation; }

std::int64_t n_steps(const TrainPlan& plan) {
  const std::int64_t tokens = std::max<std::int64_t>(1, tokens_per_step(plan));
  return (plan.tokens + tokens - 1) / tokens;
}

double learning_rate_at(const TrainPlan& plan, std::int64_t step, std::int64_t tokens) {
  const double warmth =
      plan.warmup_steps < 1 ? 1 : std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(plan.warmup_steps));
  const double progress =
      plan.tokens < 1 ? 1 : std::clamp(static_cast<double>(tokens) / static_cast<double>(plan.tokens), 0.0, 1.0);
  const double cosine = (1 + std::cos(std::numbers::pi * progress)) / 2;
  return plan.learning_rate * warmth * (plan.final_share + (1 - plan.final_share) * cosine);
}

ModelConfig model_config(const TrainForm& form, std::int64_t vocab_size, std::int64_t max_positions) {
  ModelConfig config;
  ModelShape& shape = config.shape;
  shape = {.n_layers = form.n_layers,
           .d_model = form.d_model,
           .n_heads = form.n_heads,
           .n_kv_heads = form.n_kv_heads,
           .d_head = form.n_heads < 1 ? 0 : form.d_model / form.n_heads,
           .d_ff = 0,
           .vocab_size = vocab_size,
           .max_positions = max_positions};
  config.kind = form.kind;
  config.positions = form.positions;
  const bool has_mlp = form.mlp == MlpUse::kOn;
  if (form.kind == ModelKind::kCausal && form.positions == PositionKind::kRotary) {
    // As many parameters as a GELU MLP of 4 d_model, in three matrices.
    if (has_mlp) shape.d_ff = round_up((8 * form.d_model + 2) / 3, 8);
    config.rope_theta = kRopeTheta;
    config.ties_embeddings = form.output == OutputUse::kTied;
    return config;
  }
  if (has_mlp) shape.d_ff = 4 * form.d_model;
  config.norm = NormKind::kLayer;
  config.mlp = MlpKind::kGeluTanh;
  config.has_o_bias = true;
  config.has_mlp_bias = true;
  config.rms_norm_eps = 1e-5F;
  if (form.kind == ModelKind::kCausal) {
    config.family = "gpt2";
    config.ties_embeddings = form.output == OutputUse::kTied;
    return config;
  }
  config.norm_place = NormPlace::kAfter;
  config.has_embedding_norm = true;
  config.has_output_bias = true;
  if (form.kind == ModelKind::kMasked) {
    config.family = "bert";
    config.rms_norm_eps = 1e-12F;
    config.has_head_transform = true;
  } else {
    config.family = "bart";
    config.n_encoder_layers = form.n_layers;
  }
  return config;
}

std::string_view model_kind_name(ModelKind kind) {
  return kind == ModelKind::kCausal ? "causal" : kind == ModelKind::kMasked ? "masked" : "encoder_decoder";
}
std::string_view position_kind_name(PositionKind kind) { return kind == PositionKind::kRotary ? "rotary" : "learned"; }
std::string_view data_kind_name(DataKind kind) {
  switch (kind) {
    case DataKind::kGrammar:
      return "grammar";
    case DataKind::kLetters:
      return "letters";
    case DataKind::kText:
      return "text";
    case DataKind::kTranslation:
      return "translation";
  }
  return "";
}

}  // namespace headroom
