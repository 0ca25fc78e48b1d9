#include "core/formats/llama_block.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>

#include "core/attention/config.h"
#include "core/formats/file.h"

namespace headroom {
namespace {

using Type = JsonValue::Type;

MlpKind gated(MlpKind activation) {
  switch (activation) {
    case MlpKind::kGelu:
      return MlpKind::kGeGlu;
    case MlpKind::kGeluTanh:
      return MlpKind::kGeGluTanh;
    case MlpKind::kRelu:
      return MlpKind::kReGlu;
    default:
      return MlpKind::kSwiGlu;
  }
}

MlpKind read_mlp(const ConfigReader& reader, const LlamaDialect& dialect) {
  const MlpKind activation = reader.activation(dialect.activation, dialect.absent_activation);
  if (dialect.takes_gelu_as_tanh && activation == MlpKind::kGelu) return MlpKind::kGeGluTanh;
  return gated(activation);
}

std::string with(const char* name, std::int64_t value) { return std::string(name) + " (" + std::to_string(value) + ")"; }

std::int64_t read_d_head(const ConfigReader& reader, const LlamaDialect& dialect, const ModelShape& shape) {
  if (reader.set("head_dim") != nullptr) return reader.integer("head_dim", {1, kMaxDHead});
  if (dialect.absent_d_head > 0 && !reader.is_null("head_dim")) return dialect.absent_d_head;
  if (shape.d_model % shape.n_heads != 0)
    reader.fail(with("num_attention_heads", shape.n_heads) + " does not divide " + with("hidden_size", shape.d_model));
  return shape.d_model / shape.n_heads;
}

ModelShape read_shape(const ConfigReader& reader, const LlamaDialect& dialect) {
  ModelShape shape;
  shape.vocab_size = reader.integer("vocab_size", ConfigReader::kVocabulary);
  shape.d_model = reader.integer("hidden_size", ConfigReader::kWidth);
  shape.d_ff = reader.integer("intermediate_size", ConfigReader::kMlpWidth);
  shape.n_layers = reader.integer("num_hidden_layers", ConfigReader::kLayers);
  shape.n_heads = reader.integer("num_attention_heads", ConfigReader::kHeads);
  // Absent means the family's own default, null means one K/V head for each head; both as in the reference.
  const bool is_null = reader.is_null("num_key_value_heads");
  const std::int64_t absent = is_null || dialect.absent_kv_heads == 0 ? shape.n_heads : dialect.absent_kv_heads;
  shape.n_kv_heads = reader.integer("num_key_value_heads", ConfigReader::kHeads, absent);
  shape.max_positions = reader.integer("max_position_embeddings", ConfigReader::kPositions, dialect.absent_max_positions);
  shape.d_head = read_d_head(reader, dialect, shape);
  if (shape.n_heads % shape.n_kv_heads != 0)
    reader.fail(with("num_key_value_heads", shape.n_kv_heads) + " does not divide " + with("num_attention_heads", shape.n_heads));
  if (shape.d_head > kMaxDHead)
    reader.fail("hidden_size / num_attention_heads gives heads of " + std::to_string(shape.d_head) + ", but at most " +
                std::to_string(kMaxDHead) + " is supported");
  if (shape.d_head % 2 != 0)
    reader.fail("the heads have the odd size " + std::to_string(shape.d_head) + ", but rotary positions turn pairs");
  return shape;
}

float embedding_scale_of(const LlamaDialect& dialect, const ModelShape& shape) {
  return dialect.scales_embedding ? static_cast<float>(std::sqrt(static_cast<double>(shape.d_model))) : 1;
}

void read(const ConfigReader& reader, const Family& family, ModelConfig& config) {
  const LlamaDialect& dialect = llama_dialect_named(family.model_type);
  config.shape = read_shape(reader, dialect);
  config.norm_place = dialect.norm_place;
  config.mlp = read_mlp(reader, dialect);
  // Below float32's smallest normal number an epsilon is none.
  config.rms_norm_eps = reader.real("rms_norm_eps", 1e-30, 1, dialect.absent_eps);
  config.ties_embeddings = reader.flag("tie_word_embeddings", dialect.absent_tie);
  leave_out_missing_output(reader, family, config);
  const bool has_all = dialect.attention_bias == AttentionBias::kAsTold && reader.flag("attention_bias", false);
  config.has_qkv_bias = has_all || dialect.attention_bias == AttentionBias::kQkv;
  config.has_o_bias = has_all;
  if (dialect.mlp_bias == MlpBias::kNever) reader.require_flag("mlp_bias", false, "MLPs of this family have no biases");
  config.has_mlp_bias = reader.flag("mlp_bias", false);
  config.has_qk_norm = dialect.has_qk_norm;
  config.embedding_scale = embedding_scale_of(dialect, config.shape);
  config.windows = read_windows(reader, dialect.window, config.shape.n_layers);
  read_rope(reader, dialect.rope, config);
  if (dialect.read_more != nullptr) dialect.read_more(reader, config);
}

/// Of windows, which layers of the family can have which.
std::string window_problem(const ModelConfig& config, const LlamaDialect& dialect, const std::string& name) {
  std::vector<std::int64_t> windows = config.windows;
  windows.resize(static_cast<std::size_t>(config.shape.n_layers));
  const auto is_window = [](std::int64_t window) { return window > 0; };
  const auto first = std::ranges::find_if(windows, is_window);
  if (first == windows.end()) return {};
  const bool all_alike = std::ranges::all_of(windows, [&](std::int64_t window) { return window == 0 || window == *first; });
  if (dialect.window.rule == WindowRule::kNone) return name + " models have no windows";
  if (!all_alike) return name + " models have windows of one length";
  if (dialect.window.rule == WindowRule::kAll && !std::ranges::all_of(windows, is_window))
    return name + " models have a window in all layers or in none";
  return {};
}

std::string attention_problem(const ModelConfig& config, const LlamaDialect& dialect, const std::string& name) {
  const bool always = dialect.attention_bias == AttentionBias::kQkv, choice = dialect.attention_bias == AttentionBias::kAsTold;
  if ((!choice && config.has_qkv_bias != always) || config.has_o_bias != (choice && config.has_qkv_bias))
    return name + " models have other biases in their attention";
  if (config.has_qk_norm != dialect.has_qk_norm)
    return name + " models have " + (dialect.has_qk_norm ? "norms" : "no norms") + " of q and k";
  const bool has_scores = config.attention_scale || config.score_cap > 0 || config.logit_cap > 0;
  if ((has_scores && !dialect.tells_scores) || config.divides_scale_by_layer || config.logit_scale != 1)
    return name + " models have no other scale of scores and logits, and no cap";
  if (!dialect.rope.turns_part && config.rotary_share != 1) return name + " models turn all of each head";
  const bool is_long = config.rope_scaling.kind == RopeScaling::Kind::kLongRope;
  if (dialect.rope.longrope_original > 0 && config.rope_scaling.kind != RopeScaling::Kind::kNone && !is_long)
    return name + " models scale their rotary positions by longrope";
  return window_problem(config, dialect, name);
}

std::string problem(const ModelConfig& config) {
  const LlamaDialect& dialect = llama_dialect_named(config.family);
  const std::string name(config.family);
  if (config.kind != ModelKind::kCausal) return name + " models are causal language models, and this one is not";
  if (config.norm != NormKind::kRms || config.norm_place != dialect.norm_place || config.positions != PositionKind::kRotary)
    return name + " models have RMSNorm " + (dialect.norm_place == NormPlace::kAround ? "around" : "before") +
           " each sub-layer and rotary positions";
  if (config.block_order != BlockOrder::kSequential) return name + " models' MLPs read what attention added";
  const bool may_have_bias = dialect.mlp_bias == MlpBias::kAsTold;
  if (config.shape.d_ff > 0 && (!is_gated(config.mlp) || (config.has_mlp_bias && !may_have_bias)))
    return name + " models have SwiGLU MLPs" + (may_have_bias ? "" : " without biases");
  if (config.has_embedding_norm || config.has_head_transform || config.has_output_bias)
    return name + " models have no norm after the embedding, no transform before the output and no bias there";
  if (config.embedding_scale != embedding_scale_of(dialect, config.shape))
    return name + " models have " + (dialect.scales_embedding ? "embeddings times sqrt(d_model)" : "no factor on embeddings");
  return attention_problem(config, dialect, name);
}

std::vector<ConfigMember> write(const ModelConfig& config, const SpecialIds& ids) {
  const LlamaDialect& dialect = llama_dialect_named(config.family);
  const ModelShape& shape = config.shape;
  const bool is_tanh = config.mlp == MlpKind::kGeGluTanh;
  std::vector<ConfigMember> members = {
      {"vocab_size", json_of(shape.vocab_size)},
      {"hidden_size", json_of(shape.d_model)},
      {"intermediate_size", json_of(shape.d_ff)},
      {"num_hidden_layers", json_of(shape.n_layers)},
      {"num_attention_heads", json_of(shape.n_heads)},
      {"num_key_value_heads", json_of(shape.n_kv_heads)},
      {"head_dim", json_of(shape.d_head)},
      {dialect.activation, json_of(is_tanh ? "gelu_pytorch_tanh" : activation_name(config.mlp))},
      {"max_position_embeddings", json_of(shape.max_positions)},
      {"rms_norm_eps", json_of(config.rms_norm_eps)},
  };
  std::ranges::move(rope_members(dialect.rope, config), std::back_inserter(members));
  const std::vector<ConfigMember> more = {
      {"tie_word_embeddings", json_of(config.ties_embeddings)},
      {"attention_dropout", "0.0"},
      {"bos_token_id", json_of_id(ids.bos)},
      {"eos_token_id", json_of_id(ids.eos)},
      {"pad_token_id", json_of_id(ids.pad)},
  };
  members.insert(members.end(), more.begin(), more.end());
  if (dialect.attention_bias == AttentionBias::kAsTold) members.push_back({"attention_bias", json_of(config.has_qkv_bias)});
  if (config.has_mlp_bias) members.push_back({"mlp_bias", json_of(true)});
  if (dialect.write_more != nullptr) dialect.write_more(config, members);
  return members;
}

Family llama_family(const LlamaDialect& dialect) {
  return {.model_type = dialect.model_type,
          .architecture = dialect.architecture,
          .headless = dialect.headless,
          .prefix = "model.",
          .layer_prefixes = {"layers."},
          .ignored = {"rotary_emb.inv_freq"},
          .read = read,
          .problem = problem,
          .write = write,
          .slots = llama_slots};
}

const std::vector<LlamaDialect>& dialects() {
  static const std::vector<LlamaDialect> all = [] {
    std::vector<LlamaDialect> list = plain_llama_dialects();
    std::ranges::move(gemma_dialects(), std::back_inserter(list));
    std::ranges::move(phi_dialects(), std::back_inserter(list));
    return list;
  }();
  return all;
}

}  // namespace

const LlamaDialect& llama_dialect_named(std::string_view model_type) {
  const auto found =
      std::ranges::find(dialects(), model_type, [](const LlamaDialect& dialect) { return std::string_view(dialect.model_type); });
  return found == dialects().end() ? dialects().front() : *found;
}

std::vector<Family> llama_families() {
  std::vector<Family> families;
  for (const LlamaDialect& dialect : dialects())
    families.push_back(llama_family(dialect));
  return families;
}

}  // namespace headroom
