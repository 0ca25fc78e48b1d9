#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/model/params.h"

namespace headroom {

/// Head `head` of layer `layer`, both 0-based, counted in the unpruned model.
struct HeadRef {
  std::int64_t layer = 0;
  std::int64_t head = 0;
  auto operator<=>(const HeadRef&) const = default;
};

/// One sentence on why a model of this kind cannot be cut into another number of heads, whatever their size; empty when it can: norms of q
/// and k and learned biases belong to the heads as they were trained.
std::string find_slice_problem(const ModelConfig& config);

/// The same matrices cut into another number of heads; no value changes, only where a head begins and d_k.
/// Of an encoder-decoder all its stacks. Errors  ShapeError when n_heads is not in valid_heads(shape, positions), or as find_slice_problem.
ModelParams slice_heads(const ModelParams& params, std::int64_t n_heads);

/// Fewer K/V heads: each group's K and V projections (and biases) become their mean, in all stacks.
/// Errors  ShapeError when n_kv_heads does not divide the model's.  Source  Ainslie et al. 2023, arXiv:2305.13245, section 2.1.
ModelParams pool_kv_heads(const ModelParams& params, std::int64_t n_kv_heads);

/// Heads really removed: rows of W_Q and columns of W_O go; rows of W_K and W_V go when no remaining head reads them. Of an
/// encoder-decoder the layers are the decoder's, and what they read of the encoder stays.
/// Edge  All heads of a layer may go; its attention then adds nothing (b_o stays). A head that is already gone stays gone.
/// Errors  ShapeError when a head does not exist.
ModelParams prune_heads(const ModelParams& params, std::span<const HeadRef> heads);

/// The same function without a pruned layer: heads that are gone come back with parameters of zero, which add nothing.
ModelParams fill_pruned_heads(const ModelParams& params);

}  // namespace headroom
