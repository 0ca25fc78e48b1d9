#pragma once

#include <cstdint>

#include "core/attention/config.h"
#include "core/gl/fused_shape.h"

namespace headroom::gl {

/// What a fused kernel's loops do, by the rules that they follow.
struct TileCount {
  double pairs = 0;    ///< query-key pairs of all tiles computed, those hidden by the mask among them
  double kv_rows = 0;  ///< rows of K (and as many of V) fetched
};

/// Of one head of every batch entry. Mirrors visible_keys and may_see of shaders/mask.glsl.
TileCount count_tiles(const AttentionConfig& config, const FusedShape& shape);

}  // namespace headroom::gl
