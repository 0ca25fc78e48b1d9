#include "core/model/params.h"

#include <cmath>
#include <numeric>

#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Counter-based random numbers: value i of a stream depends on (seed, stream, i) alone, so a tensor is the same whatever is made before it.
/// Source  Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators" (SplitMix64's output function).
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::uint64_t stream) : key_(mix(mix(seed) + stream)) {}

  /// Fills with about N(0, deviation^2): the sum of four 16-bit uniforms, in integers, so that every machine gets the same bits.
  /// Its tails end at 3.46 deviations, which parameters of an untrained model do not need.
  void fill_normal(std::span<float> values, double deviation) const {
    const float factor = static_cast<float>(deviation * std::sqrt(3.0) / 65536.0);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::uint64_t bits = mix(key_ + (i + 1) * 0x9E3779B97F4A7C15u);
      const std::uint64_t sum = (bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48);
      // Mean of the sum: 4 * 65535 / 2.
      values[i] = static_cast<float>(static_cast<std::int32_t>(sum) - 131070) * factor;
    }
  }

 private:
  static std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  std::uint64_t key_;
};

/// Hands each tensor the next stream.
class ParameterMaker {
 public:
  explicit ParameterMaker(std::uint64_t seed) : seed_(seed) {}

  /// The next stream goes to no one.
  void skip() { ++next_stream_; }
  Tensor normal(std::vector<std::int64_t> shape, double deviation) {
    Tensor tensor(std::move(shape), Fill::kNone);
    RandomStream(seed_, next_stream_++).fill_normal(tensor.span(), deviation);
    return tensor;
  }
  static Tensor constant(std::int64_t size, float value) {
    Tensor tensor({size});
    for (float& x : tensor.span())
      x = value;
    return tensor;
  }

 private:
  std::uint64_t seed_;
  std::uint64_t next_stream_ = 0;
};

void check_shape(const ModelShape& s) {
  const bool is_positive =
      s.n_layers > 0 && s.d_model > 0 && s.n_heads > 0 && s.n_kv_heads > 0 && s.d_head > 0 && s.d_ff > 0 && s.vocab_size > 0;
  if (!is_positive) throw ShapeError("every number of a model's shape must be at least 1");
  if (s.n_heads % s.n_kv_heads != 0) {
    throw ShapeError("kv_heads = " + std::to_string(s.n_kv_heads) + " does not divide h = " + std::to_string(s.n_heads));
  }
  if (s.d_head % 2 != 0) throw ShapeError("d_k = " + std::to_string(s.d_head) + " is odd; rotary positions turn pairs");
}

/// Adds what make_random_params would draw for the layer.
void add_undrawn(const ModelConfig& config, const LayerParams& layer, ParameterCount& count) {
  const ModelShape& shape = config.shape;
  const std::int64_t q_width = std::ssize(layer.heads) * shape.d_head, kv_width = std::ssize(layer.kv_heads) * shape.d_head;
  count.attention += 2 * shape.d_model * (q_width + kv_width);
  if (config.has_qkv_bias) count.attention += q_width + 2 * kv_width;
  if (config.has_o_bias) count.attention += shape.d_model;
  count.mlp += 3 * shape.d_ff * shape.d_model;
  count.norms += 2 * shape.d_model;
}

std::vector<std::int64_t> count_from_zero(std::int64_t n) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), std::int64_t{0});
  return values;
}

}  // namespace

AttentionLayerParams LayerParams::attention() const {
  return {.w_q = w_q.matrix(),
          .w_k = w_k.matrix(),
          .w_v = w_v.matrix(),
          .w_o = w_o.matrix(),
          .b_q = b_q.span(),
          .b_k = b_k.span(),
          .b_v = b_v.span(),
          .b_o = b_o.span()};
}

ParameterCount count_parameters(const ModelParams& params) {
  ParameterCount count;
  count.embedding = params.embedding.size();
  count.norms = params.final_norm.size();
  count.output = params.config.ties_embeddings ? 0 : params.config.shape.vocab_size * params.config.shape.d_model;
  for (const LayerParams& layer : params.layers) {
    if (!layer.is_drawn()) {
      add_undrawn(params.config, layer, count);
      continue;
    }
    for (const Tensor* t : {&layer.w_q, &layer.b_q, &layer.w_k, &layer.b_k, &layer.w_v, &layer.b_v, &layer.w_o, &layer.b_o}) {
      count.attention += t->size();
    }
    for (const Tensor* t : {&layer.w_gate, &layer.w_up, &layer.w_down})
      count.mlp += t->size();
    count.norms += layer.attention_norm.size() + layer.mlp_norm.size();
  }
  return count;
}

void set_unpruned(LayerParams& layer, std::int64_t n_heads, std::int64_t n_kv_heads) {
  layer.heads = count_from_zero(n_heads);
  layer.kv_heads = count_from_zero(n_kv_heads);
  layer.kv_head_of = layer.heads;
  for (std::int64_t& head : layer.kv_head_of)
    head /= n_heads / n_kv_heads;
}

ModelParams make_random_params(const ModelConfig& config, std::uint64_t seed, DrawnLayers drawn) {
  const ModelShape& shape = config.shape;
  check_shape(shape);
  const std::int64_t q_width = shape.n_heads * shape.d_head;
  const std::int64_t kv_width = shape.n_kv_heads * shape.d_head;
  // A matrix of fan-in n with variance 1/n keeps its input's size; what is added to the residual stream 2 * n_layers times is
  // divided by the root of that number.
  const double from_model = 1 / std::sqrt(static_cast<double>(shape.d_model));
  const double residual = 1 / std::sqrt(2.0 * static_cast<double>(shape.n_layers));
  const double from_heads = residual / std::sqrt(static_cast<double>(q_width));
  const double from_ff = residual / std::sqrt(static_cast<double>(shape.d_ff));
  // Biases of q and k this large give heads an inclination to distances before any training.
  constexpr double kQueryKeyBias = 0.5;

  ParameterMaker make(seed);
  ModelParams params;
  params.config = config;
  params.embedding = make.normal({shape.vocab_size, shape.d_model}, from_model);
  params.final_norm = ParameterMaker::constant(shape.d_model, 1);
  if (!config.ties_embeddings && drawn == DrawnLayers::kAll) {
    params.lm_head = make.normal({shape.vocab_size, shape.d_model}, from_model);
  } else if (!config.ties_embeddings) {
    make.skip();
  }
  params.layers.resize(static_cast<std::size_t>(shape.n_layers));
  for (LayerParams& layer : params.layers) {
    set_unpruned(layer, shape.n_heads, shape.n_kv_heads);
    if (drawn == DrawnLayers::kFirst && &layer != &params.layers.front()) continue;
    layer.attention_norm = ParameterMaker::constant(shape.d_model, 1);
    layer.w_q = make.normal({q_width, shape.d_model}, from_model);
    layer.w_k = make.normal({kv_width, shape.d_model}, from_model);
    layer.w_v = make.normal({kv_width, shape.d_model}, from_model);
    layer.w_o = make.normal({shape.d_model, q_width}, from_heads);
    if (config.has_qkv_bias) {
      layer.b_q = make.normal({q_width}, kQueryKeyBias);
      layer.b_k = make.normal({kv_width}, kQueryKeyBias);
      layer.b_v = ParameterMaker::constant(kv_width, 0);
    }
    if (config.has_o_bias) layer.b_o = ParameterMaker::constant(shape.d_model, 0);
    layer.mlp_norm = ParameterMaker::constant(shape.d_model, 1);
    layer.w_gate = make.normal({shape.d_ff, shape.d_model}, from_model);
    layer.w_up = make.normal({shape.d_ff, shape.d_model}, from_model);
    layer.w_down = make.normal({shape.d_model, shape.d_ff}, from_ff);
  }
  return params;
}

}  // namespace headroom
