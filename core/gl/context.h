#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace headroom::gl {

struct DeviceFacts {
  std::string vendor, renderer, version, glsl_version;
  int major = 0, minor = 0;
  bool is_software = false;  ///< llvmpipe, softpipe, swrast
  /// Bytes, counts and pixels as the driver states them, 2^31 - 1 where it states more; 0 where its version has no such limit.
  std::int64_t max_shared_bytes = 0, max_invocations = 0, max_storage_block_bytes = 0, max_texture_size = 0;
  std::int64_t max_work_groups_x = 0, max_work_groups_y = 0, max_work_groups_z = 0;
  std::int64_t max_buffer_texels = 0;  ///< of a texture over a buffer
  std::int64_t storage_alignment = 0;  ///< bytes, of a storage buffer's offset
  /// Threads of a subgroup where compute shaders may reduce over eight neighbouring ones (GL_KHR_shader_subgroup, clustered); else 0.
  std::int64_t subgroup_size = 0;

  /// Whether compute shaders can run: OpenGL 4.3.
  bool has_compute() const { return major > 4 || (major == 4 && minor >= 3); }
};

/// An OpenGL context without a window (EGL device, surfaceless or default display). Made current on the thread that opens it.
///
/// Threads  A context is current on at most one thread at a time; several contexts may live on several threads.
class OffscreenContext {
 public:
  enum class Need {
    kCompute43,  ///< 4.3 core, for compute shaders
    kDraw33,     ///< at least 3.3 core, for drawing; 4.3 where there is one
  };
  /// Errors  Error with one sentence saying what is missing and what to install.
  static std::unique_ptr<OffscreenContext> open(Need need);
  ~OffscreenContext();
  OffscreenContext(const OffscreenContext&) = delete;
  OffscreenContext& operator=(const OffscreenContext&) = delete;

  const DeviceFacts& facts() const { return facts_; }
  /// Errors  Error when the context is current on another thread.
  void make_current();
  /// Lets another thread take it.
  void release_current();

 private:
  OffscreenContext();
  struct Handles;
  std::unique_ptr<Handles> handles_;
  DeviceFacts facts_;
};

/// Facts of whatever context is current on this thread.
DeviceFacts current_facts();

}  // namespace headroom::gl
