#include "core/gl/gl_error.h"

#include <epoxy/gl.h>

#include <cstdio>

#include "core/tensor/error.h"

namespace headroom::gl {
namespace {

// A lost context reports an error for ever; no healthy one has as many pending.
constexpr int kMaxPending = 16;

const char* name_of(GLenum error) {
  switch (error) {
    case GL_INVALID_ENUM:
      return "GL_INVALID_ENUM";
    case GL_INVALID_VALUE:
      return "GL_INVALID_VALUE";
    case GL_INVALID_OPERATION:
      return "GL_INVALID_OPERATION";
    case GL_INVALID_FRAMEBUFFER_OPERATION:
      return "GL_INVALID_FRAMEBUFFER_OPERATION";
    case GL_OUT_OF_MEMORY:
      return "GL_OUT_OF_MEMORY";
    case GL_CONTEXT_LOST:
      return "GL_CONTEXT_LOST";
    default:
      return "GL error";
  }
}

GLenum take_errors() {
  GLenum first = GL_NO_ERROR;
  for (int i = 0; i < kMaxPending; ++i) {
    const GLenum error = glGetError();
    if (error == GL_NO_ERROR) break;
    if (first == GL_NO_ERROR) first = error;
  }
  return first;
}

}  // namespace

void check_gl(const std::string& doing) {
  const GLenum error = take_errors();
  if (error == GL_NO_ERROR) return;
  char code[48];
  std::snprintf(code, sizeof code, "%s (0x%04x)", name_of(error), static_cast<unsigned>(error));
  throw Error("OpenGL failed while " + doing + ": " + code);
}

void drop_gl_errors() { take_errors(); }

}  // namespace headroom::gl
