#include "core/training/weights.h"

#include <algorithm>
#include <functional>

#include "core/training/kernels.h"

namespace headroom {
namespace {

constexpr std::int64_t kAlignment = 16;
constexpr std::int64_t kRowsPerPiece = 64;

class Finder {
 public:
  explicit Finder(const ParameterLayout& layout) : layout_(layout) {}

  const ParameterSlot* find(const std::string& name) const {
    const auto found = std::ranges::find(layout_.slots(), name, &ParameterSlot::name);
    return found == layout_.slots().end() ? nullptr : &*found;
  }
  std::int64_t offset(const std::string& name) const {
    const ParameterSlot* const slot = find(name);
    return slot == nullptr ? -1 : slot->offset;
  }
  NormPlaces norm(const std::string& name) const { return {offset(name), offset(name + "_bias")}; }
  /// Several weights that lie one after another are one.
  LinearPlace linear(std::initializer_list<std::string> weights, const std::string& bias) {
    LinearPlace place;
    for (const std::string& weight : weights) {
      const ParameterSlot& slot = layout_.slot(weight);
      if (place.weight < 0) place.weight = slot.offset;
      place.outputs += slot.rows;
      place.inputs = slot.cols;
    }
    place.bias = offset(bias);
    place.transposed = transposed_size_;
    transposed_size_ = (transposed_size_ + place.outputs * place.inputs + kAlignment - 1) / kAlignment * kAlignment;
    return place;
  }
  std::int64_t transposed_size() const { return transposed_size_; }

 private:
  const ParameterLayout& layout_;
  std::int64_t transposed_size_ = 0;
};

BlockPlaces find_block(Finder& finder, const std::string& at) {
  BlockPlaces block;
  block.attention_norm = finder.norm(at + "attention_norm");
  block.qkv = finder.linear({at + "w_q", at + "w_k", at + "w_v"}, at + "b_q");
  block.out = finder.linear({at + "w_o"}, at + "b_o");
  block.reads_encoder = finder.find(at + "cross_w_q") != nullptr;
  if (block.reads_encoder) {
    block.cross_norm = finder.norm(at + "cross_norm");
    block.cross_q = finder.linear({at + "cross_w_q"}, at + "cross_b_q");
    block.cross_kv = finder.linear({at + "cross_w_k", at + "cross_w_v"}, at + "cross_b_k");
    block.cross_out = finder.linear({at + "cross_w_o"}, at + "cross_b_o");
  }
  block.mlp_norm = finder.norm(at + "mlp_norm");
  block.has_mlp = finder.find(at + "w_up") != nullptr;
  if (block.has_mlp) {
    block.up = finder.find(at + "w_gate") != nullptr ? finder.linear({at + "w_gate", at + "w_up"}, at + "b_up")
                                                     : finder.linear({at + "w_up"}, at + "b_up");
    block.down = finder.linear({at + "w_down"}, at + "b_down");
  }
  return block;
}

}  // namespace

ParameterPlaces::ParameterPlaces(const ParameterLayout& layout) {
  Finder finder(layout);
  embedding = finder.offset("embedding");
  main.positions = finder.offset("positions");
  main.embedding_norm = finder.norm("embedding_norm");
  for (std::int64_t i = 0; i < layout.config().shape.n_layers; ++i)
    main.blocks.push_back(find_block(finder, "layers." + std::to_string(i) + "."));
  encoder.positions = finder.offset("encoder.positions");
  encoder.embedding_norm = finder.norm("encoder.embedding_norm");
  for (std::int64_t i = 0; i < layout.config().n_encoder_layers; ++i)
    encoder.blocks.push_back(find_block(finder, "encoder." + std::to_string(i) + "."));
  final_norm = finder.norm("final_norm");
  if (layout.config().has_head_transform) {
    head_dense = finder.linear({"head_dense"}, "head_dense_bias");
    head_norm = finder.norm("head_norm");
  }
  output = finder.linear({layout.config().ties_embeddings ? "embedding" : "lm_head"}, "output_bias");
  transposed_size = finder.transposed_size();
}

std::vector<LinearPlace> ParameterPlaces::all_linear() const {
  std::vector<LinearPlace> all;
  for (const StackPlaces* stack : {&main, &encoder}) {
    for (const BlockPlaces& block : stack->blocks) {
      all.insert(all.end(), {block.qkv, block.out});
      if (block.reads_encoder) all.insert(all.end(), {block.cross_q, block.cross_kv, block.cross_out});
      if (block.has_mlp) all.insert(all.end(), {block.up, block.down});
    }
  }
  if (head_dense) all.push_back(*head_dense);
  all.push_back(output);
  return all;
}

TransposedWeights::TransposedWeights(const ParameterPlaces& places)
    : values_(static_cast<std::size_t>(places.transposed_size + 4 * kAlignment)) {
  for (const LinearPlace& place : places.all_linear())
    for (std::int64_t begin = 0; begin < place.outputs; begin += kRowsPerPiece)
      pieces_.push_back({place, begin, std::min(begin + kRowsPerPiece, place.outputs)});
}

void TransposedWeights::refresh(ThreadPool& pool, std::span<const float> parameters) {
  const int n_shares = pool.n_threads();
  // Passed by reference: a std::function of its own would allocate.
  const auto transpose_share = [&](std::int64_t share, int) {
    for (std::size_t i = static_cast<std::size_t>(share); i < pieces_.size(); i += static_cast<std::size_t>(n_shares)) {
      const auto& [place, begin, end] = pieces_[i];
      training_kernels::transpose({parameters.data() + place.weight + begin * place.inputs, end - begin, place.inputs, place.inputs,
                                   values_.data() + place.transposed + begin, place.outputs});
    }
  };
  pool.parallel_for(n_shares, std::ref(transpose_share));
}

}  // namespace headroom
