#pragma once

#include <memory>
#include <string>
#include <vector>

namespace headroom::gl {

struct DeviceFacts {
  std::string vendor, renderer, version, glsl_version;
  int major = 0, minor = 0;
  bool is_software = false;  ///< llvmpipe, softpipe, swrast
  long long max_shared_bytes = 0, max_invocations = 0, max_storage_block_bytes = 0, max_texture_size = 0;
  long long max_work_groups_x = 0;
};

/// An OpenGL context without a window (EGL device, surfaceless or default display). Made current on the thread that opens it.
class OffscreenContext {
 public:
  /// Tries 4.3 core first, then (when `minimum_minor_43` is false) 3.3. Errors  Error with one sentence saying what is missing and what to install.
  enum class Need { kCompute43, kDraw33 };
  static std::unique_ptr<OffscreenContext> open(Need need);
  ~OffscreenContext();
  OffscreenContext(const OffscreenContext&) = delete;

  const DeviceFacts& facts() const { return facts_; }
  void make_current();

 private:
  OffscreenContext() = default;
  struct Handles;
  std::unique_ptr<Handles> handles_;
  DeviceFacts facts_;
};

/// Facts of whatever context is current on this thread.
DeviceFacts current_facts();

}  // namespace headroom::gl
