#pragma once

#include "core/session/engine.h"

namespace headroom {

/// The engine's GPU: an off-screen OpenGL 4.3 context of its own, opened on first use on the engine's thread.
/// `facts` looks at the device without compiling a shader.
GpuProvider make_gpu_provider();

}  // namespace headroom
