#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "core/session/engine.h"
#include "core/session/reduce.h"
#include "core/tensor/error.h"

namespace headroom::testing {

inline std::filesystem::path assets() { return std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets"; }

inline EngineOptions options() {
  EngineOptions options;
  options.assets = assets();
  options.n_threads = 2;
  return options;
}

/// The same models with only the first rows of the held-out text: for tests of the engine, whose loss need not take long.
std::filesystem::path small_assets();

/// The default Session after some actions.
inline Session session_after(std::initializer_list<Action> actions) {
  Session session;
  for (const Action& action : actions)
    session = reduce(session, action).session;
  return session;
}

inline Compute compute_of(std::string text) { return session_after({TextEdited{std::move(text)}}).compute; }

/// What a call fails with, or "no failure".
inline std::string failure_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no failure";
}

inline bool mentions(const std::vector<std::string>& notices, const std::string& part) {
  for (const std::string& notice : notices) {
    if (notice.find(part) != std::string::npos) return true;
  }
  return false;
}

/// A folder of its own with a copy of a bundled model, removed at the end.
class ModelCopy {
 public:
  explicit ModelCopy(const std::string& name) {
    static int n = 0;
    path_ =
        std::filesystem::path(::testing::TempDir()) / ("headroom_model_" + std::to_string(getpid()) + "_" + std::to_string(n++));
    std::filesystem::create_directories(path_);
    for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"}) {
      std::filesystem::copy_file(assets() / "models" / name / file, path_ / file);
    }
  }
  ~ModelCopy() { remove(); }
  ModelCopy(const ModelCopy&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void remove() const {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Compute compute() const {
    return session_after({ModelOpened{ModelSource::kFolder, path_.string(), read_model_shape(path_)}}).compute;
  }
  /// Puts bytes over those at `offset` of the parameters' buffer (which begins after the header and its length of 8 bytes).
  void overwrite_weights(std::uint64_t offset, const std::string& bytes) const {
    std::fstream file(path_ / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    std::uint64_t header = 0;
    for (int i = 0; i < 8; ++i)
      header |= static_cast<std::uint64_t>(file.get()) << (8 * i);
    file.seekp(static_cast<std::streamoff>(8 + header + offset));
    file << bytes;
  }

 private:
  std::filesystem::path path_;
};

/// A GPU that is the processor with a stop watch: what the choice of a backend depends on can be set.
struct FakeGpu {
  bool is_available = true;
  bool is_software = false;
  bool fails_to_open = false;
  bool fails_to_run = false;
  bool is_unsupported = false;
  int opened = 0;
  int runs = 0;
  int asked = 0;
  int layers_asked = 0;  ///< whether they are supported

  GpuProvider provider();
};

}  // namespace headroom::testing
