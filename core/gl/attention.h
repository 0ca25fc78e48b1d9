#pragma once

#include <memory>

#include "core/attention/backend.h"
#include "core/attention/layer.h"

namespace headroom::gl {

class OffscreenContext;

enum class Kernel { kNaive, kFused };

/// Attention by OpenGL 4.3 compute shaders, float32. The context must be current on the calling thread and outlive the backend.
std::unique_ptr<AttentionBackend> make_backend(OffscreenContext& context, Kernel kernel);

/// The whole attention layer on the GPU: q, k, v projections, rotary, attention, W_O, with no read-back between its kernels;
/// stage times from pairs of GL timestamps.
std::unique_ptr<AttentionLayer> make_attention_layer(OffscreenContext& context, Kernel kernel = Kernel::kFused);

}  // namespace headroom::gl
