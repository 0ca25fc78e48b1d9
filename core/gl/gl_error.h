#pragma once

#include <string>

namespace headroom::gl {

/// Throws Error "OpenGL failed while `doing`: GL_OUT_OF_MEMORY (0x0505)" when an error is pending; all pending errors are taken.
void check_gl(const std::string& doing);

/// Takes errors of earlier calls, so that the next check speaks of its own call only.
void drop_gl_errors();

}  // namespace headroom::gl
