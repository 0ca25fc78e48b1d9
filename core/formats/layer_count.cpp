#include "core/formats/layer_count.h"

#include <charconv>
#include <set>
#include <string_view>

#include "core/formats/config_reader.h"
#include "core/formats/family.h"
#include "core/formats/outer_prefix.h"

namespace headroom {
namespace {

/// "model.layers.12.mlp.up_proj.weight" -> 12 for the prefix "layers."; -1 where the name is of no layer.
std::int64_t layer_of_name(std::string_view name, std::string_view layers) {
  std::size_t at = name.find(layers);
  if (at == std::string_view::npos || (at > 0 && name[at - 1] != '.')) return -1;
  at += layers.size();
  std::int64_t layer = -1;
  const auto [end, error] = std::from_chars(name.data() + at, name.data() + name.size(), layer);
  return error == std::errc() && end != name.data() + name.size() && *end == '.' ? layer : -1;
}

}  // namespace

std::string settle_layers(const WeightFiles& files, ModelConfig& config) {
  const Family& family = family_named(config.family);
  if (config.kind == ModelKind::kEncoderDecoder || family.layer_prefixes.size() != 1) return {};
  std::set<std::int64_t> found;
  const std::string outer = outer_prefix(files, config);  // what else the files hold may have layers too
  for (const StoredTensor& tensor : files.tensors()) {
    if (!tensor.entry->name.starts_with(outer)) continue;
    const std::int64_t layer = layer_of_name(tensor.entry->name, family.layer_prefixes.front());
    if (layer >= 0) found.insert(layer);
  }
  const std::int64_t n = std::ssize(found), told = config.shape.n_layers;
  if (n == 0 || n == told || n > ConfigReader::kLayers.high || *found.rbegin() != n - 1) return {};
  if (!config.windows.empty() && n > std::ssize(config.windows)) return {};
  if (!config.windows.empty()) config.windows.resize(static_cast<std::size_t>(n));
  config.shape.n_layers = n;
  config.predicts = false;
  std::string sentence = "config.json says ";
  sentence += std::to_string(told);
  sentence += " layers, but the file holds ";
  sentence += std::to_string(n);
  sentence += ": those are shown, and what the whole model would predict is not known.";
  return sentence;
}

}  // namespace headroom
