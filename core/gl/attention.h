#pragma once

#include <memory>

#include "core/attention/backend.h"
#include "core/attention/layer.h"
#include "core/gl/options.h"

namespace headroom::gl {

class OffscreenContext;

enum class Kernel { kNaive, kFused };

/// Attention by OpenGL 4.3 compute shaders, float32: "gl" (fused: one pass over the keys, never a matrix of scores) or "gl naive" (scores,
/// softmax and weighted sum, each kept on the device; it can fill probs). The context must outlive the backend and is made current by it.
/// Keys and values may be stored in 32 or 16 bits; every sum is made in float32.
///
/// Edge    supports() refuses what this device cannot hold, with the number that it exceeds.
/// Errors  Error when the context has less than 4.3, or the device fails.
/// Threads The one on which the context is current.
std::unique_ptr<AttentionBackend> make_backend(OffscreenContext& context, Kernel kernel, const GpuOptions& options = {});

/// The whole attention layer on the GPU: q, k, v projections, rotary, attention, W_O, with no read-back between its kernels.
///
/// Parameters stay on the device from run to run; a hash of all their bytes tells whether they are the same.
/// Times   "upload" and "read back" by the processor's clock, "q k v", "rotary", "attention" and "W_O" by GL timestamps. The first run also
///         compiles the kernels: times worth showing come from the second.
/// Errors, Edge, Threads  as make_backend.
std::unique_ptr<AttentionLayer> make_attention_layer(OffscreenContext& context, Kernel kernel = Kernel::kFused,
                                                     const GpuOptions& options = {});

}  // namespace headroom::gl
