#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace headroom {

struct DirectoryEntry {
  std::string name;  ///< UTF-8 as the file system spells it
  bool is_folder = false;
  bool is_model = false;  ///< a folder that holds a config.json
};

struct Listing {
  std::filesystem::path folder;
  std::vector<DirectoryEntry> entries;  ///< folders first, each part by name
  std::string problem;                  ///< one sentence when it could not be read
};

/// Lists folders on a thread of its own, so that a slow disk never holds a frame. The newest request wins.
class DirectoryReader {
 public:
  DirectoryReader() = default;
  ~DirectoryReader();
  DirectoryReader(const DirectoryReader&) = delete;

  void request(std::filesystem::path folder);
  bool is_busy() const;
  std::optional<Listing> take();

 private:
  void run(std::stop_token stop);

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<std::filesystem::path> wanted_;
  std::optional<Listing> done_;
  bool is_reading_ = false;
  std::jthread thread_;  // started by the first request
};

/// The listing of one folder, without a thread. At most kMaxEntries; hidden files are left out.
Listing list_directory(const std::filesystem::path& folder);
inline constexpr std::size_t kMaxEntries = 5000;

}  // namespace headroom
