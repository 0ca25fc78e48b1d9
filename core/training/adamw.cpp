#include "core/training/adamw.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/tensor/error.h"
#include "core/training/kernels.h"

namespace headroom {
namespace {

/// Parameters that one thread changes at a time; a multiple of a vector.
constexpr std::int64_t kStretch = 1 << 13;

}  // namespace

AdamW::AdamW(const ParameterLayout& layout, const AdamWOptions& options)
    : options_(options),
      n_(layout.size()),
      m_(static_cast<std::size_t>(layout.size()) + kSlack),
      v_(static_cast<std::size_t>(layout.size()) + kSlack),
      decay_(static_cast<std::size_t>(layout.size()) + kSlack),
      sums_(static_cast<std::size_t>((layout.size() + kStretch - 1) / kStretch)) {
  for (const ParameterSlot& slot : layout.slots())
    if (slot.decays) std::fill_n(decay_.begin() + slot.offset, slot.size(), options.weight_decay);
}

double AdamW::step(ThreadPool& pool, std::span<float> parameters, std::span<const float> gradients, float learning_rate) {
  if (std::ssize(parameters) != n_ || std::ssize(gradients) != n_)
    throw ShapeError("AdamW was made for another number of parameters");
  const std::int64_t n_stretches = std::ssize(sums_);
  const auto stretch_of = [this](std::int64_t stretch) {
    const std::int64_t begin = stretch * kStretch;
    return std::pair{static_cast<std::size_t>(begin), static_cast<std::size_t>(std::min(kStretch, n_ - begin))};
  };
  // Loops are passed by reference: a std::function of their own would allocate.
  const auto add_squares = [&](std::int64_t stretch, int) {
    const auto [begin, n] = stretch_of(stretch);
    sums_[static_cast<std::size_t>(stretch)] = training_kernels::sum_of_squares(gradients.subspan(begin, n));
  };
  pool.parallel_for(n_stretches, std::ref(add_squares));
  double squares = 0;
  for (const double sum : sums_)
    squares += sum;
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm)) return norm;
  const auto clip = static_cast<double>(options_.clip_norm);
  ++n_steps_;
  const auto t = static_cast<double>(n_steps_);
  const double correction1 = 1 - std::pow(static_cast<double>(options_.beta1), t),
               correction2 = 1 - std::pow(static_cast<double>(options_.beta2), t);
  training_kernels::AdamStep all;
  all.gradient_scale = clip > 0 && norm > clip ? static_cast<float>(clip / (norm + 1e-6)) : 1;
  all.beta1 = options_.beta1;
  all.beta2 = options_.beta2;
  all.epsilon = options_.epsilon;
  all.rate = learning_rate;
  all.step_size = static_cast<float>(static_cast<double>(learning_rate) / correction1);
  all.v_correction = static_cast<float>(1 / std::sqrt(correction2));
  const auto move = [&](std::int64_t stretch, int) {
    const auto [begin, n] = stretch_of(stretch);
    training_kernels::AdamStep part = all;
    part.n = static_cast<std::int64_t>(n);
    part.parameters = parameters.data() + begin;
    part.gradients = gradients.data() + begin;
    part.m = m_.data() + begin;
    part.v = v_.data() + begin;
    part.decay = decay_.data() + begin;
    training_kernels::adam_step(part);
  };
  pool.parallel_for(n_stretches, std::ref(move));
  return norm;
}

void AdamW::restore(std::span<const float> first_moments, std::span<const float> second_moments, std::int64_t n_steps) {
  if (std::ssize(first_moments) != n_ || std::ssize(second_moments) != n_)
    throw ShapeError("the moments are those of another number of parameters");
  std::ranges::copy(first_moments, m_.begin());
  std::ranges::copy(second_moments, v_.begin());
  n_steps_ = n_steps;
}

}  // namespace headroom
