#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace headroom {

/// A tensor as a file's header describes it; no value is read.
struct ListedTensor {
  std::string name;         ///< safe to show: control characters and direction marks are escaped
  std::string dtype;        ///< "BF16"
  std::string shape;        ///< "[4096, 1024]"
  std::string group;        ///< "model.layers.3"; empty for what belongs to no layer
  std::int64_t layer = -1;  ///< 3; -1 outside layers
  std::uint64_t bytes = 0;
  std::uint64_t elements = 0;  ///< as far as 64 bits count
  std::uint32_t file = 0;      ///< index into TensorListing::files
};

/// Every tensor that lies at a path, however little of it can be run.
struct TensorListing {
  std::vector<std::string> files;  ///< names, safe to show
  std::vector<ListedTensor> tensors;
  std::uint64_t bytes = 0;
  std::string problem;  ///< the first thing that is wrong, one sentence; what could be read is listed nevertheless
  std::vector<std::string> notices;
};

/// Of a *.safetensors file, or of a folder: model.safetensors, else the shards of its index; where these are broken every *.safetensors file
/// that is sound. Reads headers only. Never throws for what lies there.
TensorListing list_tensors(const std::filesystem::path& path);

/// "17 F32, 3 I64": how many tensors of each type, the most frequent first.
std::string dtypes_text(const TensorListing& listing);

}  // namespace headroom
