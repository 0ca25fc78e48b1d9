#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/gl/context.h"
#include "core/gl/gl_error.h"
#include "core/tensor/error.h"

namespace headroom::gl {

/// Errors  Error when the context has no compute shaders.
inline void require_compute(const OffscreenContext& context) {
  const DeviceFacts& facts = context.facts();
  if (facts.has_compute()) return;
  throw Error("Attention on the GPU needs OpenGL 4.3; " + facts.renderer + " has " + std::to_string(facts.major) + "." +
              std::to_string(facts.minor));
}

/// Keeps what an object needs to use and delete its OpenGL objects in their own context.
class ContextScope {
 public:
  explicit ContextScope(OffscreenContext& context) : context_(&context) {}

  /// Makes the context current and forgets errors of earlier calls.
  void enter() {
    context_->make_current();
    drop_gl_errors();
  }
  /// Deletes `state` and its OpenGL objects. While another thread holds the context that is impossible, and deleting would hit the
  /// objects of whatever context is current here: then they stay and go when the context goes.
  template <typename State>
  void destroy(std::unique_ptr<State> state) noexcept {
    try {
      context_->make_current();
    } catch (const Error&) {
      static_cast<void>(state.release());
    }
  }

 private:
  OffscreenContext* context_;
};

}  // namespace headroom::gl
