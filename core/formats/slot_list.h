#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/formats/tensor_slot.h"

namespace headroom {

/// Names a family's tensors one after another.
class SlotList {
 public:
  /// A matrix and its bias, or a norm's gain and bias.
  struct Pair {
    Tensor& weight;
    Tensor& bias;
  };

  TensorSlot& plain(std::string name, std::vector<std::int64_t> dims, Tensor& tensor) {
    return slots_.emplace_back(TensorSlot::plain(std::move(name), std::move(dims), tensor));
  }
  void push(TensorSlot slot) { slots_.push_back(std::move(slot)); }
  /// NAME.weight [rows, cols] and NAME.bias [rows].
  void linear(const std::string& name, const Pair& tensors, std::int64_t rows, std::int64_t cols) {
    plain(name + ".weight", {rows, cols}, tensors.weight);
    plain(name + ".bias", {rows}, tensors.bias);
  }
  /// The second matrix of an MLP, [d_model, d_ff], with its bias.
  void mlp_end(const std::string& name, const Pair& tensors, const ModelShape& shape) {
    plain(name + ".weight", {shape.d_model, shape.d_ff}, tensors.weight);
    slots_.push_back(TensorSlot::mlp_bias(name + ".bias", shape, tensors.bias));
  }
  /// NAME.weight and NAME.bias, [size] each.
  void norm(const std::string& name, const Pair& tensors, std::int64_t size) {
    plain(name + ".weight", {size}, tensors.weight);
    plain(name + ".bias", {size}, tensors.bias);
  }
  std::size_t size() const { return slots_.size(); }
  /// The slots from `first` on are named whole, whatever the others begin with.
  void name_whole(std::size_t first) {
    for (std::size_t i = first; i < slots_.size(); ++i)
      slots_[i].has_prefix = false;
  }
  std::vector<TensorSlot> take() { return std::move(slots_); }

 private:
  std::vector<TensorSlot> slots_;
};

}  // namespace headroom
