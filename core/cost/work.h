#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/attention/mask.h"
#include "core/model/params.h"

namespace headroom {

/// Floating-point operations of one stage of a pass over one sequence, computed from the shape: a multiply-add counts two.
struct StageWork {
  std::string stage;  ///< named as ForwardTrace::times names it
  double flops = 0;
};

/// What a pass works on. Layers may differ after pruning, so heads are given by layer.
struct PassShape {
  ModelConfig model;
  std::vector<std::int64_t> n_heads, n_kv_heads;  ///< [n_layers], what is left
  std::int64_t seq = 0;
  Mask mask;
};

/// Stages in the order of a pass: norm, q k v, rotary, attention, W_O, MLP, logits. Attention counts only pairs that the mask keeps
/// (4 * d_head each: q·k and the weighted sum); exponentials and other elementwise work inside attention and the MLP is not counted.
/// Edge  A model without MLPs, without rotary positions or that predicts nothing does no such work: 0. Of a text above 4,096 tokens under a mask whose rows are no single range, the pairs are estimated from 64 rows evenly spread.
std::vector<StageWork> pass_work(const PassShape& shape);

}  // namespace headroom
