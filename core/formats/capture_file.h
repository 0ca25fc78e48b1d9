#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/numeric_array.h"

namespace headroom {

/// The arrays of a *.safetensors, *.npz or *.npy file, whatever they mean. Nothing of their values is read yet.
struct CaptureFile {
  std::filesystem::path path;
  enum class Format { kSafetensors, kNpz, kNpy } format = Format::kSafetensors;
  std::uint64_t bytes = 0;
  std::vector<NumericArray> arrays;  ///< in the file's order
  /// Arrays of texts (.npz alone), row-major, with their shapes.
  struct Texts {
    std::vector<std::int64_t> shape;
    std::vector<std::string> values;
  };
  std::map<std::string, Texts> texts;
  std::map<std::string, std::string>
      metadata;                      ///< of safetensors; of .npz each array of one text; and "tokens" of NAME.tokens.json beside it
  std::vector<std::string> notices;  ///< arrays that are not read, and why; one sentence each

  const NumericArray* find(std::string_view name) const;
};

/// Opened by what it begins with, whatever it is called.
/// Errors  Error naming the file: what it is instead (a pickle, with how to convert it), or what is wrong with it.
CaptureFile open_capture_file(const std::filesystem::path& path);

/// Whether a name ends as a file does that may be a capture: .safetensors, .npz or .npy, or what is told why it is none: .pt, .pth, .pkl.
bool has_capture_ending(const std::filesystem::path& path);

}  // namespace headroom
