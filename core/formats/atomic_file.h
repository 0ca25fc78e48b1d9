#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

namespace headroom {

/// A file written piece by piece, all or nothing: what is written lies in a temporary file beside the target, which takes its place on
/// commit; without that it is gone again. A symbolic link is followed to its target.
class AtomicFile {
 public:
  /// Errors  Error naming the path and the reason.
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;

  /// Errors  Error; the old file stays whole.
  void write(std::string_view bytes);
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headroom
