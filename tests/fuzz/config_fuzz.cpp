#include "core/formats/model_config.h"
#include "core/formats/model_folder.h"
#include "tests/fuzz/target.h"

using namespace headroom;

/// config.json up to the list of tensors that it implies.
HEADROOM_FUZZ_TARGET(config) {
  return fuzz::accepts([&] {
    ModelParams params;
    params.config = read_model_config(fuzz::file_of(bytes));
    const ModelShape& shape = params.config.shape;
    if (shape.n_heads < 1 || shape.n_kv_heads < 1 || shape.n_heads % shape.n_kv_heads != 0 || shape.n_layers < 1) __builtin_trap();
    for (const TensorSlot& slot : tensor_slots(params))
      if (slot.name.empty()) __builtin_trap();
  });
}
