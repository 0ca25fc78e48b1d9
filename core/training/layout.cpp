#include "core/training/layout.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/attention/config.h"
#include "core/attention/counter_hash.h"
#include "core/tensor/dtype.h"
#include "core/tensor/error.h"
#include "core/training/layout_walk.h"

namespace headroom {
namespace {

constexpr std::int64_t kAlignment = 16;
/// Far above every model that a processor can train; keeps products of sizes from overflowing.
constexpr std::int64_t kMaxWidth = 1 << 20, kMaxVocabulary = 1 << 26, kMaxLayers = 1024;

void require(bool holds, const std::string& sentence) {
  if (!holds) throw ShapeError(sentence);
}

/// What some models do beyond the forms that the trainer computes gradients of. Training them without would spoil them.
void refuse_untrainable(const ModelConfig& config) {
  const auto refuse = [](bool has, const char* what) {
    if (has) throw ShapeError(std::string("a model with ") + what + " can be looked at, but not trained here");
  };
  refuse(config.norm_place == NormPlace::kAround, "norms on both sides of each sub-layer");
  refuse(config.block_order == BlockOrder::kParallel, "attention and MLP side by side");
  refuse(config.positions == PositionKind::kRelative, "learned biases for distances");
  refuse(config.positions == PositionKind::kRotary && config.rotary_share != 1, "rotary positions in a part of each head");
  refuse(config.positions == PositionKind::kRotary && config.rope_scaling.kind != RopeScaling::Kind::kNone,
         "scaled rotary positions");
  refuse(std::ranges::any_of(config.windows, [](std::int64_t window) { return window > 0; }), "sliding windows");
  refuse(config.attention_scale || config.divides_scale_by_layer, "another scale of its scores than 1 / sqrt(d_k)");
  refuse(config.score_cap != 0 || config.logit_cap != 0, "soft caps");
  refuse(config.embedding_scale != 1 || config.logit_scale != 1, "a factor on its embeddings or its output");
  refuse(config.has_qk_norm, "norms of q and k");
  const bool has_known_mlp = config.mlp == MlpKind::kSwiGlu || config.mlp == MlpKind::kGelu || config.mlp == MlpKind::kGeluTanh;
  refuse(config.shape.d_ff > 0 && !has_known_mlp, "another MLP than SwiGLU or GELU");
}

void check_shape(const ModelConfig& config) {
  refuse_untrainable(config);
  const ModelShape& shape = config.shape;
  const auto is_in = [](std::int64_t value, std::int64_t low, std::int64_t high) { return value >= low && value <= high; };
  require(is_in(shape.n_layers, 1, kMaxLayers), "a model that is trained needs between 1 and 1024 layers");
  require(is_in(shape.d_model, 1, kMaxWidth), "d_model is outside 1 to 1048576");
  require(is_in(shape.d_ff, 0, kMaxWidth), "the width of the MLP is outside 0 to 1048576");
  require(is_in(shape.vocab_size, 1, kMaxVocabulary), "the vocabulary has no words, or more than 67108864");
  require(is_in(shape.d_head, 1, kMaxDHead), "d_k is outside 1 to " + std::to_string(kMaxDHead));
  require(shape.n_heads >= 1 && shape.n_heads <= kMaxWidth, "h is below 1");
  require(shape.n_kv_heads >= 1 && shape.n_heads % shape.n_kv_heads == 0,
          "kv_heads = " + std::to_string(shape.n_kv_heads) + " does not divide h = " + std::to_string(shape.n_heads));
  require(config.mlp != MlpKind::kSwiGlu || !config.has_mlp_bias || shape.d_ff == 0, "a SwiGLU MLP has no biases here");
  require(config.positions != PositionKind::kRotary || shape.d_head % 2 == 0,
          "rotary positions turn pairs: d_k = " + std::to_string(shape.d_head) + " is odd");
  require(config.positions == PositionKind::kRotary || is_in(shape.max_positions, 1, kMaxWidth),
          "learned positions need a length between 1 and 1048576");
  const bool has_encoder = config.kind == ModelKind::kEncoderDecoder;
  require(
      has_encoder ? is_in(config.n_encoder_layers, 1, kMaxLayers) : config.n_encoder_layers == 0,
      has_encoder ? "an encoder-decoder needs between 1 and 1024 encoder layers" : "only an encoder-decoder has encoder layers");
}

}  // namespace

ParameterLayout::ParameterLayout(const ModelConfig& config) : config_(config) {
  check_shape(config);
  ModelParams none;
  none.config = config;
  none.layers.resize(static_cast<std::size_t>(config.shape.n_layers));
  none.encoder_layers.resize(static_cast<std::size_t>(config.n_encoder_layers));
  walk_parameters(none, [this](const WalkedTensor& walked, Tensor&) {
    if (!walked.joins_previous) size_ = (size_ + kAlignment - 1) / kAlignment * kAlignment;
    slots_.push_back({walked.name, size_, walked.rows, walked.cols, walked.is_matrix});
    size_ += walked.rows * walked.cols;
  });
  size_ = (size_ + kAlignment - 1) / kAlignment * kAlignment;
}

std::int64_t ParameterLayout::n_parameters() const {
  std::int64_t n = 0;
  for (const ParameterSlot& slot : slots_)
    n += slot.size();
  return n;
}

const ParameterSlot& ParameterLayout::slot(std::string_view name) const {
  const auto found = std::ranges::find(slots_, name, &ParameterSlot::name);
  if (found == slots_.end()) throw Error("the model has no parameter named " + std::string(name));
  return *found;
}

std::vector<float> flatten(const ParameterLayout& layout, const ModelParams& params) {
  require(std::ssize(params.layers) == layout.config().shape.n_layers &&
              std::ssize(params.encoder_layers) == layout.config().n_encoder_layers,
          "the model has another number of layers than its configuration");
  for (const auto* layers : {&params.layers, &params.encoder_layers})
    for (const LayerParams& layer : *layers)
      require(std::ssize(layer.heads) == layout.config().shape.n_heads &&
                  std::ssize(layer.kv_heads) == layout.config().shape.n_kv_heads,
              "the model has pruned heads: train the whole model with those heads switched off");
  require(params.token_types.empty(), "a model with token types can be looked at, but not trained here");
  std::vector<float> flat(static_cast<std::size_t>(layout.size()));
  std::size_t next = 0;
  walk_parameters(params, [&](const WalkedTensor& walked, const Tensor& tensor) {
    const ParameterSlot& slot = layout.slots()[next++];
    require(tensor.size() == slot.size(), walked.name + " has " + std::to_string(tensor.size()) + " values, not " +
                                              std::to_string(slot.size()) + " as the configuration says");
    if (tensor.type() == FloatType::kFloat32) {
      const std::span<float> to =
          std::span(flat).subspan(static_cast<std::size_t>(slot.offset), static_cast<std::size_t>(slot.size()));
      if (tensor.type() == FloatType::kFloat32) {
        std::ranges::copy(tensor.span(), to.begin());
      } else {
        widen(tensor.type(), tensor.bits(), to);
      }
    } else {
      std::ranges::copy(tensor.widened().span(), flat.begin() + slot.offset);
    }
  });
  return flat;
}

ModelParams unflatten(const ParameterLayout& layout, std::span<const float> parameters) {
  require(std::ssize(parameters) == layout.size(), "the row of parameters has another length than the layout");
  ModelParams params;
  params.config = layout.config();
  params.layers.resize(static_cast<std::size_t>(layout.config().shape.n_layers));
  params.encoder_layers.resize(static_cast<std::size_t>(layout.config().n_encoder_layers));
  std::size_t next = 0;
  walk_parameters(params, [&](const WalkedTensor& walked, Tensor& tensor) {
    const ParameterSlot& slot = layout.slots()[next++];
    tensor = walked.is_matrix ? Tensor({slot.rows, slot.cols}) : Tensor({slot.cols});
    std::copy_n(parameters.begin() + slot.offset, slot.size(), tensor.data());
  });
  for (auto* layers : {&params.layers, &params.encoder_layers})
    for (LayerParams& layer : *layers)
      set_unpruned(layer, layout.config().shape.n_heads, layout.config().shape.n_kv_heads);
  return params;
}

std::vector<float> draw_parameters(const ParameterLayout& layout, std::uint64_t seed) {
  const ModelConfig& config = layout.config();
  const ModelShape& shape = config.shape;
  std::vector<float> flat(static_cast<std::size_t>(layout.size()));
  const double n_layers = static_cast<double>(std::max(shape.n_layers, config.n_encoder_layers));
  std::uint64_t counter = 0;
  // Normal numbers by Box and Muller from two counted uniform ones.
  const auto uniform = [&](std::uint32_t which) {
    const auto low = static_cast<std::uint32_t>(counter), high = static_cast<std::uint32_t>(counter >> 32);
    return (static_cast<double>(counter_hash(seed, {low, high, which})) + 0.5) / 4294967296.0;
  };
  const auto normal = [&] {
    const double value = std::sqrt(-2 * std::log(uniform(0))) * std::cos(6.283185307179586 * uniform(1));
    ++counter;
    return value;
  };
  for (const ParameterSlot& slot : layout.slots()) {
    const std::string_view full = slot.name;
    const std::string_view part = full.substr(full.rfind('.') == std::string_view::npos ? 0 : full.rfind('.') + 1);
    const bool is_norm = part.ends_with("norm"),
               is_bias = part.starts_with("b_") || part.find("bias") != std::string_view::npos || part.starts_with("cross_b_");
    float* const values = flat.data() + slot.offset;
    if (is_norm) {
      std::fill_n(values, slot.size(), 1.0F);
      continue;
    }
    double deviation = 0;
    if (!is_bias) {
      deviation = 1 / std::sqrt(static_cast<double>(std::max<std::int64_t>(slot.cols, 1)));
      const bool writes_to_stream = part == "w_o" || part == "w_down" || part == "cross_w_o";
      if (writes_to_stream) deviation /= std::sqrt(2 * n_layers);
    } else if (config.positions == PositionKind::kRotary && (part == "b_q" || part == "b_k")) {
      deviation = 0.5;
    }
    if (deviation == 0) continue;
    for (std::int64_t i = 0; i < slot.size(); ++i)
      values[i] = static_cast<float>(deviation * normal());
  }
  return flat;
}

}  // namespace headroom
