#pragma once

#include <cstdint>
#include <span>

namespace headroom {

// What logits say of the next token; all in double, -inf is a probability of 0.

/// log Σ exp(logits). Edge  -inf when no word is possible.
double log_sum_exp(std::span<const float> logits);

/// Of the word `id`, by softmax.
double probability_of(std::span<const float> logits, std::int32_t id);

/// The word of the largest logit; of equals the first. NaN counts as lowest.
std::int32_t most_probable(std::span<const float> logits);

/// Kullback-Leibler divergence Σ p log(p / q) of softmax(logits_p) from softmax(logits_q), nats; never below 0. Shapes  alike.
double divergence(std::span<const float> logits_p, std::span<const float> logits_q);

}  // namespace headroom
