#pragma once

#include <string>
#include <vector>

#include "core/formats/family.h"
#include "core/formats/slot_list.h"

namespace headroom {

// What BERT and its descendants share: RoBERTa is the same block with other positions and another head.

/// The numbers of config.json under BERT's names, and set_bert_form.
void read_bert_shape(const ConfigReader& reader, ModelConfig& config);
/// LayerNorm after each sub-layer, learned positions, biases everywhere, a masked-word head.
void set_bert_form(ModelConfig& config);
/// A file without the masked-word head predicts nothing.
void settle_bert_head(bool has_head, ModelConfig& config);
/// One sentence on why no model of that name is such a one; empty when it is.
std::string find_bert_problem(const ModelConfig& config, const std::string& name);
std::vector<ConfigMember> write_bert_shape(const ModelConfig& config, const SpecialIds& ids);
/// What the tensors of a head for hidden words are called.
struct BertHeadNames {
  std::string dense, norm;  ///< "cls.predictions.transform.dense", of its weight and bias
  std::string output;       ///< "cls.predictions": before ".bias", ".decoder.bias" and ".decoder.weight"
};
/// Every tensor of the model, the head's where it predicts.
std::vector<TensorSlot> bert_slots(ModelParams& params, const BertHeadNames& head);

}  // namespace headroom
