#include "core/formats/family.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/tensor/error.h"

namespace headroom {

std::span<const Family> families() {
  static const std::vector<Family> all = [] {
    std::vector<Family> list = llama_families();
    list.push_back(gpt2_family());
    list.push_back(gpt_neox_family());
    list.push_back(bert_family());
    for (Family& family : roberta_families())
      list.push_back(std::move(family));
    list.push_back(distilbert_family());
    list.push_back(t5_family());
    list.push_back(bart_family());
    return list;
  }();
  return all;
}

const Family& family_named(std::string_view model_type) {
  std::string known;
  for (const Family& family : families()) {
    if (family.model_type == model_type) return family;
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  throw Error("there is no family of models named \"" + std::string(model_type) + "\" (" + known + " are known)");
}

std::string find_score_problem(const ModelConfig& config, const std::string& family) {
  if (config.attention_scale || config.divides_scale_by_layer || config.score_cap > 0)
    return family + "'s scores are q·k / sqrt(d_k), with no other scale and no cap";
  if (config.has_qk_norm) return family + " has no norm of q and k";
  if (std::ranges::any_of(config.windows, [](std::int64_t window) { return window > 0; })) return family + " has no windows";
  if (config.block_order != BlockOrder::kSequential) return family + "'s MLPs read what attention added";
  if (config.embedding_scale != 1 || config.logit_scale != 1 || config.logit_cap > 0)
    return family + "'s embeddings and logits have no factor and no cap";
  return {};
}

void leave_out_missing_output(const ConfigReader& reader, const Family& family, ModelConfig& config) {
  using Type = JsonValue::Type;
  const JsonValue* classes = reader.set("architectures");
  const bool is_headless = classes != nullptr && classes->is(Type::kArray) && !classes->items.empty() &&
                           classes->items[0].is(Type::kString) && classes->items[0].string == family.headless;
  if (!is_headless || config.ties_embeddings) return;
  config.predicts = false;
  config.ties_embeddings = true;
}

const char* activation_name(MlpKind mlp) {
  switch (mlp) {
    case MlpKind::kGelu:
    case MlpKind::kGeGlu:
      return "gelu";
    case MlpKind::kGeluTanh:
    case MlpKind::kGeGluTanh:
      return "gelu_new";
    case MlpKind::kRelu:
    case MlpKind::kReGlu:
      return "relu";
    case MlpKind::kSilu:
    case MlpKind::kSwiGlu:
      return "silu";
  }
  return "";
}

std::string json_of(std::int64_t value) { return std::to_string(value); }
std::string json_of(bool value) { return value ? "true" : "false"; }
std::string json_of(float value) {
  char text[64];
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, value);
  std::string number(text, end.ptr);
  // Python's json reads 100 as an integer.
  if (number.find_first_of(".e") == std::string::npos) number += ".0";
  return number;
}
std::string json_of(const char* text) { return '"' + std::string(text) + '"'; }
std::string json_of_id(std::int64_t id) { return id < 0 ? "null" : std::to_string(id); }

}  // namespace headroom
