#include "core/session/train_text.h"

#include <algorithm>
#include <cstdio>

namespace headroom {
namespace {

std::string decimal(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

/// A folder by its last part.
std::string last_part(const std::string& path) {
  const std::size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return path;
  const std::size_t slash = path.find_last_of('/', end);
  const std::size_t begin = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(begin, end + 1 - begin);
}

/// The difference of the forms; empty when they are the same.
std::string form_change(const TrainForm& a, const TrainForm& b) {
  const auto number = [](const char* name, std::int64_t value) { return std::string(name) + " = " + std::to_string(value); };
  if (a.kind != b.kind)
    return "a " + std::string(b.kind == ModelKind::kEncoderDecoder ? "translating" : model_kind_name(b.kind)) + " model";
  if (a.d_model != b.d_model) return number("d_model", b.d_model);
  if (a.n_heads != b.n_heads) return number("h", b.n_heads);
  if (a.n_kv_heads != b.n_kv_heads) return number("kv_heads", b.n_kv_heads);
  if (a.n_layers != b.n_layers) return number("layers", b.n_layers);
  if (a.mlp != b.mlp) return b.mlp == MlpUse::kOn ? "MLPs" : "no MLPs";
  if (a.positions != b.positions) return std::string(position_kind_name(b.positions)) + " positions";
  return "";
}

std::string data_change(const TrainData& a, const TrainData& b) {
  if (a.kind != b.kind) return "the data " + std::string(data_kind_name(b.kind));
  if (a.path != b.path) return "the text " + last_part(b.path);
  if (a.vocabulary != b.vocabulary) return std::to_string(b.vocabulary) + " tokens of vocabulary";
  return "other data";
}

}  // namespace

std::string short_tokens(std::int64_t tokens) {
  const auto value = static_cast<double>(tokens);
  const auto scaled = [](double number, const char* unit) {
    char text[32];
    std::snprintf(text, sizeof text, number >= 99.95 ? "%.0f %s" : number >= 9.995 ? "%.1f %s" : "%.2f %s", number, unit);
    return std::string(text);
  };
  if (value >= 999.5e6) return scaled(value / 1e9, "G");
  if (value >= 999.5e3) return scaled(value / 1e6, "M");
  if (tokens < 1000) return std::to_string(tokens);
  char text[32];
  std::snprintf(text, sizeof text, tokens >= 9995 ? "%.0f k" : "%.1f k", value / 1e3);
  return text;
}

std::string train_start_text(const TrainStart& start) {
  std::string text = "fresh parameters";
  if (start.from == StartFrom::kModel) text = last_part(start.model);
  if (start.from == StartFrom::kRun) text = start.at ? "the run at " + short_tokens(*start.at) + " tokens" : "the run as it stands";
  if (const std::size_t n = start.pruned.size(); n > 0)
    text += " with " + std::to_string(n) + (n == 1 ? " head removed" : " heads removed");
  return text;
}

std::string train_change_text(const TrainPlan& a, const TrainPlan& b) {
  if (a.recipe != b.recipe && !b.recipe.empty()) return "recipe " + b.recipe;
  if (a.start != b.start) return "train from " + train_start_text(b.start);
  if (const std::string form = form_change(a.form, b.form); !form.empty()) return "train with " + form;
  if (a.data != b.data) return "train on " + data_change(a.data, b.data);
  if (a.tokens != b.tokens) return "train on " + short_tokens(b.tokens) + " tokens";
  if (a.learning_rate != b.learning_rate) return "learning rate " + decimal(b.learning_rate);
  if (a.rows_per_step != b.rows_per_step) return std::to_string(b.rows_per_step) + " rows a step";
  if (a.seed != b.seed) return "training seed " + std::to_string(b.seed);
  if (a.teacher != b.teacher) return b.teacher.model.empty() ? "no teacher" : "learn from " + last_part(b.teacher.model);
  return "change the training plan";
}

TrainCommand train_command(const TrainPlan& plan) {
  const auto& all = recipes();
  const auto found = std::find_if(all.begin(), all.end(), [&](const RecipeInfo& info) { return info.name == plan.recipe; });
  if (found != all.end()) {
    TrainPlan alike = found->plan;
    alike.tokens = plan.tokens;
    alike.seed = plan.seed;
    if (settle(alike).plan == plan) {
      std::string text = "headroom train --recipe " + plan.recipe;
      if (plan.tokens != found->plan.tokens) text += " --tokens " + std::to_string(plan.tokens);
      if (plan.seed != found->plan.seed) text += " --seed " + std::to_string(plan.seed);
      return {text + " --out " + plan.recipe, false};
    }
  }
  return {"headroom train --config plan.json --out trained", true};
}

}  // namespace headroom
