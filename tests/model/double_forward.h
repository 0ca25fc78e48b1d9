#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/model/params.h"

namespace headroom::test {

/// What the oracle computed, in double. Shapes  logits [seq][vocab]; probs [n_layers][n_heads][seq][seq], 0 where masked.
struct DoublePass {
  std::vector<std::vector<double>> logits;
  std::vector<std::vector<std::vector<std::vector<double>>>> probs;
};

using IsVisible = std::function<bool(std::int64_t query, std::int64_t key)>;

/// The transformer once more, in plain double loops that share no code with the product. For unpruned parameters only: it derives the
/// K/V head of a head by division and reads no head lists.
DoublePass double_forward(const ModelParams& params, std::span<const std::int32_t> ids, const IsVisible& is_visible);

}  // namespace headroom::test
