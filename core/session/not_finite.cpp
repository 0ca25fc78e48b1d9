#include "core/session/not_finite.h"

#include "core/attention/check_finite.h"

namespace headroom {
namespace {

ConstHeadsView heads_of(const Tensor& tensor, std::int64_t d_head) {
  if (tensor.empty() || d_head == 0) return {};
  return ConstHeadsView::interleaved(tensor.data(), 1, tensor.dim(1) / d_head, tensor.dim(0), d_head);
}

}  // namespace

std::string not_finite_notice(const ForwardTrace& trace) {
  std::string notice = "The model computes values that are not numbers (NaN or infinite); cells without a value look masked.";
  for (std::size_t layer = 0; layer < trace.layers.size(); ++layer) {
    const LayerTrace& at = trace.layers[layer];
    const AttentionInputs inputs{heads_of(at.attention.q, at.d_head), heads_of(at.attention.k, at.d_head),
                                 heads_of(at.attention.v, at.d_head)};
    auto found = find_non_finite(inputs);
    if (!found) continue;
    // Of query heads the trace holds those that are not pruned.
    if (found->tensor[0] == 'q' && static_cast<std::size_t>(found->head) < at.heads.size())
      found->head = at.heads[static_cast<std::size_t>(found->head)];
    return notice + " The first of them in attention: layer " + std::to_string(layer) + ", " + non_finite_text(*found) + ".";
  }
  if (trace.layers.empty()) return notice;
  return notice + " Queries, keys and values are finite: they arise later, in a block's own sums.";
}

}  // namespace headroom
