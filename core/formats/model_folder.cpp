#include "core/formats/model_folder.h"

#include <algorithm>
#include <new>

#include "core/formats/utf8.h"
#include "core/formats/weights_plan.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// The folder's tokenizer; where it cannot be read, one that takes ids, so that the model can still be looked at.
std::unique_ptr<Tokenizer> read_tokenizer(const LoadedModel& model, std::vector<std::string>& notices) {
  try {
    auto tokenizer = load_folder_tokenizer(model.folder);
    const auto& more = tokenizer->load_notices();
    notices.insert(notices.end(), more.begin(), more.end());
    return tokenizer;
  } catch (const Error& error) {
    notices.push_back(
        "The text must be token ids, e.g. \"5 12 7\", because the tokenizer cannot be read: " + std::string(error.what()) + ".");
    return make_ids_tokenizer(model.params.config.shape.vocab_size);
  }
}

/// Embedding rows and token ids must agree, or the first unusual word would fail.
void compare_vocabularies(const LoadedModel& model, std::vector<std::string>& notices) {
  const std::int64_t rows = model.params.config.shape.vocab_size;
  if (model.tokenizer->vocab_size() > rows)
    notices.push_back("The tokenizer has ids up to " + std::to_string(model.tokenizer->vocab_size() - 1) +
                      ", but the embedding has only " + counted(static_cast<std::uint64_t>(rows), "row") +
                      ": such tokens cannot be read.");
}

}  // namespace

LoadedModel load_model_folder(const std::filesystem::path& folder, const std::function<void(double)>& progress,
                              std::stop_token stop) {
  const auto check_stop = [&] {
    if (stop.stop_requested()) throw Cancelled();
  };
  LoadedModel model;
  model.folder = folder;
  check_stop();
  ConfigReading reading = read_model_config_with_notices(folder / "config.json");
  model.params.config = std::move(reading.config);
  model.notices = std::move(reading.notices);
  try {
    model.tokenizer = read_tokenizer(model, model.notices);
    compare_vocabularies(model, model.notices);
    give_back_free_memory();  // a tokenizer's JSON takes several times what is kept of it

    const WeightFiles files(folder);
    const WeightsPlan plan = plan_weights(files, model.params, reading.part);
    model.notices.insert(model.notices.end(), plan.notices.begin(), plan.notices.end());
    const std::uint64_t needed = plan.memory_bytes + pass_memory(model.params.config);
    if (const std::uint64_t free = available_memory(); free > 0 && needed > free)
      throw Error(shown_path(files.path()) + ": the parameters and a first pass need " + counted(needed, "byte") +
                  " of memory, but only " + with_thousands(free) + " are free");

    std::uint64_t bytes_done = 0, n_non_finite = 0;
    std::string first_non_finite;
    const ReadWatch watch{[&](std::uint64_t n_bytes) {
                            bytes_done += n_bytes;
                            if (progress) progress(static_cast<double>(bytes_done) / static_cast<double>(plan.file_bytes));
                          },
                          stop};
    for (const SlotReading& step : plan.steps) {
      const std::uint64_t n = read_slot(step, watch);
      if (n > 0 && n_non_finite == 0) first_non_finite = step.entry->name;
      n_non_finite += n;
    }
    check_stop();
    files.check_unchanged();
    if (n_non_finite > 0)
      model.notices.push_back(counted(n_non_finite, "parameter") + (n_non_finite == 1 ? " is" : " are") +
                              " NaN or infinite, first in " + escape_for_display(first_non_finite, 120) + ".");
  } catch (const std::bad_alloc&) {
    throw Error(shown_path(folder) + ": the model needs more memory than there is");
  }
  const ModelShape& shape = model.params.config.shape;
  for (auto* layers : {&model.params.layers, &model.params.encoder_layers})
    for (LayerParams& layer : *layers)
      set_unpruned(layer, shape.n_heads, shape.n_kv_heads);
  give_back_free_memory();  // the room of pieces
  if (progress) progress(1);
  return model;
}

}  // namespace headroom
