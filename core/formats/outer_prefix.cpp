#include "core/formats/outer_prefix.h"

#include <string_view>

#include "core/formats/family.h"
#include "core/formats/model_config.h"

namespace headroom {

std::string outer_prefix(const WeightFiles& files, const ModelConfig& config) {
  const Family& family = family_named(config.family);
  ModelParams one_layer;
  one_layer.config = config;
  one_layer.config.shape.n_layers = 1;
  const std::string embedding = tensor_slots(one_layer).front().name;
  if (files.find(embedding) || files.find(family.prefix + embedding)) return "";
  std::string outer;
  int n_found = 0;
  for (const StoredTensor& tensor : files.tensors()) {
    const std::string& name = tensor.entry->name;
    if (!name.ends_with("." + embedding)) continue;
    outer = name.substr(0, name.size() - embedding.size());
    if (outer.ends_with(family.prefix)) outer.resize(outer.size() - std::string_view(family.prefix).size());
    ++n_found;
  }
  return n_found == 1 ? outer : "";
}

}  // namespace headroom
