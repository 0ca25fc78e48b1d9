#include "core/speed/shapes.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/speed/text.h"

namespace headroom {
namespace {

/// Multiplications of naive attention that still feel live: about a second of one processor.
constexpr double kMostFlops = 60e9;

void resize_cyclically(std::vector<std::int32_t>& values, std::int64_t n) {
  if (values.empty()) return;
  const std::vector<std::int32_t> old = values;
  values.resize(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = old[i % old.size()];
}

}  // namespace

AttentionConfig with_length(AttentionConfig config, std::int64_t n) {
  config.seq_q = config.seq_k = n;
  config.mask.query_offset = 0;
  config.mask.key_lengths.clear();
  resize_cyclically(config.mask.pattern.query_bucket, n);
  resize_cyclically(config.mask.pattern.key_bucket, n);
  return config;
}

std::int64_t largest_divisor(std::int64_t n_heads, std::int64_t most) {
  std::int64_t divisor = std::clamp<std::int64_t>(most, 1, n_heads);
  while (n_heads % divisor != 0)
    --divisor;
  return divisor;
}

LayerShape whole_layer(const SpeedShape& shape) {
  LayerShape layer{shape, ""};
  AttentionConfig& config = layer.shape.config;
  const std::int64_t d_model = shape.d_model > 0 ? shape.d_model : config.n_heads * config.d_head;
  const auto n_pruned = std::count_if(config.pruned.begin(), config.pruned.end(), [](std::uint8_t p) { return p != 0; });
  config.n_heads = std::max<std::int64_t>(1, config.n_heads - n_pruned);
  config.n_kv_heads = largest_divisor(config.n_heads, config.n_kv_heads);
  config.pruned.clear();
  config.kv_head_of.clear();
  config.dropout.reset();
  config.kv_storage = KvStorage::kFloat32;
  config.batch = 1;
  layer.shape.d_model = d_model;
  const double flops_per_pair = 4 * static_cast<double>(config.n_heads * config.d_head);
  const auto most = static_cast<std::int64_t>(std::sqrt(kMostFlops / flops_per_pair));
  const std::int64_t asked = config.seq_k;
  config = with_length(config, std::min(asked, std::max<std::int64_t>(1, most)));
  if (config.seq_k < asked) {
    layer.note = "Measured over " + grouped(config.seq_k) + " of the " + grouped(asked) +
                 " tokens: naive attention over all of them would take too long.";
  }
  return layer;
}

}  // namespace headroom
