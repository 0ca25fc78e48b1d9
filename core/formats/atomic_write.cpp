#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <optional>
#include <system_error>

#include "core/formats/atomic_file.h"
#include "core/formats/file.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxLinks = 40;  // as the kernel counts
constexpr int kMaxTemporaryNames = 1000;

/// The temporary file beside the target: gone again unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& folder) {
    static std::atomic<unsigned> counter{0};
    for (int i = 0; i < kMaxTemporaryNames; ++i) {
      path_ = folder / (".headroom-" + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".tmp");
      descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
      if (descriptor_ >= 0 || (errno != EEXIST && errno != EINTR)) return;
    }
  }
  ~TemporaryFile() {
    const int kept = errno;
    if (descriptor_ >= 0) {
      ::close(descriptor_);
      if (!is_renamed_) ::unlink(path_.c_str());
    }
    errno = kept;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  int descriptor() const { return descriptor_; }

  /// Each step answers 0 or an errno.
  int write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno;
      if (n == 0) return ENOSPC;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return 0;
  }
  int sync() const {
    while (::fsync(descriptor_) != 0)
      if (errno != EINTR) return errno;
    return 0;
  }
  int rename_to(const fs::path& target) {
    if (::rename(path_.c_str(), target.c_str()) != 0) return errno;
    is_renamed_ = true;
    return 0;
  }

 private:
  fs::path path_;
  int descriptor_ = -1;
  bool is_renamed_ = false;
};

/// Where a chain of symbolic links ends, whether or not something is there.
fs::path follow_links(const fs::path& path) {
  fs::path target = path;
  for (int i = 0; i < kMaxLinks; ++i) {
    std::error_code error;
    const fs::path next = fs::read_symlink(target, error);
    if (error) return target;  // not a link, or not there: the writing itself says what is wrong
    target = next.is_absolute() ? next : target.parent_path() / next;
  }
  throw Error(shown_path(path) + ": cannot be written: " + errno_text(ELOOP));
}

/// The rename survives a power cut only when the folder is on disk too. Some file systems cannot sync a folder; the file is whole anyway.
void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

struct AtomicFile::State {
  fs::path shown, target, folder;
  std::optional<mode_t> old_mode;
  std::optional<TemporaryFile> temporary;

  void check(int error) const {
    if (error != 0) throw Error(shown_path(shown) + ": cannot be written: " + errno_text(error));
  }
};

AtomicFile::AtomicFile(const fs::path& path) : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.shown = path;
  if (path.empty()) throw Error("the file to write has an empty name");
  state.target = follow_links(path);
  const fs::path& target = state.target;
  if (!target.has_filename()) state.check(EISDIR);
  struct stat status {};
  if (::stat(target.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) throw Error(shown_path(path) + ": cannot be written: it is a folder");
    // A rename would replace a device or a pipe by a file.
    if (!S_ISREG(status.st_mode)) throw Error(shown_path(path) + ": cannot be written: it is not a regular file");
    state.old_mode = status.st_mode & 07777;
    // A rename needs no right on the file itself, but who made a file read-only wants it left as it is.
    if (::access(target.c_str(), W_OK) != 0) state.check(errno);
  } else if (errno != ENOENT) {
    state.check(errno);
  }
  state.folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  state.temporary.emplace(state.folder);
  if (state.temporary->descriptor() < 0) state.check(errno);
}

AtomicFile::~AtomicFile() = default;

void AtomicFile::write(std::string_view bytes) { state_->check(state_->temporary->write(bytes)); }

void AtomicFile::commit() {
  State& state = *state_;
  TemporaryFile& temporary = *state.temporary;
  if (state.old_mode && ::fchmod(temporary.descriptor(), *state.old_mode) != 0) state.check(errno);
  state.check(temporary.sync());
  state.check(temporary.rename_to(state.target));
  sync_folder(state.folder);
}

void write_file_atomically(const fs::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace headroom
