#include "core/figure/arithmetic.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "core/tensor/error.h"

namespace headroom {
namespace {

struct Exact {
  std::vector<double> products;
  double scale = 0, soft_cap = 0, row_max = 0, exp_sum = 0;
  std::optional<double> bias;
};

/// Each line from the rounded lines above it.
CellArithmetic chain(CellArithmetic cell, const Exact& exact, int decimals) {
  cell.decimals = decimals;
  cell.products = rounded_to_sum(exact.products, decimals);
  cell.sum = rounded(std::accumulate(exact.products.begin(), exact.products.end(), 0.0), decimals);
  cell.scale = rounded(exact.scale, decimals + 1);
  cell.score = rounded(cell.sum * cell.scale, decimals);
  double last = cell.score;
  if (exact.soft_cap > 0) {
    cell.soft_cap = rounded(exact.soft_cap, decimals);
    last = cell.capped = rounded(cell.soft_cap * std::tanh(cell.score / cell.soft_cap), decimals);
  }
  if (exact.bias) {
    cell.has_bias = true;
    cell.bias = rounded(*exact.bias, decimals);
    last = cell.biased = rounded(last + cell.bias, decimals);
  }
  cell.row_max = rounded(exact.row_max, decimals);
  cell.shifted = rounded(last - cell.row_max, decimals);
  const double exponential = std::exp(cell.shifted);
  cell.exponential = exponential < 0.01 ? rounded_to_digits(exponential, 3) : rounded(exponential, decimals);
  cell.exp_sum = rounded(exact.exp_sum, decimals);
  cell.probability = rounded_probability(cell.exponential / cell.exp_sum);
  return cell;
}

}  // namespace

double rounded(double value, int decimals) {
  const double unit = std::pow(10.0, decimals);
  const double answer = std::round(value * unit) / unit;
  return answer == 0 ? 0 : answer;  // never −0
}

double rounded_to_digits(double value, int digits) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double unit = std::pow(10.0, std::floor(std::log10(std::abs(value))) - digits + 1);
  return unit > 0 ? std::round(value / unit) * unit : 0;
}

double rounded_probability(double probability) {
  return probability < 0.0005 ? rounded_to_digits(probability, 2) : rounded(probability, 3);
}

std::vector<double> rounded_to_sum(const std::vector<double>& values, int decimals) {
  const double unit = std::pow(10.0, decimals);
  std::vector<double> floors(values.size()), rests(values.size());
  double floor_sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    floors[i] = std::floor(values[i] * unit);
    rests[i] = values[i] * unit - floors[i];
    floor_sum += floors[i];
  }
  const double total = std::round(std::accumulate(values.begin(), values.end(), 0.0) * unit);
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rests[a] > rests[b]; });
  const auto n_up = static_cast<std::size_t>(std::clamp(total - floor_sum, 0.0, static_cast<double>(values.size())));
  for (std::size_t i = 0; i < n_up; ++i)
    floors[order[i]] += 1;
  for (double& value : floors)
    value = value == 0 ? 0 : value / unit;
  return floors;
}

CellArithmetic explain_cell(const ForwardTrace& trace, std::int64_t layer, std::int64_t head, std::int64_t query,
                            std::int64_t key) {
  const LayerTrace& block = trace.layers.at(static_cast<std::size_t>(layer));
  const std::int64_t index = block.index_of(head);
  if (index < 0) throw Error("L" + std::to_string(layer) + " H" + std::to_string(head) + " is pruned: it computes nothing");
  const Cell cell = evaluate_cell(trace, layer, head, query, key);
  CellArithmetic answer;
  answer.is_visible = cell.is_visible;
  answer.q = cell.q;
  answer.k = cell.k;
  if (!block.attention.v.empty()) {
    const std::int64_t kv = block.kv_head_of[static_cast<std::size_t>(index)];
    const auto values =
        block.attention.v.row(key).subspan(static_cast<std::size_t>(kv * block.d_head), static_cast<std::size_t>(block.d_head));
    answer.v.assign(values.begin(), values.end());
  }

  const std::int64_t n = block.seq_k();
  const Tile row = evaluate_tile(trace, {.layer = layer,
                                         .head = head,
                                         .row_begin = query,
                                         .row_end = query + 1,
                                         .col_begin = 0,
                                         .col_end = n,
                                         .rows = 1,
                                         .cols = n,
                                         .quantity = Quantity::kScores,
                                         .pooling = Pooling::kMax});
  Exact exact;
  exact.scale = block.scale;
  exact.soft_cap = block.soft_cap;
  if (block.position_bias != nullptr) exact.bias = block.position_bias->at(index, key - query - block.mask.query_offset);
  exact.row_max = -INFINITY;
  for (const float score : row.values) {
    if (std::isnan(score)) continue;
    ++answer.n_visible;
    exact.row_max = std::max(exact.row_max, static_cast<double>(score));
  }
  for (const float score : row.values) {
    if (!std::isnan(score)) exact.exp_sum += std::exp(score - exact.row_max);
  }
  for (std::size_t c = 0; c < cell.q.size(); ++c)
    exact.products.push_back(static_cast<double>(cell.q[c]) * cell.k[c]);
  if (answer.n_visible == 0) {  // Nothing to normalise by: the products and the score stand alone.
    exact.row_max = 0;
    exact.exp_sum = 1;
  }

  // As few decimals as still lead to the true probability.
  constexpr int kFewest = 3, kMost = 6;
  for (int decimals = kFewest; decimals <= kMost; ++decimals) {
    answer = chain(std::move(answer), exact, decimals);
    if (!cell.is_visible) break;
    if (answer.probability == rounded_probability(cell.probability)) break;
  }
  if (!cell.is_visible) answer.probability = 0;
  return answer;
}

}  // namespace headroom
