#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "core/attention/backend.h"
#include "core/attention/counter_hash.h"
#include "core/tensor/dtype.h"

/// The cases that every attention backend runs, and the comparison with the reference. Header only, so that each room's tests can run the
/// same suite on its own backend:
///
///   for (const Case& c : conformance::cases()) EXPECT_EQ(conformance::check(backend, c), "") << c.name;
namespace headroom::conformance {

/// kPadded: head-major, but rows, heads and batch entries lie further apart than they are long.
enum class Layout { kHeadMajor, kInterleaved, kPadded };

struct Case {
  std::string name;
  AttentionConfig config;
  Layout layout = Layout::kHeadMajor;
  /// q, k and v are about normal with this standard deviation.
  float spread = 1;
  /// Largest |actual - reference| / (1 + |reference|) of an element of out, of logsumexp, and of probs.
  double out_tolerance = 1e-5;
  double logsumexp_tolerance = 3e-6;
  double probs_tolerance = 1e-5;
};
inline void PrintTo(const Case& c, std::ostream* stream) { *stream << c.name; }

/// Deterministic values, about normal (the sum of four uniform ones), the same on every platform.
inline std::vector<float> values(std::size_t n, std::uint32_t seed, float spread) {
  std::vector<float> result(n);
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (std::uint32_t part = 0; part < 4; ++part) {
      sum += counter_hash(seed, {static_cast<std::uint32_t>(i), part}) / 4294967296.0 - 0.5;
    }
    result[i] = static_cast<float>(sum * 1.7320508 * static_cast<double>(spread));
  }
  return result;
}

struct HeadsShape {
  std::int64_t batch, n_heads, seq, d_head;
};

inline HeadsView place(float* data, Layout layout, const HeadsShape& s) {
  if (layout == Layout::kHeadMajor) return HeadsView::head_major(data, s.batch, s.n_heads, s.seq, s.d_head);
  if (layout == Layout::kInterleaved) return HeadsView::interleaved(data, s.batch, s.n_heads, s.seq, s.d_head);
  const std::int64_t row = s.d_head + 3, head = s.seq * row + 5, batch = s.n_heads * head + 7;
  return {data, s.batch, s.n_heads, s.seq, s.d_head, batch, head, row};
}

inline std::size_t memory_size(Layout layout, const HeadsShape& s) {
  const HeadsView view = place(nullptr, layout, s);
  return static_cast<std::size_t>(s.batch * std::max(view.batch_stride, s.n_heads * s.seq * s.d_head));
}

/// One backend's answer. Every float starts as a marker, so that what was not written shows.
struct Answer {
  static constexpr float kMarker = -12345.5F;
  std::vector<float> out_memory;
  HeadsView out;
  std::vector<float> logsumexp, probs;

  Answer(const Case& c, bool with_probs) {
    const AttentionConfig& config = c.config;
    const HeadsShape shape{config.batch, config.n_heads, config.seq_q, config.d_head};
    out_memory.assign(memory_size(c.layout, shape), kMarker);
    out = place(out_memory.data(), c.layout, shape);
    const auto n_rows = static_cast<std::size_t>(config.batch * config.n_heads * config.seq_q);
    logsumexp.assign(n_rows, kMarker);
    if (with_probs) probs.assign(n_rows * static_cast<std::size_t>(config.seq_k), kMarker);
  }
  AttentionOutputs outputs() { return {out, logsumexp, probs}; }
};

/// q, k and v of a case. Where the case stores k and v in 16 bits only those are given.
struct Problem {
  std::vector<float> q_memory, k_memory, v_memory;
  std::vector<std::uint16_t> k16_memory, v16_memory;
  AttentionInputs inputs;

  explicit Problem(const Case& c) {
    const AttentionConfig& config = c.config;
    const HeadsShape q{config.batch, config.n_heads, config.seq_q, config.d_head};
    const HeadsShape kv{config.batch, config.n_kv_heads, config.seq_k, config.d_head};
    q_memory = values(memory_size(c.layout, q), 11, c.spread);
    k_memory = values(memory_size(c.layout, kv), 22, c.spread);
    v_memory = values(memory_size(c.layout, kv), 33, c.spread);
    inputs = {place(q_memory.data(), c.layout, q), place(k_memory.data(), c.layout, kv), place(v_memory.data(), c.layout, kv)};
    store(c);
  }
  void store(const Case& c);
};

/// Puts the float32 keys and values into the case's storage, and takes them away where that is another.
inline void Problem::store(const Case& c) {
  if (c.config.kv_storage == KvStorage::kFloat32) return;
  k16_memory.resize(k_memory.size());
  v16_memory.resize(v_memory.size());
  const bool is_half = c.config.kv_storage == KvStorage::kFloat16;
  is_half ? to_float16(k_memory, k16_memory) : to_bfloat16(k_memory, k16_memory);
  is_half ? to_float16(v_memory, v16_memory) : to_bfloat16(v_memory, v16_memory);
  const auto narrow = [](const ConstHeadsView& wide, const std::uint16_t* data) {
    return ConstHeads16View{data,        wide.batch,        wide.n_heads,     wide.seq,
                            wide.d_head, wide.batch_stride, wide.head_stride, wide.row_stride};
  };
  inputs.k16 = narrow(inputs.k, k16_memory.data());
  inputs.v16 = narrow(inputs.v, v16_memory.data());
  inputs.k = inputs.v = {};
}

/// Non-finite must match non-finite exactly; finite within the tolerance.
inline bool is_close(float actual, float expected, double tolerance) {
  if (std::isnan(expected)) return std::isnan(actual);
  if (std::isinf(expected) || !std::isfinite(actual)) return actual == expected;
  const double reference = static_cast<double>(expected);
  return std::abs(static_cast<double>(actual) - reference) <= tolerance * (1 + std::abs(reference));
}

inline std::string difference(const std::string& where, float actual, float expected) {
  return where + ": " + std::to_string(actual) + " instead of " + std::to_string(expected) + " (difference " +
         std::to_string(static_cast<double>(actual) - static_cast<double>(expected)) + ")";
}

inline std::string compare_spans(const std::string& name, const std::vector<float>& actual, const std::vector<float>& expected,
                                 double tolerance) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!is_close(actual[i], expected[i], tolerance))
      return difference(name + "[" + std::to_string(i) + "]", actual[i], expected[i]);
  }
  return "";
}

inline std::string compare_out(const Case& c, const Answer& actual, const Answer& expected) {
  std::vector<bool> is_element(actual.out_memory.size(), false);
  for (std::int64_t b = 0; b < c.config.batch; ++b) {
    for (std::int64_t h = 0; h < c.config.n_heads; ++h) {
      for (std::int64_t i = 0; i < c.config.seq_q; ++i) {
        for (std::int64_t d = 0; d < c.config.d_head; ++d) {
          const float a = actual.out.row(b, h, i)[d], e = expected.out.row(b, h, i)[d];
          is_element[static_cast<std::size_t>(actual.out.row(b, h, i) + d - actual.out_memory.data())] = true;
          if (is_close(a, e, c.out_tolerance)) continue;
          return difference(
              "out[" + std::to_string(b) + ", " + std::to_string(h) + ", " + std::to_string(i) + ", " + std::to_string(d) + "]", a,
              e);
        }
      }
    }
  }
  for (std::size_t i = 0; i < is_element.size(); ++i) {
    if (!is_element[i] && actual.out_memory[i] != Answer::kMarker)
      return "out was written between its rows, at " + std::to_string(i);
  }
  return "";
}

/// Runs the backend on the case. Empty when it agrees with the reference in every entry of out, logsumexp and, where the backend
/// materialises them, probs; otherwise the first entry that differs.
inline std::string check(AttentionBackend& backend, const Case& c) {
  const Problem problem(c);
  Answer expected(c, backend.materialises_probs()), actual(c, backend.materialises_probs());
  make_reference_backend()->run(c.config, problem.inputs, expected.outputs());
  backend.run(c.config, problem.inputs, actual.outputs());
  std::string wrong = compare_out(c, actual, expected);
  if (wrong.empty()) wrong = compare_spans("logsumexp", actual.logsumexp, expected.logsumexp, c.logsumexp_tolerance);
  if (wrong.empty()) wrong = compare_spans("probs", actual.probs, expected.probs, c.probs_tolerance);
  return wrong.empty() ? wrong : c.name + ", " + std::string(backend.name()) + ": " + wrong;
}

}  // namespace headroom::conformance

#include "tests/attention/conformance_cases.h"
