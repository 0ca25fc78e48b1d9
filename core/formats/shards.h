#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/formats/safetensors.h"

namespace headroom {

/// One tensor of a checkpoint, and the file that holds it.
struct StoredTensor {
  const SafetensorsFile* file = nullptr;
  const TensorEntry* entry = nullptr;

  explicit operator bool() const { return entry != nullptr; }
};

/// The tensors of one checkpoint: of model.safetensors, or of the shards that model.safetensors.index.json names. All headers are
/// checked; no value is read. Symbolic links are followed, as the Hugging Face cache needs.
///
/// Edge    Where a folder has both, the single file is taken, as transformers does, with a notice. Tensors of a shard that the index does
///         not name are left out, with a notice, and so is a total_size that does not fit.
/// Errors  Error with one sentence: a name in the index that is no bare file name (nothing outside the folder is opened), shards that are
///         missing, a tensor that is not where the index says or in two shards, what is wrong with a file; and what a folder without
///         either holds instead.
/// Source  transformers' index of shards: {"metadata": {"total_size": bytes}, "weight_map": {tensor: file name}}.
class WeightFiles {
 public:
  explicit WeightFiles(const std::filesystem::path& folder, const SafetensorsLimits& limits = {});
  // Tensors are pointed at.
  WeightFiles(WeightFiles&&) = default;
  WeightFiles& operator=(WeightFiles&&) = default;

  /// In the order of the shards and of their bytes.
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  /// Null entry when there is none.
  StoredTensor find(std::string_view name) const;
  /// model.safetensors or model.safetensors.index.json: what messages about all of it name.
  const std::filesystem::path& path() const { return path_; }
  std::size_t n_files() const { return files_.size(); }
  const SafetensorsFile& file(std::size_t i) const { return *files_[i]; }
  /// Of the tensors.
  std::uint64_t total_bytes() const { return total_bytes_; }
  /// Of all files; where they differ the first one's.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::vector<std::string>& notices() const { return notices_; }
  /// Errors  Error when one of the files is no longer what it was when opened.
  void check_unchanged() const;

 private:
  void open_single(const SafetensorsLimits& limits);
  void open_shards(const SafetensorsLimits& limits);
  void take(const SafetensorsFile& file, const TensorEntry& entry);
  void take_metadata(const SafetensorsFile& file);

  std::filesystem::path path_;
  std::vector<std::unique_ptr<const SafetensorsFile>> files_;
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
  std::map<std::string, std::string> metadata_;
  std::vector<std::string> notices_;
  std::uint64_t total_bytes_ = 0;
};

/// Names of the files that a checkpoint's parameters lie in, without opening them: what is looked at to see whether it changed.
/// {"model.safetensors"}, or the index and its shards; empty when there is neither or the index cannot be read.
std::vector<std::string> weight_file_names(const std::filesystem::path& folder);

inline constexpr std::uint64_t kMaxIndexBytes = 16u << 20;
inline constexpr std::size_t kMaxShards = 512;

}  // namespace headroom
