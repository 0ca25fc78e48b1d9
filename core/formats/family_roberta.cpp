#include "core/formats/bert_block.h"

namespace headroom {
namespace {

void read(const ConfigReader& reader, const Family&, ModelConfig& config) {
  read_bert_shape(reader, config);
  ModelShape& shape = config.shape;
  // The first token stands at padding_idx + 1.
  config.skipped_positions = reader.integer("pad_token_id", {0, ConfigReader::kVocabulary.high}, 1) + 1;
  if (shape.max_positions <= config.skipped_positions)
    reader.fail("max_position_embeddings is " + std::to_string(shape.max_positions) + ", but RoBERTa's positions begin at " +
                std::to_string(config.skipped_positions));
  shape.max_positions -= config.skipped_positions;
  config.mlp = reader.activation("hidden_act", "gelu");
}

/// The head's own activation is gelu whatever hidden_act says; here one name stands for both.
void settle(const Family::HasTensor& has, ModelConfig& config) {
  settle_bert_head(has("lm_head.dense.weight"), config);
  if (config.predicts && config.mlp != MlpKind::kGelu) settle_bert_head(false, config);
}

std::string problem(const ModelConfig& config) {
  if (config.predicts && config.mlp != MlpKind::kGelu) return "RoBERTa's head has GELU, and so must have its MLPs here";
  if (config.skipped_positions < 1) return "RoBERTa's positions begin after its padding's";
  return find_bert_problem(config, "RoBERTa");
}

std::vector<ConfigMember> write(const ModelConfig& config, const SpecialIds& ids) {
  std::vector<ConfigMember> members = write_bert_shape(config, ids);
  members.push_back({"pad_token_id", json_of(config.skipped_positions - 1)});
  return members;
}

std::vector<TensorSlot> slots(ModelParams& params) {
  return bert_slots(params, {.dense = "lm_head.dense", .norm = "lm_head.layer_norm", .output = "lm_head"});
}

Family family(const char* model_type, const char* architecture, const char* headless) {
  return {.model_type = model_type,
          .architecture = architecture,
          .headless = headless,
          .prefix = "roberta.",
          .layer_prefixes = {"encoder.layer."},
          .ignored = {"embeddings.position_ids", "embeddings.token_type_ids", "lm_head.bias", "lm_head.decoder.bias",
                      "lm_head.decoder.weight"},
          .read = read,
          .settle = settle,
          .problem = problem,
          .write = write,
          .slots = slots};
}

}  // namespace

std::vector<Family> roberta_families() {
  return {family("roberta", "RobertaForMaskedLM", "RobertaModel"),
          family("xlm-roberta", "XLMRobertaForMaskedLM", "XLMRobertaModel")};
}

}  // namespace headroom
