#pragma once

#include <memory>

#include "core/attention/layer.h"
#include "core/tensor/parallel.h"

namespace headroom {

/// What one thread needs to run whole passes by itself.
struct Lane {
  ThreadPool pool{1};
  std::unique_ptr<AttentionBackend> backend = make_flash_backend(pool);
  std::unique_ptr<AttentionLayer> attention = make_cpu_attention_layer(pool, *backend);
};

}  // namespace headroom
