#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "core/formats/generation_ids.h"
#include "core/formats/model_folder.h"
#include "core/session/engine.h"

namespace headroom {

/// A model in memory and the parameters that a Compute makes of it.
struct PreparedModel {
  std::shared_ptr<const LoadedModel> loaded;
  std::shared_ptr<const ModelParams> unpruned;  ///< after slicing and pooling, or the lab's; all heads there
  std::shared_ptr<const ModelParams> params;    ///< after pruning
  GenerationIds write_ids;                      ///< what begins and ends what it writes
  std::uint64_t loaded_id = 0;                  ///< differs between any two readings of a folder
  std::uint64_t params_id = 0;                  ///< differs between any two `params`
  std::vector<std::string> notices;             ///< of the file, and of its having gone
};

/// The lab's config: the trained one with the Session's shape and a d_ff that suits its d_model.
ModelConfig lab_config(const ModelConfig& trained, const Compute& compute);

/// A random model that does not fit would not fail but drive the machine into swapping: refused before it is made.
/// Errors  Error when its parameters take more than half of `machine_bytes`.
void check_lab_memory(const ModelConfig& config, std::int64_t machine_bytes);

/// Reads folders and changes their shape, keeping the last of each step.
class ModelStore {
 public:
  ModelStore(std::filesystem::path assets, ComputerCounters& counters) : assets_(std::move(assets)), counters_(counters) {}

  /// The folder, read: `params` and `unpruned` are still to come.
  /// Errors  Error when the folder cannot be read or has another shape than compute.trained.
  PreparedModel open(const Compute& compute, std::stop_token stop, const std::function<void(const std::string&, double)>& progress);
  /// Fills in the parameters of an opened model. Of the lab's, layers after the first may be left undrawn; they are drawn when asked for.
  /// Errors  Error when the lab's parameters do not fit in memory.
  void shape(PreparedModel& model, const Compute& compute, DrawnLayers layers);
  /// Both, all layers.
  PreparedModel prepare(const Compute& compute, std::stop_token stop,
                        const std::function<void(const std::string&, double)>& progress);

 private:
  struct Stamp {
    std::filesystem::path folder;
    std::vector<std::pair<std::uintmax_t, std::int64_t>> files;  ///< size and time of each; empty: the folder is gone
    bool operator==(const Stamp&) const = default;
  };
  struct Loaded {
    Stamp stamp;
    std::shared_ptr<const LoadedModel> model;
    TrainedShape shape;
    GenerationIds write_ids;
    std::uint64_t id = 0;
  };
  static Stamp stamp_of(const std::filesystem::path& folder);
  std::filesystem::path folder_of(const Compute& compute) const;
  const Loaded& load(const std::filesystem::path& folder, std::vector<std::string>& notices, std::stop_token stop,
                     const std::function<void(const std::string&, double)>& progress);
  std::shared_ptr<const ModelParams> make(const std::shared_ptr<const LoadedModel>& loaded, const Compute& compute,
                                          DrawnLayers layers);

  std::filesystem::path assets_;
  ComputerCounters& counters_;
  std::vector<Loaded> loaded_;  ///< newest last, at most two
  // The last shape and the last pruning, with what they were made for.
  struct Made {
    std::uint64_t from = 0;  ///< id of what it was made from
    Compute of;
    std::shared_ptr<const ModelParams> params;
    std::uint64_t id = 0;
    DrawnLayers layers = DrawnLayers::kAll;
  };
  Made shaped_, pruned_;
  std::uint64_t last_id_ = 0;
};

}  // namespace headroom
