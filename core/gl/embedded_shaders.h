#pragma once

namespace headroom::gl {

struct EmbeddedShader {
  const char* name;  ///< file name in shaders/
  const char* text;
};
/// Ends with {nullptr, nullptr}. Written by shaders/embed.cmake at build time.
extern const EmbeddedShader kEmbeddedShaders[];

}  // namespace headroom::gl
