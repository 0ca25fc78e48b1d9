#include <cstdarg>
#include <cstdio>

#include "core/runs/checkpoint.h"

namespace headroom {
namespace {

std::string with(const char* format, ...) __attribute__((format(printf, 1, 2)));
std::string with(const char* format, ...) {
  char text[400];
  std::va_list values;
  va_start(values, format);
  std::vsnprintf(text, sizeof text, format, values);
  va_end(values);
  return text;
}

const char* data_text(const TrainPlan& plan) {
  switch (plan.data.kind) {
    case DataKind::kGrammar:
      return "sentences of Headroom's grammar of English";
    case DataKind::kLetters:
      return "random letters said again and again (the induction laboratory)";
    case DataKind::kText:
      return "a text file";
    case DataKind::kTranslation:
      return "sentences of Headroom's grammar of English and their translations";
  }
  return "";
}

const char* kind_text(const ModelConfig& config) {
  if (config.kind == ModelKind::kMasked) return "A bidirectional model that fills in hidden words (BERT's architecture)";
  if (config.kind == ModelKind::kEncoderDecoder) return "An encoder-decoder (BART's architecture)";
  return config.positions == PositionKind::kRotary ? "A causal language model with rotary positions (Qwen2's architecture)"
                                                   : "A causal language model with learned positions (GPT-2's architecture)";
}

std::string sharing_text(const ModelShape& shape) {
  if (shape.n_kv_heads == shape.n_heads) return {};
  return ", " + std::to_string(shape.n_kv_heads) + " K/V head" + (shape.n_kv_heads == 1 ? "" : "s") + " for " +
         std::to_string(shape.n_heads) + " query heads";
}

std::string report_text(const HeadReport& report) {
  std::string text = "## Measured on held-out rows\n\n";
  text += with("Held-out loss %.3f nats a target", report.held_out_loss);
  text += report.has_floor
              ? with("; the floor, which nothing that knows only the grammar can beat on average, is %.3f.\n\n", report.floor)
              : ".\n\n";
  text += "| role | best head | score | fixed offset | threshold | named |\n|---|---|---|---|---|---|\n";
  for (const RoleScore& role : report.roles) {
    if (role.n_cases == 0) continue;
    text += "| " + role.role->name + " | " + name_of(role.head, role.role->stack) + with(" | %.2f | ", role.score) +
            (role.role->has_baseline ? with("%.2f", role.baseline) : std::string("none")) +
            with(" | %.2f | ", role.role->threshold) + (role.names_head() ? "yes" : "no") + " |\n";
  }
  if (report.behaviours.empty()) return text;
  text += "\n| behaviour | right | chance | cases |\n|---|---|---|---|\n";
  for (const BehaviourScore& score : report.behaviours)
    text += "| " + std::string(behaviour_name(score.behaviour)) +
            with(" | %.3f | %.3f | %lld |\n", score.accuracy, score.chance, static_cast<long long>(score.n_cases));
  return text;
}

}  // namespace

std::string run_readme(const SavedRun& run) {
  const ModelConfig& config = run.params.config;
  const ModelShape& shape = config.shape;
  const TrainPlan& plan = run.plan;
  std::string text = "# " + (plan.recipe.empty() ? std::string("A small model") : plan.recipe) + "\n\n";
  text += std::string(kind_text(config)) + sharing_text(shape) + ", trained by Headroom on " + data_text(plan) + ".\n\n";
  text += with("- layers %lld, d_model %lld, h %lld, kv_heads %lld, d_k %lld, MLP %s, %lld parameters\n",
               static_cast<long long>(shape.n_layers), static_cast<long long>(shape.d_model), static_cast<long long>(shape.n_heads),
               static_cast<long long>(shape.n_kv_heads), static_cast<long long>(shape.d_head), shape.d_ff > 0 ? "on" : "off",
               static_cast<long long>(count_parameters(run.params).total()));
  const std::int64_t tokens = run.report != nullptr ? run.report->tokens : run.state ? run.state->tokens : plan.tokens;
  text += with("- recipe %s, seed %llu, %lld tokens in rows of %lld, learning rate %g at its highest\n",
               plan.recipe.empty() ? "of its own" : plan.recipe.c_str(), static_cast<unsigned long long>(plan.seed),
               static_cast<long long>(tokens), static_cast<long long>(plan.row_length), plan.learning_rate);
  if (plan.data.repeats.last_share > 0)
    text += with("- random words said again and again made %.0f %% of the rows at first and %.0f %% at last\n",
                 100 * plan.data.repeats.first_share, 100 * plan.data.repeats.last_share);
  if (plan.data.unknown_share > 0)
    text += with("- %.1f %% of the inputs were replaced by the unknown word, so that it is one the model has met\n",
                 100 * plan.data.unknown_share);
  if (!run.command.empty()) text += "\nMade again with\n\n    " + run.command + "\n";
  if (run.state)
    text += "\ntraining_state.json and training_state.safetensors hold what training needs to go on exactly where it stopped.\n";
  if (run.report != nullptr) text += "\n" + report_text(*run.report);
  return text;
}

}  // namespace headroom
