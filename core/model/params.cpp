#include "core/model/params.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <numeric>

#include "core/model/rope.h"
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

/// Of the forms that blocks can have, those that make no sense together.
void check_blocks(const ModelConfig& config) {
  const bool has_encoder = config.kind == ModelKind::kEncoderDecoder;
  if (config.norm_place == NormPlace::kAround && (config.norm != NormKind::kRms || has_encoder))
    throw ShapeError("norms on both sides of a sub-layer are RMS norms of a model with one stack");
  if (config.block_order == BlockOrder::kParallel && (config.norm_place != NormPlace::kBefore || has_encoder))
    throw ShapeError("attention and MLP can read the same input only under norms before them, in a model with one stack");
  if (!config.windows.empty() && std::ssize(config.windows) != config.shape.n_layers)
    throw ShapeError("there are " + std::to_string(config.windows.size()) + " windows for " +
                     std::to_string(config.shape.n_layers) + " layers");
  for (const std::int64_t window : config.windows)
    if (window < 0) throw ShapeError("a window is below 0; 0 means that there is none");
  if (!(config.score_cap >= 0 && config.logit_cap >= 0)) throw ShapeError("a soft cap is below 0; 0 means that there is none");
}

void check_shape(const ModelConfig& config) {
  const ModelShape& s = config.shape;
  const bool is_positive = s.n_layers > 0 && s.d_model > 0 && s.n_heads > 0 && s.n_kv_heads > 0 && s.d_head > 0 && s.vocab_size > 0;
  if (!is_positive) throw ShapeError("every number of a model's shape must be at least 1");
  if (s.d_ff < 0) throw ShapeError("the width of the MLP is below 0; 0 means that there is none");
  if (s.n_heads % s.n_kv_heads != 0) {
    throw ShapeError("kv_heads = " + std::to_string(s.n_kv_heads) + " does not divide h = " + std::to_string(s.n_heads));
  }
  if (const std::string problem = find_rope_problem(config); !problem.empty()) throw ShapeError(problem);
  if (config.positions == PositionKind::kLearned && s.max_positions < 1)
    throw ShapeError("learned positions need a length of at least 1");
  const bool has_encoder = config.kind == ModelKind::kEncoderDecoder;
  if (has_encoder != (config.n_encoder_layers > 0))
    throw ShapeError("an encoder-decoder, and nothing else, has encoder layers; here there are " +
                     std::to_string(config.n_encoder_layers));
  check_blocks(config);
}

/// Adds what make_random_params would draw for the layer.
void add_undrawn(const ModelConfig& config, const LayerParams& layer, ParameterCount& count) {
  const ModelShape& shape = config.shape;
  const std::int64_t d = shape.d_model, ff = shape.d_ff;
  const std::int64_t q_width = std::ssize(layer.heads) * shape.d_head, kv_width = std::ssize(layer.kv_heads) * shape.d_head;
  count.attention += 2 * d * (q_width + kv_width);
  if (config.has_qkv_bias) count.attention += q_width + 2 * kv_width;
  if (config.has_o_bias) count.attention += d;
  count.mlp += (is_gated(config.mlp) ? 3 : 2) * ff * d;
  if (config.has_mlp_bias && ff > 0) count.mlp += (is_gated(config.mlp) ? 2 : 1) * ff + d;
  count.norms += (config.norm == NormKind::kLayer || config.norm_place == NormPlace::kAround ? 4 : 2) * d;
  if (config.has_qk_norm) count.norms += 2 * shape.d_head;
}

/// Draws one tensor after another; what comes first does not depend on what comes later.
class Drawing {
 public:
  Drawing(const ModelConfig& config, std::uint64_t seed)
      : config_(config),
        shape_(config.shape),
        q_width_(shape_.n_heads * shape_.d_head),
        kv_width_(shape_.n_kv_heads * shape_.d_head),
        make_(seed) {
    // A matrix of fan-in n with variance 1/n keeps its input's size; what is added to the residual stream 2 * n_layers times is
    // divided by the root of that number.
    const double residual = 1 / std::sqrt(2.0 * static_cast<double>(shape_.n_layers));
    from_model_ = 1 / std::sqrt(static_cast<double>(shape_.d_model));
    from_heads_ = residual / std::sqrt(static_cast<double>(q_width_));
    from_ff_ = residual / std::sqrt(static_cast<double>(std::max<std::int64_t>(1, shape_.d_ff)));
  }

  Tensor words() { return make_.normal({shape_.vocab_size, shape_.d_model}, from_model_); }
  Tensor positions() { return make_.normal({shape_.max_positions, shape_.d_model}, from_model_); }
  /// As large as scores are, so that heads differ in the distances they look at.
  Tensor relative_bias() { return make_.normal({config_.relative_buckets, shape_.n_heads}, 1); }
  Tensor square() { return make_.normal({shape_.d_model, shape_.d_model}, from_model_); }
  Tensor zeros(std::int64_t size) const { return ParameterMaker::constant(size, 0); }
  Tensor ones(std::int64_t size) const { return ParameterMaker::constant(size, 1); }
  void skip() { make_.skip(); }

  void norm(Tensor& gain, Tensor& bias) const {
    gain = ParameterMaker::constant(shape_.d_model, 1);
    if (config_.norm == NormKind::kLayer) bias = zeros(shape_.d_model);
  }

  /// Works for LayerParams and CrossParams, which name their matrices alike.
  template <typename Attention>
  void attention(Attention& to) {
    to.w_q = make_.normal({q_width_, shape_.d_model}, from_model_);
    to.w_k = make_.normal({kv_width_, shape_.d_model}, from_model_);
    to.w_v = make_.normal({kv_width_, shape_.d_model}, from_model_);
    to.w_o = make_.normal({shape_.d_model, q_width_}, from_heads_);
    if (config_.has_qkv_bias) {
      // Biases of q and k this large give heads an inclination to distances before any training.
      constexpr double kQueryKeyBias = 0.5;
      to.b_q = make_.normal({q_width_}, kQueryKeyBias);
      to.b_k = make_.normal({kv_width_}, kQueryKeyBias);
      to.b_v = zeros(kv_width_);
    }
    if (config_.has_o_bias) to.b_o = zeros(shape_.d_model);
  }

  void layer(LayerParams& to, bool reads_encoder) {
    norm(to.attention_norm, to.attention_norm_bias);
    attention(to);
    if (config_.has_qk_norm) to.q_norm = to.k_norm = ones(shape_.d_head);
    if (config_.norm_place == NormPlace::kAround) to.attention_out_norm = to.mlp_out_norm = ones(shape_.d_model);
    if (reads_encoder) {
      norm(to.cross.norm, to.cross.norm_bias);
      attention(to.cross);
    }
    norm(to.mlp_norm, to.mlp_norm_bias);
    const std::int64_t ff = shape_.d_ff;
    if (ff == 0) return;
    if (is_gated(config_.mlp)) to.w_gate = make_.normal({ff, shape_.d_model}, from_model_);
    to.w_up = make_.normal({ff, shape_.d_model}, from_model_);
    to.w_down = make_.normal({shape_.d_model, ff}, from_ff_);
    if (!config_.has_mlp_bias) return;
    if (is_gated(config_.mlp)) to.b_gate = zeros(ff);
    to.b_up = zeros(ff);
    to.b_down = zeros(shape_.d_model);
  }

 private:
  const ModelConfig& config_;
  const ModelShape& shape_;
  std::int64_t q_width_, kv_width_;
  double from_model_ = 0, from_heads_ = 0, from_ff_ = 0;
  ParameterMaker make_;
};

std::int64_t size_of(std::initializer_list<const Tensor*> tensors) {
  std::int64_t n = 0;
  for (const Tensor* tensor : tensors)
    n += tensor->size();
  return n;
}

template <typename Attention>
std::int64_t attention_size(const Attention& p) {
  return size_of({&p.w_q, &p.b_q, &p.w_k, &p.b_k, &p.w_v, &p.b_v, &p.w_o, &p.b_o});
}

std::vector<std::int64_t> count_from_zero(std::int64_t n) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), std::int64_t{0});
  return values;
}

}  // namespace

bool is_gated(MlpKind mlp) {
  switch (mlp) {
    case MlpKind::kSwiGlu:
    case MlpKind::kGeGlu:
    case MlpKind::kGeGluTanh:
    case MlpKind::kReGlu:
      return true;
    default:
      return false;
  }
}

Direction default_direction(ModelKind kind) { return kind == ModelKind::kMasked ? Direction::kBidirectional : Direction::kCausal; }

AttentionLayerParams LayerParams::attention(float eps) const {
  return {.w_q = w_q.weights(),
          .w_k = w_k.weights(),
          .w_v = w_v.weights(),
          .w_o = w_o.weights(),
          .b_q = b_q.span(),
          .b_k = b_k.span(),
          .b_v = b_v.span(),
          .b_o = b_o.span(),
          .q_norm = q_norm.span(),
          .k_norm = k_norm.span(),
          .norm_eps = eps};
}

ParameterCount count_parameters(const ModelParams& params) {
  ParameterCount count;
  const std::int64_t vocab_size = params.config.shape.vocab_size, d_model = params.config.shape.d_model;
  count.embedding = size_of({&params.embedding, &params.positions, &params.token_types, &params.encoder_positions});
  count.attention = size_of({&params.relative_bias, &params.encoder_relative_bias});
  count.norms = size_of({&params.final_norm, &params.final_norm_bias, &params.embedding_norm, &params.embedding_norm_bias,
                         &params.head_norm, &params.head_norm_bias, &params.encoder_embedding_norm,
                         &params.encoder_embedding_norm_bias, &params.encoder_final_norm, &params.encoder_final_norm_bias});
  count.output = size_of({&params.head_dense, &params.head_dense_bias, &params.output_bias});
  if (!params.config.ties_embeddings) count.output += vocab_size * d_model;
  for (const auto* layers : {&params.layers, &params.encoder_layers}) {
    for (const LayerParams& layer : *layers) {
      if (!layer.is_drawn()) {
        add_undrawn(params.config, layer, count);
        continue;
      }
      count.attention += attention_size(layer) + attention_size(layer.cross);
      count.mlp += size_of({&layer.w_gate, &layer.b_gate, &layer.w_up, &layer.b_up, &layer.w_down, &layer.b_down});
      count.norms +=
          size_of({&layer.attention_norm, &layer.attention_norm_bias, &layer.cross.norm, &layer.cross.norm_bias, &layer.mlp_norm,
                   &layer.mlp_norm_bias, &layer.q_norm, &layer.k_norm, &layer.attention_out_norm, &layer.mlp_out_norm});
    }
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
  check_shape(config);
  const bool has_encoder = config.kind == ModelKind::kEncoderDecoder, is_learned = config.positions == PositionKind::kLearned;
  ModelParams params;
  params.config = config;
  Drawing draw(params.config, seed);
  params.embedding = draw.words();
  if (config.norm_place != NormPlace::kAfter) draw.norm(params.final_norm, params.final_norm_bias);
  if (!config.ties_embeddings && drawn == DrawnLayers::kAll) {
    params.lm_head = draw.words();
  } else if (!config.ties_embeddings) {
    draw.skip();
  }
  if (is_learned) params.positions = draw.positions();
  if (config.has_embedding_norm) draw.norm(params.embedding_norm, params.embedding_norm_bias);
  params.layers.resize(static_cast<std::size_t>(shape.n_layers));
  for (LayerParams& layer : params.layers) {
    set_unpruned(layer, shape.n_heads, shape.n_kv_heads);
    if (drawn == DrawnLayers::kAll || &layer == &params.layers.front()) draw.layer(layer, has_encoder);
  }
  params.encoder_layers.resize(static_cast<std::size_t>(config.n_encoder_layers));
  for (LayerParams& layer : params.encoder_layers) {
    set_unpruned(layer, shape.n_heads, shape.n_kv_heads);
    if (drawn == DrawnLayers::kAll) draw.layer(layer, false);
  }
  if (has_encoder && is_learned) params.encoder_positions = draw.positions();
  if (config.positions == PositionKind::kRelative) params.relative_bias = draw.relative_bias();
  if (has_encoder && config.positions == PositionKind::kRelative) params.encoder_relative_bias = draw.relative_bias();
  if (has_encoder && config.norm_place != NormPlace::kAfter) draw.norm(params.encoder_final_norm, params.encoder_final_norm_bias);
  if (has_encoder && config.has_embedding_norm) draw.norm(params.encoder_embedding_norm, params.encoder_embedding_norm_bias);
  if (config.has_head_transform) {
    params.head_dense = draw.square();
    params.head_dense_bias = draw.zeros(shape.d_model);
    draw.norm(params.head_norm, params.head_norm_bias);
  }
  if (config.has_output_bias) params.output_bias = draw.zeros(shape.vocab_size);
  return params;
}

}  // namespace headroom
