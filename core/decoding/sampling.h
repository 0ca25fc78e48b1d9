#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/model/forward.h"

namespace headroom {

/// Which of the words a model writes.
struct SampleOptions {
  double temperature = 0;  ///< 0: always the most probable; else logits are divided by it
  std::int64_t top_k = 0;  ///< only so many of the most probable, and those equal to the last of them; 0: all
  double top_p = 1;        ///< of those, the most probable that together reach this probability; at least one
};

/// The words that can be drawn, most probable first, with the probability of each: temperature, then top_k, then top_p, as in transformers'
/// logits processors; equal logits in the order of ids. Edge  temperature 0: the most probable alone. NaN counts as lowest.
/// Source  Fan et al. 2018, arXiv:1805.04833 (top-k); Holtzman et al. 2020, arXiv:1904.09751 (top-p).
std::vector<Prediction> sample_choices(std::span<const float> logits, const SampleOptions& options);

/// The one of `choices` that `uniform` in [0, 1) falls on when their probabilities stand one after another.
/// Edge  the first when there is one. Errors  ShapeError when there is none.
std::int32_t draw(std::span<const Prediction> choices, double uniform);

/// Number `step` of the sequence that `seed` names, in [0, 1), 53 bits: the same on every machine, and any of them by itself.
/// Source  SplitMix64: Steele, Lea & Flood 2014, doi:10.1145/2714064.2660195.
double uniform_at(std::uint64_t seed, std::uint64_t step);

}  // namespace headroom
