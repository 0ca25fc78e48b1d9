#include <algorithm>
#include <cstdio>

#include "core/runs/plan.h"
#include "core/training/layout.h"

namespace headroom {
namespace {

std::string bytes_text(std::int64_t bytes) {
  char text[40];
  const double mib = static_cast<double>(bytes) / (1 << 20);
  std::snprintf(text, sizeof text, mib >= 1024 ? "%.1f GiB" : "%.0f MiB", mib >= 1024 ? mib / 1024 : mib);
  return text;
}

/// Multiply-adds of all matrices that every token goes through; the embedding is looked up, not multiplied, but when it is the output.
double matrix_flops(const ParameterLayout& layout) {
  double flops = 0;
  for (const ParameterSlot& slot : layout.slots()) {
    const bool is_lookup =
        slot.name.find("positions") != std::string::npos || (slot.name == "embedding" && !layout.config().ties_embeddings);
    if (slot.rows > 1 && !is_lookup) flops += 2.0 * static_cast<double>(slot.size());
  }
  return flops;
}

}  // namespace

PlanEstimate estimate_plan(const TrainPlan& plan, const PlanMachine& machine) {
  const ModelConfig config = model_config(plan.form, machine.vocab_size, plan.row_length);
  const ParameterLayout layout(config);
  const ModelShape& shape = config.shape;
  PlanEstimate estimate;
  estimate.n_parameters = layout.n_parameters();

  const auto length = static_cast<double>(plan.row_length);
  const auto width = static_cast<double>(shape.n_heads * shape.d_head);
  const double seen = config.kind == ModelKind::kMasked ? length : (length + 1) / 2;
  const double attentions = static_cast<double>(shape.n_layers) * seen + static_cast<double>(config.n_encoder_layers) * 2 * length;
  estimate.flops_per_token = 3 * (matrix_flops(layout) + 4 * width * attentions);

  // Parameters, their transposed copy and two moments once; gradients for each thread. Of every token of a pass each layer keeps about a dozen
  // rows of d_model and three of d_ff, and the loss a row of the vocabulary for the row in work.
  const double rows = static_cast<double>(plan.rows_per_step * plan.row_length);
  const double layers = static_cast<double>(shape.n_layers + config.n_encoder_layers);
  const double activations = rows * layers * (12 * static_cast<double>(shape.d_model) + 3 * static_cast<double>(shape.d_ff)) +
                             machine.n_threads * length * static_cast<double>(shape.vocab_size) * 2;
  const double parameters = static_cast<double>(layout.size()) * (5 + machine.n_threads);
  estimate.memory_bytes = static_cast<std::int64_t>(4 * (activations + parameters));
  if (machine.free_bytes > 0 && estimate.memory_bytes > machine.free_bytes)
    estimate.problem = "Training this takes about " + bytes_text(estimate.memory_bytes) + " of memory and only " +
                       bytes_text(machine.free_bytes) + " are free: lower d_model, layers, the vocabulary or rows a pass.";
  if (machine.gflops > 0) estimate.seconds = estimate.flops_per_token * static_cast<double>(plan.tokens) / (machine.gflops * 1e9);
  return estimate;
}

}  // namespace headroom
