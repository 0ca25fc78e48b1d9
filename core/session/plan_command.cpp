#include "core/session/plan_command.h"

#include <string_view>

#include "core/session/cards.h"

namespace headroom {
namespace {

/// As a POSIX shell reads it back: between single quotes where it must be.
std::string for_shell(const std::string& text) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./";
  if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
  std::string quoted = "'";
  for (const char c : text)
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string card_argument(const CostPlan& plan, const Compute& compute) {
  if (plan.card.starts_with(kLibraryPrefix)) return plan.card.substr(std::string_view(kLibraryPrefix).size());
  if (plan.card.starts_with('{')) return "";
  if (!plan.card.empty()) return plan.card;
  return compute.model_source == ModelSource::kCapture ? "" : compute.model;
}

}  // namespace

std::string plan_command(const CostPlan& plan, const Compute& compute) {
  const std::string card = card_argument(plan, compute);
  if (card.empty()) return "";
  std::string text = "headroom cost --model-card " + for_shell(card);
  const auto add = [&](const char* option, const std::string& value) {
    text += std::string(" --") + option + " " + for_shell(value);
  };
  add("context", std::to_string(plan.context));
  add("batch", std::to_string(plan.batch));
  add("dtype", kv_type_name(plan.weights));
  add("kv-dtype", kv_type_name(plan.kv));
  add("device", plan.device);
  if (plan.tensor_parallel > 1) add("tensor-parallel", std::to_string(plan.tensor_parallel));
  if (plan.n_kv_heads > 0) add("kv-heads", std::to_string(plan.n_kv_heads));
  if (plan.window > 0) add("window", std::to_string(plan.window));
  if (plan.page_rows > 0) add("page", std::to_string(plan.page_rows));
  return text;
}

}  // namespace headroom
