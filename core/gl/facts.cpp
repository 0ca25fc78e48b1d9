#include <epoxy/gl.h>

#include <limits>

#include "core/gl/context.h"

namespace headroom::gl {
namespace {

std::string text_of(GLenum name) {
  const GLubyte* text = glGetString(name);
  return text == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(text));
}

std::int64_t limit_of(GLenum name) {
  GLint64 value = 0;
  glGetInteger64v(name, &value);
  // Some drivers answer with all bits set; nothing here indexes beyond an int of texels or floats.
  constexpr GLint64 kMost = std::numeric_limits<std::int32_t>::max();
  return value < 0 || value > kMost ? kMost : value;
}

std::int64_t work_groups(GLuint axis) {
  GLint value = 0;
  glGetIntegeri_v(GL_MAX_COMPUTE_WORK_GROUP_COUNT, axis, &value);
  return value;
}

// Of GL_KHR_shader_subgroup; older headers lack them.
constexpr GLenum kSubgroupSize = 0x9532, kSubgroupStages = 0x9533, kSubgroupFeatures = 0x9534;
constexpr GLint kClustered = 0x40;

std::int64_t clustered_subgroup_size() {
  if (!epoxy_has_gl_extension("GL_KHR_shader_subgroup")) return 0;
  GLint size = 0, stages = 0, features = 0;
  glGetIntegerv(kSubgroupSize, &size);
  glGetIntegerv(kSubgroupStages, &stages);
  glGetIntegerv(kSubgroupFeatures, &features);
  return (stages & GL_COMPUTE_SHADER_BIT) != 0 && (features & kClustered) != 0 ? size : 0;
}

}  // namespace

DeviceFacts current_facts() {
  DeviceFacts facts;
  facts.vendor = text_of(GL_VENDOR);
  facts.renderer = text_of(GL_RENDERER);
  facts.version = text_of(GL_VERSION);
  facts.glsl_version = text_of(GL_SHADING_LANGUAGE_VERSION);
  const int version = epoxy_gl_version();
  facts.major = version / 10;
  facts.minor = version % 10;
  for (const char* name : {"llvmpipe", "softpipe", "swrast", "Software Rasterizer"}) {
    if (facts.renderer.find(name) != std::string::npos) facts.is_software = true;
  }
  GLint texture_size = 0;
  glGetIntegerv(GL_MAX_TEXTURE_SIZE, &texture_size);
  facts.max_texture_size = texture_size;
  if (!facts.has_compute()) return facts;
  facts.max_shared_bytes = limit_of(GL_MAX_COMPUTE_SHARED_MEMORY_SIZE);
  facts.max_invocations = limit_of(GL_MAX_COMPUTE_WORK_GROUP_INVOCATIONS);
  facts.max_storage_block_bytes = limit_of(GL_MAX_SHADER_STORAGE_BLOCK_SIZE);
  facts.max_buffer_texels = limit_of(GL_MAX_TEXTURE_BUFFER_SIZE);
  facts.storage_alignment = limit_of(GL_SHADER_STORAGE_BUFFER_OFFSET_ALIGNMENT);
  facts.subgroup_size = clustered_subgroup_size();
  facts.max_work_groups_x = work_groups(0);
  facts.max_work_groups_y = work_groups(1);
  facts.max_work_groups_z = work_groups(2);
  return facts;
}

}  // namespace headroom::gl
