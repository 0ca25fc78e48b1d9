#include "core/cost/work.h"

#include <algorithm>
#include <map>

#include "core/model/forward_steps.h"
#include "core/model/rope.h"

namespace headroom {
namespace {

/// Texts up to so many tokens are counted pair by pair where the mask has no closed form.
constexpr std::int64_t kCountedTokens = 4096;
constexpr std::int64_t kSampledRows = 64;

/// Pairs that the mask keeps. Counting the pairs of 100,000 tokens one by one would take minutes: of so many, rows evenly spread are counted.
double visible_pairs(const Mask& mask, std::int64_t seq) {
  if (seq <= kCountedTokens || is_range_mask(mask)) return static_cast<double>(count_visible(mask, 0, seq, seq));
  double pairs = 0;
  for (std::int64_t sample = 0; sample < kSampledRows; ++sample) {
    Mask row = mask;
    row.query_offset = (2 * sample + 1) * seq / (2 * kSampledRows);
    pairs += static_cast<double>(count_visible(row, 0, 1, seq));
  }
  return pairs * static_cast<double>(seq) / static_cast<double>(kSampledRows);
}

/// Visible pairs of each layer: of a model's windows, each length is counted once.
class LayerPairs {
 public:
  explicit LayerPairs(const PassShape& shape) : shape_(shape) {}
  double of(std::size_t layer) {
    const Mask mask = layer_mask(shape_.model, layer, shape_.mask);
    const std::int64_t window = mask.pattern == shape_.mask.pattern ? 0 : mask.pattern.window;
    const auto known = counted_.find(window);
    if (known != counted_.end()) return known->second;
    return counted_[window] = visible_pairs(mask, shape_.seq);
  }

 private:
  const PassShape& shape_;
  std::map<std::int64_t, double> counted_;
};

}  // namespace

std::vector<StageWork> pass_work(const PassShape& shape) {
  const ModelConfig& config = shape.model;
  const ModelShape& model = config.shape;
  const auto n = static_cast<double>(shape.seq), d = static_cast<double>(model.d_model), d_head = static_cast<double>(model.d_head);
  LayerPairs pairs(shape);
  const double turning = config.positions == PositionKind::kRotary ? static_cast<double>((rotary_width(config) + 1) / 2 * 2) : 0;
  double qkv = 0, rotary = 0, attention = 0, w_o = 0, head_norms = 0;
  for (std::size_t layer = 0; layer < shape.n_heads.size(); ++layer) {
    const auto heads = static_cast<double>(shape.n_heads[layer]), kv = static_cast<double>(shape.n_kv_heads[layer]);
    qkv += 2 * n * d * d_head * (heads + 2 * kv);
    rotary += 3 * n * turning * (heads + kv);  // each coordinate: two products and a sum
    if (config.has_qk_norm) head_norms += 4 * n * d_head * (heads + kv);
    attention += 4 * d_head * pairs.of(layer) * heads;
    w_o += 2 * n * d * d_head * heads;
  }
  const auto layers = static_cast<double>(shape.n_heads.size());
  // For each coordinate of RMSNorm: square, sum, two products; LayerNorm adds the mean's sum and two differences.
  const double norm = config.norm == NormKind::kRms ? 4 : 7;
  const double norms_per_block = config.norm_place == NormPlace::kAround ? 4 : 2;
  const double n_norms = norms_per_block * layers + (config.norm_place == NormPlace::kAfter ? 0 : 1) +
                         (config.has_embedding_norm ? 1 : 0) + (config.has_head_transform ? 1 : 0);
  const double matrices = is_gated(config.mlp) ? 3 : 2;
  const double output = config.predicts ? static_cast<double>(model.vocab_size) : 0, transform = config.has_head_transform ? d : 0;
  return {{"norm", norm * n * d * n_norms + head_norms},
          {"q k v", qkv},
          {"rotary", rotary},
          {"attention", attention},
          {"W_O", w_o},
          {"MLP", 2 * matrices * n * d * static_cast<double>(model.d_ff) * layers},
          {"logits", 2 * n * d * (output + transform)}};
}

}  // namespace headroom
