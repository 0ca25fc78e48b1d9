#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/attention/linear_attention.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// phi of each row of a head, [seq, d_head].
std::vector<double> features(const ConstHeadsView& view, std::int64_t b, std::int64_t head) {
  std::vector<double> result;
  result.reserve(static_cast<std::size_t>(view.seq * view.d_head));
  for (std::int64_t i = 0; i < view.seq; ++i) {
    for (std::int64_t c = 0; c < view.d_head; ++c) {
      const double x = static_cast<double>(view.row(b, head, i)[c]);
      result.push_back(x > 0 ? x + 1 : std::exp(x));
    }
  }
  return result;
}

void run_head(const AttentionConfig& config, const AttentionInputs& inputs, const LinearAttentionOutputs& outputs,
              const std::array<std::int64_t, 2>& at) {
  const auto [b, head] = at;
  const std::int64_t kv_head = config.kv_head(head), d_head = config.d_head;
  const std::vector<double> queries = features(inputs.q, b, head), keys = features(inputs.k, b, kv_head);
  for (std::int64_t i = 0; i < config.seq_q; ++i) {
    std::vector<double> out(static_cast<std::size_t>(d_head), 0.0);
    double normaliser = 0;
    for (std::int64_t j = 0; j < config.seq_k; ++j) {
      if (config.is_pruned(head) || !is_visible(config.mask, b, i, j)) continue;
      const double* const q = queries.data() + i * d_head;
      const double weight = std::inner_product(q, q + d_head, keys.data() + j * d_head, 0.0);
      normaliser += weight;
      for (std::int64_t c = 0; c < d_head; ++c) {
        out[static_cast<std::size_t>(c)] += weight * static_cast<double>(inputs.v.row(b, kv_head, j)[c]);
      }
    }
    for (std::int64_t c = 0; c < d_head; ++c) {
      outputs.out.row(b, head, i)[c] = normaliser == 0 ? 0.0F : static_cast<float>(out[static_cast<std::size_t>(c)] / normaliser);
    }
    const auto row = static_cast<std::size_t>((b * config.n_heads + head) * config.seq_q + i);
    if (!outputs.normaliser.empty()) outputs.normaliser[row] = static_cast<float>(normaliser);
  }
}

}  // namespace

void linear_attention_reference(const AttentionConfig& config, const AttentionInputs& inputs,
                                const LinearAttentionOutputs& outputs) {
  if (const Support support = LinearAttention::supports(config); !support.ok) throw ShapeError(support.reason);
  for (std::int64_t b = 0; b < config.batch; ++b) {
    for (std::int64_t head = 0; head < config.n_heads; ++head) {
      run_head(config, inputs, outputs, {b, head});
    }
  }
}

}  // namespace headroom
