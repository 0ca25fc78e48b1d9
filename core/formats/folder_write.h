#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace headroom {

/// One file of a folder to write.
struct WrittenFile {
  std::string name;  ///< a bare file name
  std::string_view bytes;
};

/// Writes a folder with exactly these files, all or nothing: a temporary folder beside it, each file and both folders synced, one rename.
/// An existing folder is exchanged for the new one and then removed, when may_replace says so of it; an empty one always is. Missing
/// parents are made.
/// Errors  Error naming the path and the reason; then nothing is left behind and an old folder stays whole.
void write_folder_atomically(const std::filesystem::path& folder, std::span<const WrittenFile> files,
                             const std::function<bool(const std::filesystem::path&)>& may_replace);

/// Whether such a folder could be written now: the same sentences, before the work whose result it is to hold. Missing parents are made.
void check_folder_to_write(const std::filesystem::path& folder,
                           const std::function<bool(const std::filesystem::path&)>& may_replace);

}  // namespace headroom
