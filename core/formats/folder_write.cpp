#include "core/formats/folder_write.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <system_error>

#include "core/formats/file.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxTemporaryNames = 1000;

/// A descriptor, closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

/// The new folder under a name of its own; gone again unless it got its right one.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const fs::path& parent) {
    static std::atomic<unsigned> counter{0};
    for (int i = 0; i < kMaxTemporaryNames; ++i) {
      path_ = parent / (".headroom-" + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".tmp");
      if (::mkdir(path_.c_str(), 0777) == 0) return;
      error_ = errno;
      if (error_ != EEXIST) break;
    }
    path_.clear();
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const fs::path& path() const { return path_; }
  int error() const { return path_.empty() ? error_ : 0; }
  /// It is what it was to become.
  void release() { path_.clear(); }

 private:
  fs::path path_;
  int error_ = 0;
};

/// 0 or an errno.
int write_new_file(const fs::path& path, std::string_view bytes) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (file.get() < 0) return errno;
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return ENOSPC;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  while (::fsync(file.get()) != 0)
    if (errno != EINTR) return errno;
  return 0;
}

/// Names reach the disk with their folder. Some file systems cannot sync one; its files are whole anyway.
void sync_directory(const fs::path& path) {
  const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());
}

/// Both folders change their names at one moment where the file system can do so; else the old one steps aside first. 0 or an errno.
int exchange(const fs::path& fresh, const fs::path& old) {
#ifdef RENAME_EXCHANGE
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, old.c_str(), RENAME_EXCHANGE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
#endif
  const fs::path aside = fresh.native() + ".old";
  if (::rename(old.c_str(), aside.c_str()) != 0) return errno;
  if (::rename(fresh.c_str(), old.c_str()) != 0) {
    const int error = errno;
    ::rename(aside.c_str(), old.c_str());
    return error;
  }
  ::rename(aside.c_str(), fresh.c_str());
  return 0;
}

}  // namespace

namespace {

/// "models/name/" without its end.
fs::path without_slash(const fs::path& folder) {
  fs::path target = folder.has_filename() ? folder : folder.parent_path();
  if (target.empty()) throw Error("the folder to write has an empty name");
  return target;
}

fs::path parent_of(const fs::path& target) { return target.has_parent_path() ? target.parent_path() : fs::path("."); }

void check_written(const fs::path& folder, int error) {
  if (error != 0) throw Error(shown_path(folder) + ": cannot be written: " + errno_text(error));
}

enum class Target { kNew, kReplaced };
/// Makes missing parents.
Target check_target(const fs::path& folder, const fs::path& target, const std::function<bool(const fs::path&)>& may_replace) {
  std::error_code error;
  fs::create_directories(parent_of(target), error);
  check_written(folder, error.value());
  if (!fs::exists(fs::symlink_status(target, error))) return Target::kNew;
  if (!fs::is_directory(fs::symlink_status(target, error)))
    throw Error(shown_path(folder) + ": cannot be written: it is there already and is no folder");
  if (!fs::is_empty(target, error) && !may_replace(target))
    throw Error(shown_path(folder) + ": is a folder that holds other files, which are not replaced: choose another name");
  check_written(folder, error.value());
  return Target::kReplaced;
}

}  // namespace

void check_folder_to_write(const fs::path& folder, const std::function<bool(const fs::path&)>& may_replace) {
  const fs::path target = without_slash(folder);
  check_target(folder, target, may_replace);
  check_written(folder, TemporaryDirectory(parent_of(target)).error());
}

void write_folder_atomically(const fs::path& folder, std::span<const WrittenFile> files,
                             const std::function<bool(const fs::path&)>& may_replace) {
  const auto check = [&](int error) { check_written(folder, error); };
  const fs::path target = without_slash(folder), parent = parent_of(target);
  const Target kind = check_target(folder, target, may_replace);
  TemporaryDirectory temporary(parent);
  check(temporary.error());
  for (const WrittenFile& file : files)
    check(write_new_file(temporary.path() / file.name, file.bytes));
  sync_directory(temporary.path());
  if (kind == Target::kReplaced) {
    check(exchange(temporary.path(), target));  // what is temporary now is the old folder, which goes
  } else {
    if (::rename(temporary.path().c_str(), target.c_str()) != 0) check(errno);
    temporary.release();
  }
  sync_directory(parent);
}

}  // namespace headroom
