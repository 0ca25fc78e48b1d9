#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/analysis/tile.h"

namespace headroom {

/// How one probability comes about, in decimals that add up as printed: each line follows from the printed numbers above it.
///
///   sum = Σ products;  score = sum × scale;  capped = soft_cap × tanh(score / soft_cap) where the model has a cap;
///   biased = what came before + bias where it has one for the distance;  shifted = the last of these − row_max;
///   exponential = exp(shifted);  probability = exponential / exp_sum
///
/// Every value is already rounded to `decimals`, `probability` to 3; exponentials and probabilities too small for that keep 3 and 2
/// significant digits. The products are rounded so that their printed sum is the rounded sum
/// (largest remainders), so a single one may be off by one unit of the last decimal.
struct CellArithmetic {
  bool is_visible = true;
  int decimals = 3;
  std::vector<float> q, k;  ///< [d_head] exact, after rotation
  std::vector<float> v;     ///< [d_head] the key's value vector, which the probability weighs; empty where the trace keeps none
  std::vector<double> products;  ///< [d_head]
  double sum = 0, scale = 0, score = 0;
  double soft_cap = 0, capped = 0;  ///< soft_cap 0: the model has none
  bool has_bias = false;
  double bias = 0, biased = 0;
  double row_max = 0, shifted = 0, exponential = 0, exp_sum = 0;
  double probability = 0;
  std::int64_t n_visible = 0;  ///< keys that the query may see
};

/// Errors  as evaluate_cell; Error when the head is pruned.
CellArithmetic explain_cell(const ForwardTrace& trace, std::int64_t layer, std::int64_t head, std::int64_t query, std::int64_t key);

/// `values` rounded to `decimals` so that they sum to their rounded total: the method of largest remainders.
std::vector<double> rounded_to_sum(const std::vector<double>& values, int decimals);

double rounded(double value, int decimals);
/// To significant digits: 1.8437e-14 to 2 digits is 1.8e-14.
double rounded_to_digits(double value, int digits);
/// A probability to 3 decimals, or to 2 significant digits below 0.0005.
double rounded_probability(double probability);

}  // namespace headroom
