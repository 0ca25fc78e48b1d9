#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace headroom {

/// What a path is and holds, for `headroom inspect`.
struct Inspection {
  enum class Kind { kSafetensors, kModelFolder, kTokenizer, kConfig, kSession, kShardIndex, kCapture, kUnknown } kind = Kind::kUnknown;
  std::filesystem::path path;
  std::string problem;  ///< the first thing that is wrong, one sentence; empty when sound
  std::vector<std::string> notices;
  struct TensorLine {
    std::string name, dtype, shape;
    unsigned long long bytes = 0;
  };
  std::vector<TensorLine> tensors;
  std::vector<std::pair<std::string, std::string>> facts;  ///< label, value: "heads", "8"
};

/// Never throws for what the path holds; the problem is in the answer. Sessions are told apart here (by their name) but checked by core/session.
Inspection inspect_path(const std::filesystem::path& path);

}  // namespace headroom
