#pragma once

#include <cstdint>
#include <span>

#include "core/tensor/view.h"

namespace headroom {

/// An RMS norm of each head by itself: x_c becomes gain_c * x_c / sqrt(mean of x² + eps). Nothing happens where `gain` is empty.
/// Source  Zhang and Sennrich 2019, arXiv:1910.07467; on q and k as in Qwen3.
struct HeadNorm {
  std::span<const float> gain;  ///< [d_head], or empty
  float eps = 1e-6F;
};

/// Norms n_heads vectors of one token in place, which lie one after another. Shapes  row [n_heads, gain.size()].
void norm_row(const HeadNorm& norm, std::int64_t n_heads, float* row);

/// Norms every row of `heads` in place. Shapes  heads [batch, n, seq, d_head]. Errors  ShapeError when the gains are not d_head ones.
void norm_heads(const HeadNorm& norm, HeadsView heads);

}  // namespace headroom
