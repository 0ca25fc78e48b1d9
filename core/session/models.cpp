#include "core/session/models.h"

#include <algorithm>
#include <cmath>

#include "core/cost/kv_cache.h"
#include "core/formats/file.h"
#include "core/formats/layer_count.h"
#include "core/formats/model_config.h"
#include "core/formats/shards.h"
#include "core/model/surgery.h"
#include "core/session/validity.h"
#include "core/tensor/error.h"
#include "core/tensor/memory.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;

/// Models that stay in memory: the one shown and the one before it.
constexpr std::size_t kKept = 2;

/// Name of the first dimension in which a folder differs from what the Session was made for, as a sentence's middle.
std::string shape_difference(const ModelShape& asked, const ModelShape& found) {
  struct Pair {
    const char* name;
    std::int64_t asked, found;
  };
  const Pair pairs[] = {{"n_layers", asked.n_layers, found.n_layers},
                        {"d_model", asked.d_model, found.d_model},
                        {"h", asked.n_heads, found.n_heads},
                        {"kv_heads", asked.n_kv_heads, found.n_kv_heads},
                        {"d_k", asked.d_head, found.d_head},
                        {"d_ff", asked.d_ff, found.d_ff},
                        {"vocab_size", asked.vocab_size, found.vocab_size},
                        {"max_positions", asked.max_positions, found.max_positions}};
  for (const Pair& pair : pairs) {
    if (pair.asked != pair.found) {
      return std::string(pair.name) + " = " + std::to_string(pair.found) + ", not " + std::to_string(pair.asked);
    }
  }
  return "another form";
}

/// Of an encoder-decoder the encoder's heads.
ModelParams prune(const ModelParams& params, std::span<const HeadRef> heads) {
  if (params.config.kind != ModelKind::kEncoderDecoder) return prune_heads(params, heads);
  ModelParams encoder;
  encoder.config = params.config;
  encoder.config.shape.n_layers = params.config.n_encoder_layers;
  encoder.layers = params.encoder_layers;
  ModelParams whole = params;
  whole.encoder_layers = std::move(prune_heads(encoder, heads).layers);
  return whole;
}

std::int64_t lab_bytes(const ModelConfig& config) {
  const ModelShape& s = config.shape;
  const std::int64_t attention = 2 * s.d_model * s.d_head * (s.n_heads + s.n_kv_heads);
  const std::int64_t layer = attention + (is_gated(config.mlp) ? 3 : 2) * s.d_model * s.d_ff;
  const std::int64_t tables = (config.ties_embeddings ? 1 : 2) * s.vocab_size * s.d_model;
  return 4 * (s.n_layers * layer + tables);
}

}  // namespace

ModelConfig lab_config(const ModelConfig& trained, const Compute& compute) {
  ModelConfig config = trained;
  ModelShape& shape = config.shape;
  shape.d_model = compute.d_model;
  shape.n_heads = compute.n_heads;
  shape.n_kv_heads = compute.n_kv_heads;
  shape.d_head = compute.d_model / compute.n_heads;
  // Factors that belong to the trained width: of each pair that turns, of the embedding, of the output.
  if (config.rope_scaling.kind == RopeScaling::Kind::kLongRope) config.rope_scaling = {};
  const float root = std::sqrt(static_cast<float>(compute.d_model));
  if (config.embedding_scale != 1) config.embedding_scale = root;
  if (config.logit_scale != 1) config.logit_scale = 1 / root;
  if (shape.d_ff == 0) return config;
  // A gated MLP's usual width, 8/3 of the model's (Shazeer 2020, arXiv:2002.05202), in whole eights; others' 4 times.
  shape.d_ff = is_gated(config.mlp) ? std::max<std::int64_t>(8, 8 * std::llround(static_cast<double>(compute.d_model) / 3.0))
                                    : 4 * compute.d_model;
  return config;
}

void check_lab_memory(const ModelConfig& config, std::int64_t machine) {
  const std::int64_t needed = lab_bytes(config);
  if (needed <= machine / 2) return;
  throw Error("Random parameters with d_model = " + std::to_string(config.shape.d_model) + " and " +
              std::to_string(config.shape.n_layers) + " layers take " + bytes_text(needed) + ", more than half of this machine's " +
              bytes_text(machine) + ": choose a smaller d_model.");
}

ModelStore::Stamp ModelStore::stamp_of(const fs::path& folder) {
  Stamp stamp{folder, {}};
  std::vector<std::string> names = weight_file_names(folder);
  if (names.empty()) return stamp;
  names.insert(names.end(), {"config.json", "tokenizer.json"});
  for (const std::string& name : names) {
    std::error_code size_error, time_error;
    const std::uintmax_t size = fs::file_size(folder / name, size_error);
    const auto time = fs::last_write_time(folder / name, time_error);
    if (size_error || time_error) {
      if (name == "tokenizer.json") continue;  // a model can be looked at without
      return {folder, {}};
    }
    stamp.files.emplace_back(size, static_cast<std::int64_t>(time.time_since_epoch().count()));
  }
  return stamp;
}

fs::path ModelStore::folder_of(const Compute& compute) const {
  if (compute.model_source == ModelSource::kFolder) return fs::path(compute.model);
  const fs::path name(compute.model);
  if (name.empty() || name.filename() != name || name == "." || name == "..") {
    throw Error("\"" + escape_for_display(compute.model, 100) + "\" is not the name of a bundled model.");
  }
  const fs::path folder = assets_ / "models" / name;
  std::error_code ignored;
  const bool is_loaded = std::any_of(loaded_.begin(), loaded_.end(), [&](const Loaded& l) { return l.stamp.folder == folder; });
  if (!is_loaded && !fs::exists(folder / "config.json", ignored)) {
    std::string names;
    for (const BundledModel& model : list_bundled_models(assets_))
      names += (names.empty() ? "" : ", ") + model.name;
    throw Error("There is no bundled model \"" + escape_for_display(compute.model, 100) + "\" in " +
                escape_for_display((assets_ / "models").string(), 200) + (names.empty() ? "." : "; there are " + names + "."));
  }
  return folder;
}

const ModelStore::Loaded& ModelStore::load(const fs::path& folder, std::vector<std::string>& notices, std::stop_token stop,
                                           const std::function<void(const std::string&, double)>& progress) {
  const Stamp stamp = stamp_of(folder);
  const auto it = std::find_if(loaded_.begin(), loaded_.end(), [&](const Loaded& l) { return l.stamp.folder == folder; });
  if (it != loaded_.end() && stamp.files.empty()) {
    notices.push_back("The model's files in " + escape_for_display(folder.string(), 200) +
                      " are no longer there: this is the copy in memory, which will be gone when the program closes.");
    return *it;
  }
  if (it != loaded_.end() && it->stamp == stamp) {
    std::rotate(it, it + 1, loaded_.end());
    return loaded_.back();
  }
  const bool is_again = it != loaded_.end();
  // The one before the last goes first: of three large models not all need to fit at once. The last stays, should this one fail.
  if (!is_again && loaded_.size() == kKept) loaded_.erase(loaded_.begin());
  LoadedModel model = load_model_folder(
      folder, [&](double share) { progress("reading the model", share); }, stop);
  const TrainedShape shape(model.params.config);
  GenerationIds write_ids = read_generation_ids(folder, shape.vocab_size);
  ++counters_.models_loaded;
  if (is_again) loaded_.erase(it);
  loaded_.push_back({stamp, std::make_shared<const LoadedModel>(std::move(model)), shape, std::move(write_ids), ++last_id_});
  return loaded_.back();
}

std::shared_ptr<const ModelParams> ModelStore::make(const std::shared_ptr<const LoadedModel>& loaded, const Compute& compute,
                                                    DrawnLayers layers) {
  const ModelShape& trained = loaded->params.config.shape;
  if (compute.parameters == ParameterSource::kLab) {
    const ModelConfig config = lab_config(loaded->params.config, compute);
    check_lab_memory(config, machine_bytes());
    ++counters_.surgeries;
    return std::make_shared<const ModelParams>(make_random_params(config, compute.lab_seed, layers));
  }
  std::shared_ptr<const ModelParams> params(loaded, &loaded->params);
  if (compute.n_heads != trained.n_heads) {
    ++counters_.surgeries;
    params = std::make_shared<const ModelParams>(slice_heads(*params, compute.n_heads));
  }
  if (compute.n_kv_heads != params->config.shape.n_kv_heads) {
    ++counters_.surgeries;
    params = std::make_shared<const ModelParams>(pool_kv_heads(*params, compute.n_kv_heads));
  }
  return params;
}

PreparedModel ModelStore::open(const Compute& compute, std::stop_token stop,
                               const std::function<void(const std::string&, double)>& progress) {
  PreparedModel opened;
  const fs::path folder = folder_of(compute);
  const Loaded& entry = load(folder, opened.notices, stop, progress);
  opened.loaded = entry.model;
  opened.loaded_id = entry.id;
  opened.write_ids = entry.write_ids;
  const LoadedModel& loaded = *opened.loaded;
  opened.notices.insert(opened.notices.end(), loaded.notices.begin(), loaded.notices.end());
  TrainedShape asked = compute.trained;
  asked.reads_pairs = entry.shape.reads_pairs;  // says nothing of the parameters
  if (entry.shape != asked) {
    throw Error("The model in " + escape_for_display(folder.string(), 200) + " has " +
                shape_difference(compute.trained, entry.shape) + " as this session was made for: open the model again.");
  }
  return opened;
}

void ModelStore::shape(PreparedModel& model, const Compute& compute, DrawnLayers layers) {
  // Trained parameters are there already; only the lab's are drawn.
  if (compute.parameters != ParameterSource::kLab) layers = DrawnLayers::kAll;
  // What the shape depends on, with all else at its default.
  Compute key;
  key.parameters = compute.parameters;
  key.n_heads = compute.n_heads;
  key.n_kv_heads = compute.n_kv_heads;
  key.d_model = compute.d_model;
  key.lab_seed = compute.parameters == ParameterSource::kLab ? compute.lab_seed : 0;
  const bool has_layers = shaped_.layers == DrawnLayers::kAll || layers == DrawnLayers::kFirst;
  if (shaped_.from != model.loaded_id || shaped_.of != key || !has_layers) {
    shaped_ = {};  // before the new one is made: two large models need not fit at once
    pruned_ = {};
    shaped_ = {model.loaded_id, key, make(model.loaded, compute, layers), ++last_id_, layers};
  }
  model.unpruned = shaped_.params;
  model.params = shaped_.params;
  model.params_id = shaped_.id;
  if (compute.pruned.empty()) return;
  key.pruned = compute.pruned;
  if (pruned_.from != shaped_.id || pruned_.of != key) {
    pruned_ = {};
    ++counters_.surgeries;
    pruned_ = {shaped_.id, key, std::make_shared<const ModelParams>(prune(*shaped_.params, compute.pruned)), ++last_id_,
               shaped_.layers};
  }
  model.params = pruned_.params;
  model.params_id = pruned_.id;
}

PreparedModel ModelStore::prepare(const Compute& compute, std::stop_token stop,
                                  const std::function<void(const std::string&, double)>& progress) {
  PreparedModel prepared = open(compute, stop, progress);
  shape(prepared, compute, DrawnLayers::kAll);
  return prepared;
}

TrainedShape::TrainedShape(const ModelConfig& config)
    : ModelShape(config.shape),
      kind(config.kind),
      positions(config.positions),
      n_encoder_layers(config.n_encoder_layers),
      reads_pairs(config.kind == ModelKind::kMasked) {}

TrainedShape read_model_shape(const fs::path& folder) {
  ConfigReading reading = read_model_config_with_notices(folder / "config.json");
  ModelConfig& config = reading.config;
  try {
    if (reading.part == ModelPart::kWhole) settle_layers(WeightFiles(folder), config);
  } catch (const Error&) {
    // What is wrong with the files is told when they are read.
  }
  return TrainedShape(config);
}

std::vector<BundledModel> list_bundled_models(const fs::path& assets) {
  std::vector<BundledModel> models;
  std::error_code error;
  for (fs::directory_iterator it(assets / "models", error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (!fs::exists(it->path() / "config.json", ignored)) continue;
    try {
      models.push_back({it->path().filename().string(), read_model_shape(it->path())});
    } catch (const Error&) {
      // A damaged folder is no choice; opening it by path says what is wrong.
    }
  }
  std::sort(models.begin(), models.end(), [](const BundledModel& a, const BundledModel& b) { return a.name < b.name; });
  return models;
}

}  // namespace headroom
