#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor/parallel.h"
#include "core/training/layout.h"

namespace headroom {

/// Source  Loshchilov and Hutter 2019, arXiv:1711.05101; Kingma and Ba 2015, arXiv:1412.6980.
struct AdamWOptions {
  float beta1 = 0.9f, beta2 = 0.98f;
  float epsilon = 1e-8f;
  float weight_decay = 0.01f;  ///< on matrices (ParameterSlot::decays)
  float clip_norm = 1;         ///< gradients are scaled down to this global norm; 0 = never
};

/// Decoupled weight decay, bias-corrected moments, and clipping of the global norm.
class AdamW {
 public:
  AdamW(const ParameterLayout& layout, const AdamWOptions& options);

  /// One step. Shapes  parameters, gradients [layout.size()]. Returns the norm of the gradient before clipping; when it is not finite,
  /// nothing is changed.
  double step(ThreadPool& pool, std::span<float> parameters, std::span<const float> gradients, float learning_rate);

  std::int64_t n_steps() const { return n_steps_; }
  /// For exact resuming. Shapes  as parameters.
  std::span<const float> first_moments() const { return std::span(m_).first(static_cast<std::size_t>(n_)); }
  std::span<const float> second_moments() const { return std::span(v_).first(static_cast<std::size_t>(n_)); }
  /// Errors  ShapeError when the sizes differ.
  void restore(std::span<const float> first_moments, std::span<const float> second_moments, std::int64_t n_steps);

 private:
  AdamWOptions options_;
  static constexpr std::size_t kSlack = 16;  ///< vectors may read past the end
  std::int64_t n_ = 0;
  std::vector<float> m_, v_;  ///< [n + kSlack]
  std::vector<float> decay_;  ///< [n + kSlack] weight decay of each parameter
  std::vector<double> sums_;  ///< of each stretch of gradients
  std::int64_t n_steps_ = 0;
};

}  // namespace headroom
