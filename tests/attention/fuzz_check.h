#pragma once

#include <sstream>

#include "tests/attention/fuzz.h"

namespace headroom::fuzz {

/// How far rounding may move one row of the answer, and what the row saw.
///
/// A score in float32 is off by at most e = c u S, with S = |scale| sum |q_c k_c|, u = 2^-24 and c growing with the root of the number of terms.
/// So each probability is off by at most p (exp(2 e) - 1), and by no more than 1; and out, whose terms' changes add up to zero, by at most
/// the sum of those times |v - out|. Ties between huge scores, which rounding decides, are thereby allowed, and nothing else.
struct RowBound {
  double score = 0;         ///< absolute, of scores and so of logsumexp
  std::vector<double> out;  ///< absolute, one per coordinate
  /// Is q, or k at a key that the row sees, NaN or infinite? The same for v, one per coordinate.
  bool is_touched = false;
  std::vector<bool> is_value_touched;
  /// Could a product or sum leave float32's range, though the inputs do not? Then the row may hold anything.
  bool is_out_of_range = false;
};

class RowBounds {
 public:
  RowBounds(const Round& round, const conformance::Problem& problem, const conformance::Answer& expected)
      : config_(round.c.config), inputs_(problem.inputs), expected_(expected) {}

  RowBound at(std::int64_t b, std::int64_t head, std::int64_t i) const {
    const auto d_head = static_cast<std::size_t>(config_.d_head);
    RowBound bound{0, std::vector<double>(d_head, 0.0), false, std::vector<bool>(d_head, false), false};
    if (config_.is_pruned(head)) return bound;
    const double steps = 12 + 3 * std::sqrt(static_cast<double>(d_head));
    bound_scores({b, head, i}, steps * 0x1p-24, bound);
    // tanh, and adding a bias of some units.
    bound.score += 1e-6 * (static_cast<double>(config_.soft_cap) + (config_.position_bias != nullptr ? 10 : 0));
    const float* const out = expected_.out.row(b, head, i);
    const std::size_t first = static_cast<std::size_t>(((b * config_.n_heads + head) * config_.seq_q + i) * config_.seq_k);
    std::vector<double> largest(d_head, 0.0);
    for (std::int64_t j = 0; j < config_.seq_k; ++j) {
      if (!is_visible(config_.mask, b, i, j)) continue;
      const double p = static_cast<double>(expected_.probs[first + static_cast<std::size_t>(j)]);
      // Scores so large that rounding alone decides which key wins; p may be 0 for the one that does.
      const double growth = 2 * bound.score > 80 ? std::numeric_limits<double>::infinity() : std::expm1(2 * bound.score) + 1e-6;
      const double change = std::isinf(growth) ? 1.0 : std::min(1.0, p * growth + 1e-37);
      for (std::size_t c = 0; c < d_head; ++c) {
        const double v = element(inputs_.v, inputs_.v16, {b, config_.kv_head(head), j, static_cast<std::int64_t>(c)});
        if (!std::isfinite(v)) bound.is_value_touched[c] = true;
        if (!std::isfinite(v)) continue;
        // With dropout the changes do not add up to zero.
        const double reach = config_.dropout ? std::abs(v) / (1 - static_cast<double>(config_.dropout->probability))
                                             : std::abs(v - static_cast<double>(out[c]));
        bound.out[c] += change * reach + p * std::abs(v) * steps * 0x1p-24;
        largest[c] = std::max(largest[c], std::abs(v));
      }
    }
    for (std::size_t c = 0; c < d_head; ++c) {
      // Sums of many terms, and terms too small for float32.
      bound.out[c] += 4e-6 * std::abs(static_cast<double>(out[c])) + 1e-36 * (1 + largest[c]) * static_cast<double>(config_.seq_k);
    }
    return bound;
  }

 private:
  double element(const ConstHeadsView& wide, const ConstHeads16View& narrow, const std::array<std::int64_t, 4>& at) const {
    if (config_.kv_storage == KvStorage::kFloat32) return static_cast<double>(wide.row(at[0], at[1], at[2])[at[3]]);
    const std::uint16_t bits = narrow.row(at[0], at[1], at[2])[at[3]];
    return static_cast<double>(config_.kv_storage == KvStorage::kFloat16 ? from_float16(bits) : from_bfloat16(bits));
  }

  void bound_scores(const std::array<std::int64_t, 3>& row, double relative, RowBound& bound) const {
    const auto [b, head, i] = row;
    const double scale = std::abs(static_cast<double>(config_.effective_scale()));
    for (std::int64_t j = 0; j < config_.seq_k; ++j) {
      if (!is_visible(config_.mask, b, i, j)) continue;
      double size = 0;
      for (std::int64_t c = 0; c < config_.d_head; ++c) {
        const double k = element(inputs_.k, inputs_.k16, {b, config_.kv_head(head), j, c});
        size += std::abs(static_cast<double>(inputs_.q.row(b, head, i)[c]) * k);
        bound.is_touched = bound.is_touched || !std::isfinite(k) || !std::isfinite(inputs_.q.row(b, head, i)[c]);
      }
      if (!std::isfinite(size)) continue;
      bound.score = std::max(bound.score, relative * size * scale);
      bound.is_out_of_range = bound.is_out_of_range || size * std::max(1.0, 1.5 * scale) > 1e37;
    }
  }

  const AttentionConfig& config_;
  const AttentionInputs& inputs_;
  const conformance::Answer& expected_;
};

enum class Touched { kNo, kYes };

/// NaN and infinities only where the reference has them; where the row saw one, NaN will do for any result, and nothing finite for NaN.
/// An infinity is also what rounding to float32 makes of a number too large, so the largest are near it.
inline bool is_within(float actual, float expected, double bound, Touched touched) {
  if (std::isnan(actual)) return std::isnan(expected) || touched == Touched::kYes;
  if (std::isnan(expected)) return touched == Touched::kYes && std::isinf(actual);
  if (std::isinf(expected)) return actual == expected || (std::abs(actual) > 3e38F && actual * expected > 0);
  if (std::isinf(actual)) return std::abs(expected) > 3e38F;
  return std::abs(static_cast<double>(actual) - static_cast<double>(expected)) <= bound;
}

inline std::string difference(const std::string& what, float actual, float expected, double bound) {
  std::ostringstream text;
  text << what << ": " << actual << " instead of " << expected << ", allowed is a difference of " << bound;
  return text.str();
}

/// The first entry of one row that differs by more than its bound, or nothing.
inline std::string compare_row(const conformance::Answer& actual, const conformance::Answer& expected,
                               const std::array<std::int64_t, 3>& row, const RowBound& bound) {
  if (bound.is_out_of_range) return "";
  const auto [b, head, i] = row;
  const std::string where =
      " of batch entry " + std::to_string(b) + ", head " + std::to_string(head) + ", row " + std::to_string(i);
  const auto flat = static_cast<std::size_t>((b * actual.out.n_heads + head) * actual.out.seq + i);
  const float sum = actual.logsumexp[flat], expected_sum = expected.logsumexp[flat];
  const double sum_bound = bound.score + 3e-6 * (1 + std::abs(static_cast<double>(expected_sum)));
  if (!is_within(sum, expected_sum, sum_bound, bound.is_touched ? Touched::kYes : Touched::kNo)) {
    return difference("logsumexp" + where, sum, expected_sum, sum_bound);
  }
  for (std::size_t c = 0; c < bound.out.size(); ++c) {
    const float a = actual.out.row(b, head, i)[c], e = expected.out.row(b, head, i)[c];
    const bool is_touched = bound.is_touched || bound.is_value_touched[c];
    if (is_within(a, e, bound.out[c], is_touched ? Touched::kYes : Touched::kNo)) continue;
    return difference("out" + where + ", coordinate " + std::to_string(c), a, e, bound.out[c]);
  }
  return "";
}

/// Empty when every entry of out and logsumexp agrees with the reference as far as float32 can tell, and nothing else was written; otherwise
/// the first entry that differs.
inline std::string compare(const Round& round, const conformance::Problem& problem, const conformance::Answer& actual,
                           const conformance::Answer& expected) {
  const AttentionConfig& config = round.c.config;
  const RowBounds bounds(round, problem, expected);
  std::string wrong;
  std::vector<bool> is_element(actual.out_memory.size(), false);
  for (std::int64_t b = 0; b < config.batch; ++b) {
    for (std::int64_t head = 0; head < config.n_heads; ++head) {
      for (std::int64_t i = 0; i < config.seq_q; ++i) {
        if (wrong.empty()) wrong = compare_row(actual, expected, {b, head, i}, bounds.at(b, head, i));
        const std::int64_t begin = actual.out.row(b, head, i) - actual.out_memory.data();
        std::fill_n(is_element.begin() + begin, config.d_head, true);
      }
    }
  }
  for (std::size_t at = 0; at < is_element.size() && wrong.empty(); ++at) {
    if (is_element[at] || actual.out_memory[at] == conformance::Answer::kMarker) continue;
    wrong = "wrote between the rows of out, at " + std::to_string(at);
  }
  return wrong;
}

/// Runs the backend on the round and compares; where something is wrong, the text says what replays the round.
inline std::string check(AttentionBackend& backend, const Round& round) {
  const conformance::Problem problem = make_problem(round);
  conformance::Answer expected(round.c, true), actual(round.c, backend.materialises_probs());
  make_reference_backend()->run(round.c.config, problem.inputs, expected.outputs());
  backend.run(round.c.config, problem.inputs, actual.outputs());
  const std::string wrong = compare(round, problem, actual, expected);
  if (wrong.empty()) return wrong;
  return std::string(backend.name()) + ": " + wrong + "\n  in " + describe(round) +
         "\n  again with HEADROOM_FUZZ_SEED=" + std::to_string(round.seed);
}

}  // namespace headroom::fuzz
