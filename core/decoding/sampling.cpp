#include "core/decoding/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/tensor/error.h"

namespace headroom {
namespace {

/// exp(x - largest) of each as shares of their sum. `choices` hold logits where probabilities will stand, the largest first.
void to_probabilities(std::vector<Prediction>& choices) {
  const double largest = choices.front().probability;
  double sum = 0;
  for (Prediction& choice : choices)
    sum += choice.probability = std::exp(choice.probability - largest);
  for (Prediction& choice : choices)
    choice.probability /= sum;
}

}  // namespace

std::vector<Prediction> sample_choices(std::span<const float> logits, const SampleOptions& options) {
  if (logits.empty()) throw ShapeError("there are no words to choose from");
  const auto value = [&](std::int32_t id) {
    const float logit = logits[static_cast<std::size_t>(id)];
    return std::isnan(logit) ? -INFINITY : logit;
  };
  const auto is_before = [&](std::int32_t a, std::int32_t b) { return value(a) != value(b) ? value(a) > value(b) : a < b; };
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  if (options.temperature <= 0) return {{*std::min_element(order.begin(), order.end(), is_before), 1}};

  std::size_t n = order.size();
  if (options.top_k > 0 && options.top_k < std::ssize(order)) {
    // Those equal to the k-th stay too: which of them is "among the k" would be a matter of their ids.
    const auto k = static_cast<std::ptrdiff_t>(options.top_k);
    std::nth_element(order.begin(), order.begin() + (k - 1), order.end(), is_before);
    const float least = value(order[static_cast<std::size_t>(k - 1)]);
    n = static_cast<std::size_t>(
        std::partition(order.begin() + k, order.end(), [&](std::int32_t id) { return value(id) >= least; }) - order.begin());
  }
  order.resize(n);
  std::sort(order.begin(), order.end(), is_before);
  std::vector<Prediction> choices;
  choices.reserve(n);
  const double largest = value(order.front());
  for (const std::int32_t id : order) {
    // A word of no probability cannot be drawn; where all are so, or the largest has no bound, the first is taken.
    if (!choices.empty() && (value(id) == -INFINITY || std::isinf(largest))) break;
    choices.push_back({id, std::isinf(largest) ? 0 : (static_cast<double>(value(id)) - largest) / options.temperature});
  }
  to_probabilities(choices);
  if (options.top_p < 1) {
    double reached = 0;
    std::size_t kept = 0;
    while (kept < choices.size() && (kept == 0 || reached < options.top_p))
      reached += choices[kept++].probability;
    choices.resize(kept);
    for (Prediction& choice : choices)
      choice.probability /= reached;
  }
  return choices;
}

std::int32_t draw(std::span<const Prediction> choices, double uniform) {
  if (choices.empty()) throw ShapeError("there are no words to draw from");
  double reached = 0;
  for (const Prediction& choice : choices) {
    reached += choice.probability;
    if (uniform < reached) return choice.id;
  }
  return choices.back().id;  // rounding left the sum a hair below 1
}

double uniform_at(std::uint64_t seed, std::uint64_t step) {
  std::uint64_t z = seed + (step + 1) * 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
  z ^= z >> 31U;
  return static_cast<double>(z >> 11U) * 0x1.0p-53;
}

}  // namespace headroom
