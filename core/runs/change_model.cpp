#include <string>

#include "core/model/surgery.h"
#include "core/runs/trainer.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

std::string counted(std::int64_t n, const char* what) { return std::to_string(n) + " " + what + (n == 1 ? "" : "s"); }

void join(std::string& text, const std::string& more, const char* between) {
  if (!more.empty()) text += (text.empty() ? "" : between) + more;
}

}  // namespace

void adopt_form(TrainPlan& plan, const ModelConfig& config) {
  TrainForm& form = plan.form;
  form.kind = config.kind;
  form.positions = config.positions;
  form.n_layers = config.shape.n_layers;
  form.d_model = config.shape.d_model;
  form.mlp = config.shape.d_ff > 0 ? MlpUse::kOn : MlpUse::kOff;
  form.output = config.ties_embeddings ? OutputUse::kTied : OutputUse::kSeparate;
  // Slicing keeps widths: d_k of the new h, and as many K/V heads as fit.
  form.n_heads = snap_heads(config.shape, form.n_heads, config.positions).value;
  form.n_kv_heads = snap_kv_heads(config.shape, form.n_heads, form.n_kv_heads, config.positions).value;
  if (config.positions == PositionKind::kLearned) {
    form.n_kv_heads = form.n_heads;
    plan.row_length = std::min(plan.row_length, config.shape.max_positions);
  }
}

StartingModel change_model(ModelParams old, const TrainPlan& plan) {
  const ModelShape before = old.config.shape;
  const TrainForm& form = plan.form;
  const bool slices = form.n_heads != before.n_heads;
  const bool pools = form.n_kv_heads != before.n_kv_heads * form.n_heads / std::max<std::int64_t>(before.n_heads, 1);
  if (old.config.kind == ModelKind::kEncoderDecoder && (slices || pools))
    throw Error("h and kv_heads of a trained encoder-decoder stay as they are: its three attentions would all have to change");
  StartingModel start;
  start.params = old = fill_pruned_heads(old);
  if (slices) {
    start.params = slice_heads(start.params, form.n_heads);
    join(start.change, "h sliced anew, " + std::to_string(before.n_heads) + " to " + std::to_string(form.n_heads), ", ");
    join(start.why,
         old.config.positions == PositionKind::kRotary ? "Slicing h anew sums other products in each score, changes 1/sqrt(d_k), "
                                                         "and under rotary positions turns every dimension at "
                                                         "another speed: the heads are broken until they heal."
                                                       : "Slicing h anew sums other products in each score and changes "
                                                         "1/sqrt(d_k); learned positions lie in the embedding and stay "
                                                         "as they were, so the loss rises little.",
         " ");
  }
  if (start.params.config.shape.n_kv_heads != form.n_kv_heads) {
    const std::int64_t from = start.params.config.shape.n_kv_heads;
    start.params = pool_kv_heads(start.params, form.n_kv_heads);
    join(start.change, counted(from, "K/V head") + " pooled to " + std::to_string(form.n_kv_heads), ", ");
    join(start.why, "Heads that had become different now share keys and values, and the mean of several is none of them.", " ");
  }
  if (!plan.start.pruned.empty()) {
    join(start.change, counted(std::ssize(plan.start.pruned), "head") + " pruned", ", ");
    join(start.why, "What the pruned heads wrote is missing; the heads that are left can take it over.", " ");
  }
  start.old = std::make_shared<const ModelParams>(std::move(old));
  return start;
}

}  // namespace headroom
