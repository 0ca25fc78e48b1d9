#pragma once

#include <span>
#include <stop_token>

#include "core/tensor/parallel.h"
#include "core/tensor/view.h"

namespace headroom {

/// out = x · weightᵀ (+ bias), the linear layer: SIMD chosen at run time, rows shared over the pool's threads.
///
/// Shapes  x [n, d_in]; weight [d_out, d_in] (the layout of checkpoints), of any stored type: 16 bits are widened tile by tile, exactly;
///         bias [d_out] or empty; out [n, d_out].
/// Errors  ShapeError when they disagree.
void linear(ThreadPool& pool, ConstMatrixView x, ConstWeightView weight, std::span<const float> bias, MatrixView out);

/// One of several linear layers that read the same rows.
struct LinearPart {
  ConstWeightView weight;       ///< [d_out, d_in]
  std::span<const float> bias;  ///< [d_out] or empty
  MatrixView out;               ///< [n, d_out]
};

/// Several linear layers of the same rows at once (q, k and v of attention, gate and up of an MLP): x is packed once for all of them, and
/// their outputs are shared over the threads together. Each part's result is the same, bit for bit, as when computed alone.
///
/// Shapes  x [n, d_in]; each part's own d_out.
/// Errors  ShapeError when a part disagrees with x.
void linear(ThreadPool& pool, ConstMatrixView x, std::span<const LinearPart> parts);

/// out = a · b. Shapes  a [m, k]; b [k, n]; out [m, n]. Errors  ShapeError.
void matmul(ThreadPool& pool, ConstMatrixView a, ConstMatrixView b, MatrixView out);

/// Sum over i of a[i] * b[i]. Shapes  equal sizes.
float dot(std::span<const float> a, std::span<const float> b);

}  // namespace headroom
