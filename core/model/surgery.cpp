#include "core/model/surgery.h"

#include <algorithm>
#include <string>

#include "core/tensor/error.h"

namespace headroom {
namespace {

std::string number(std::int64_t value) { return std::to_string(value); }

/// Slicing and pooling move the boundaries of heads, which pruned layers no longer share: cut first, prune last.
void require_unpruned(const ModelParams& params, const char* what) {
  const ModelShape& shape = params.config.shape;
  for (std::size_t l = 0; l < params.layers.size(); ++l) {
    const LayerParams& layer = params.layers[l];
    if (std::ssize(layer.heads) != shape.n_heads || std::ssize(layer.kv_heads) != shape.n_kv_heads) {
      throw ShapeError("layer " + std::to_string(l) + " has pruned heads; " + what + " before pruning");
    }
  }
}

/// Mean over each group of `group` neighbouring blocks of d_head rows, as float32: the mean of numbers of 16 bits is seldom one. A bias is a
/// matrix of one column.
Tensor mean_of_groups(const Tensor& stored, std::int64_t d_head, std::int64_t group) {
  if (stored.empty() || group == 1) return stored;
  const Tensor tensor = stored.widened();
  std::vector<std::int64_t> shape = tensor.shape();
  const std::int64_t cols = tensor.size() / shape[0];
  const std::int64_t block = d_head * cols;
  shape[0] /= group;
  Tensor pooled(shape);
  for (std::int64_t i = 0; i < pooled.size(); ++i) {
    const float* first = tensor.data() + (i / block) * group * block + i % block;
    double sum = 0;
    for (std::int64_t member = 0; member < group; ++member)
      sum += first[member * block];
    pooled.data()[i] = static_cast<float>(sum / static_cast<double>(group));
  }
  return pooled;
}

/// A tensor of the same stored type, zero but for what move(from, to) puts there; both point to the first value, as stored.
template <typename Move>
Tensor moved_to(std::vector<std::int64_t> shape, const Tensor& tensor, const Move& move) {
  Tensor result(std::move(shape), tensor.type());
  if (tensor.type() == FloatType::kFloat32) {
    std::ranges::fill(result.span(), 0.0F);
    move(tensor.data(), result.data());
  } else {
    std::ranges::fill(result.bits(), std::uint16_t{0});
    move(tensor.bits().data(), result.bits().data());
  }
  return result;
}

/// The blocks of d_head rows (or bias entries) of the heads in `kept`, one after another.
Tensor keep_rows(const Tensor& tensor, std::int64_t d_head, const std::vector<std::int64_t>& kept) {
  if (tensor.shape().empty()) return tensor;
  std::vector<std::int64_t> shape = tensor.shape();
  const std::int64_t block = d_head * (tensor.rank() == 2 ? shape[1] : 1);
  shape[0] = std::ssize(kept) * d_head;
  return moved_to(shape, tensor, [&](const auto* from, auto* to) {
    for (const std::int64_t head : kept)
      to = std::copy_n(from + head * block, block, to);
  });
}

/// The same for blocks of d_head columns of a matrix.
Tensor keep_columns(const Tensor& tensor, std::int64_t d_head, const std::vector<std::int64_t>& kept) {
  return moved_to({tensor.dim(0), std::ssize(kept) * d_head}, tensor, [&](const auto* from, auto* to) {
    for (std::int64_t r = 0; r < tensor.dim(0); ++r)
      for (const std::int64_t head : kept)
        to = std::copy_n(from + r * tensor.dim(1) + head * d_head, d_head, to);
  });
}

std::vector<std::int64_t> pick(const std::vector<std::int64_t>& values, const std::vector<std::int64_t>& indices) {
  std::vector<std::int64_t> picked;
  picked.reserve(indices.size());
  for (const std::int64_t index : indices)
    picked.push_back(values[static_cast<std::size_t>(index)]);
  return picked;
}

void prune_layer(LayerParams& layer, std::int64_t d_head, const std::vector<std::int64_t>& pruned) {
  std::vector<std::int64_t> kept;     // indices among the layer's present heads
  std::vector<std::int64_t> kept_kv;  // likewise K/V heads that one of them reads; ascending
  for (std::size_t i = 0; i < layer.heads.size(); ++i) {
    if (std::find(pruned.begin(), pruned.end(), layer.heads[i]) == pruned.end()) {
      kept.push_back(static_cast<std::int64_t>(i));
      kept_kv.push_back(layer.kv_head_of[i]);
    }
  }
  std::sort(kept_kv.begin(), kept_kv.end());
  kept_kv.erase(std::unique(kept_kv.begin(), kept_kv.end()), kept_kv.end());

  layer.w_q = keep_rows(layer.w_q, d_head, kept);
  layer.b_q = keep_rows(layer.b_q, d_head, kept);
  if (layer.is_drawn()) layer.w_o = keep_columns(layer.w_o, d_head, kept);
  layer.w_k = keep_rows(layer.w_k, d_head, kept_kv);
  layer.b_k = keep_rows(layer.b_k, d_head, kept_kv);
  layer.w_v = keep_rows(layer.w_v, d_head, kept_kv);
  layer.b_v = keep_rows(layer.b_v, d_head, kept_kv);
  layer.kv_head_of = pick(layer.kv_head_of, kept);
  for (std::int64_t& kv : layer.kv_head_of)
    kv = std::lower_bound(kept_kv.begin(), kept_kv.end(), kv) - kept_kv.begin();
  layer.heads = pick(layer.heads, kept);
  layer.kv_heads = pick(layer.kv_heads, kept_kv);
}

/// The inverse of keep_rows: block i goes to the place of heads[i] among n_heads, the rest is zero.
Tensor spread_rows(const Tensor& tensor, std::int64_t d_head, const std::vector<std::int64_t>& heads, std::int64_t n_heads) {
  if (tensor.shape().empty()) return tensor;
  std::vector<std::int64_t> shape = tensor.shape();
  const std::int64_t block = d_head * (tensor.rank() == 2 ? shape[1] : 1);
  shape[0] = n_heads * d_head;
  return moved_to(shape, tensor, [&](const auto* from, auto* to) {
    for (std::size_t i = 0; i < heads.size(); ++i)
      std::copy_n(from + static_cast<std::int64_t>(i) * block, block, to + heads[i] * block);
  });
}

/// The inverse of keep_columns.
Tensor spread_columns(const Tensor& tensor, std::int64_t d_head, const std::vector<std::int64_t>& heads, std::int64_t n_heads) {
  return moved_to({tensor.dim(0), n_heads * d_head}, tensor, [&](const auto* from, auto* to) {
    for (std::int64_t r = 0; r < tensor.dim(0); ++r)
      for (std::size_t i = 0; i < heads.size(); ++i)
        std::copy_n(from + r * tensor.dim(1) + static_cast<std::int64_t>(i) * d_head, d_head,
                    to + r * n_heads * d_head + heads[i] * d_head);
  });
}

}  // namespace

std::string find_slice_problem(const ModelConfig& config) {
  const std::string stays = "h stays " + number(config.shape.n_heads) + ": ";
  if (config.has_qk_norm)
    return stays + "the model norms q and k of each head, with gains for d_k = " + number(config.shape.d_head);
  if (config.positions == PositionKind::kRelative) return stays + "the model has learned a bias of each head for each distance";
  if (config.positions == PositionKind::kRotary && config.rope_scaling.kind == RopeScaling::Kind::kLongRope)
    return stays + "the model's rotary positions name a factor for each pair of d_k = " + number(config.shape.d_head);
  if (config.positions == PositionKind::kRotary && config.rotary_share < 1)
    return stays + "a part of each head turns with the position, and the rest does not";
  return {};
}

ModelParams slice_heads(const ModelParams& params, std::int64_t n_heads) {
  require_unpruned(params, "slice");
  const ModelShape& old = params.config.shape;
  if (n_heads == old.n_heads) return params;
  if (const std::string problem = find_slice_problem(params.config); !problem.empty()) throw ShapeError(problem);
  if (const Snapped snapped = snap_heads(old, n_heads, params.config.positions); snapped.value != n_heads)
    throw ShapeError(snapped.why);
  ModelParams result = params;
  ModelShape& shape = result.config.shape;
  shape.d_head = old.n_heads * old.d_head / n_heads;
  shape.n_heads = n_heads;
  shape.n_kv_heads = old.n_kv_heads * old.d_head / shape.d_head;
  for (auto* layers : {&result.layers, &result.encoder_layers})
    for (LayerParams& layer : *layers)
      set_unpruned(layer, shape.n_heads, shape.n_kv_heads);
  return result;
}

ModelParams pool_kv_heads(const ModelParams& params, std::int64_t n_kv_heads) {
  require_unpruned(params, "pool");
  const ModelShape& old = params.config.shape;
  if (n_kv_heads < 1 || old.n_kv_heads % n_kv_heads != 0) {
    throw ShapeError("kv_heads = " + number(n_kv_heads) + " does not divide the model's " + number(old.n_kv_heads) + " K/V heads");
  }
  const std::int64_t group = old.n_kv_heads / n_kv_heads;
  ModelParams result = params;
  result.config.shape.n_kv_heads = n_kv_heads;
  for (auto* layers : {&result.layers, &result.encoder_layers}) {
    for (LayerParams& layer : *layers) {
      for (Tensor* tensor :
           {&layer.w_k, &layer.b_k, &layer.w_v, &layer.b_v, &layer.cross.w_k, &layer.cross.b_k, &layer.cross.w_v, &layer.cross.b_v})
        *tensor = mean_of_groups(*tensor, old.d_head, group);
      set_unpruned(layer, old.n_heads, n_kv_heads);
    }
  }
  return result;
}

ModelParams prune_heads(const ModelParams& params, std::span<const HeadRef> heads) {
  const ModelShape& shape = params.config.shape;
  std::vector<std::vector<std::int64_t>> pruned(params.layers.size());
  for (const HeadRef& ref : heads) {
    if (ref.layer < 0 || ref.layer >= std::ssize(params.layers) || ref.head < 0 || ref.head >= shape.n_heads) {
      throw ShapeError("head " + number(ref.head) + " of layer " + number(ref.layer) + " does not exist; the model has " +
                       number(std::ssize(params.layers)) + " layers of " + number(shape.n_heads) + " heads");
    }
    pruned[static_cast<std::size_t>(ref.layer)].push_back(ref.head);
  }
  ModelParams result = params;
  for (std::size_t l = 0; l < pruned.size(); ++l) {
    if (!pruned[l].empty()) prune_layer(result.layers[l], shape.d_head, pruned[l]);
  }
  return result;
}

ModelParams fill_pruned_heads(const ModelParams& params) {
  const ModelShape& shape = params.config.shape;
  ModelParams result = params;
  for (LayerParams& layer : result.layers) {
    if (std::ssize(layer.heads) == shape.n_heads) continue;
    layer.w_q = spread_rows(layer.w_q, shape.d_head, layer.heads, shape.n_heads);
    layer.b_q = spread_rows(layer.b_q, shape.d_head, layer.heads, shape.n_heads);
    if (layer.is_drawn()) layer.w_o = spread_columns(layer.w_o, shape.d_head, layer.heads, shape.n_heads);
    for (Tensor* tensor : {&layer.w_k, &layer.b_k, &layer.w_v, &layer.b_v})
      *tensor = spread_rows(*tensor, shape.d_head, layer.kv_heads, shape.n_kv_heads);
    set_unpruned(layer, shape.n_heads, shape.n_kv_heads);
  }
  return result;
}

}  // namespace headroom
