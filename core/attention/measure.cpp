#include "core/attention/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/tensor/aligned_buffer.h"
#include "core/tensor/error.h"

namespace headroom {

namespace {

constexpr double kLargestError = 1e-4;
constexpr std::int64_t kCheckedTokens = 48;

KnownShape known(std::string name, AttentionConfig config, Direction direction) {
  config.mask.direction = direction;
  return {std::move(name), std::move(config)};
}

/// Tensors of a call, filled with numbers in [-1, 1) that are the same on every machine.
struct Problem {
  explicit Problem(const AttentionConfig& c)
      : q(count(c.batch * c.n_heads * c.seq_q * c.d_head)),
        k(count(c.batch * c.n_kv_heads * c.seq_k * c.d_head)),
        v(k.size()),
        out(q.size()),
        logsumexp(count(c.batch * c.n_heads * c.seq_q)) {
    std::uint32_t state = 1;
    for (AlignedBuffer<float>* buffer : {&q, &k, &v}) {
      for (float& value : buffer->span()) {
        state = state * 1664525u + 1013904223u;
        value = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
      }
    }
    inputs = {ConstHeadsView::interleaved(q.data(), c.batch, c.n_heads, c.seq_q, c.d_head),
              ConstHeadsView::interleaved(k.data(), c.batch, c.n_kv_heads, c.seq_k, c.d_head),
              ConstHeadsView::interleaved(v.data(), c.batch, c.n_kv_heads, c.seq_k, c.d_head)};
    outputs = {HeadsView::interleaved(out.data(), c.batch, c.n_heads, c.seq_q, c.d_head), logsumexp.span(), {}};
  }
  static std::size_t count(std::int64_t n) { return static_cast<std::size_t>(n); }

  AlignedBuffer<float> q, k, v, out, logsumexp;
  AttentionInputs inputs;
  AttentionOutputs outputs;
};

double error_against_reference(AttentionBackend& backend, AttentionConfig config) {
  config.seq_q = std::min(config.seq_q, kCheckedTokens);
  config.seq_k = std::min(config.seq_k, kCheckedTokens);
  Problem ours(config), theirs(config);
  backend.run(config, ours.inputs, ours.outputs);
  make_reference_backend()->run(config, theirs.inputs, theirs.outputs);
  double largest = 0;
  for (std::size_t i = 0; i < ours.out.size(); ++i) {
    const double error = std::abs(double{ours.out[i]} - double{theirs.out[i]});
    if (!(error <= largest)) largest = error;  // keeps a NaN
  }
  return largest;
}

}  // namespace

std::vector<KnownShape> known_shapes() {
  using enum Direction;
  return {
      known("BERT layer, 12 heads of 64, 128 tokens", {.n_heads = 12, .n_kv_heads = 12, .d_head = 64, .seq_q = 128, .seq_k = 128},
            kBidirectional),
      known("GPT-2 layer, 12 heads of 64, 1024 tokens, causal",
            {.n_heads = 12, .n_kv_heads = 12, .d_head = 64, .seq_q = 1024, .seq_k = 1024}, kCausal),
      known("GQA, 32 heads of 128 over 8, 1024 tokens, causal",
            {.n_heads = 32, .n_kv_heads = 8, .d_head = 128, .seq_q = 1024, .seq_k = 1024}, kCausal),
      known("12 heads of 64, 4096 tokens, causal", {.n_heads = 12, .n_kv_heads = 12, .d_head = 64, .seq_q = 4096, .seq_k = 4096},
            kCausal),
      known("decoding, 32 heads of 128 over 8, 1 query, 4096 keys",
            {.n_heads = 32, .n_kv_heads = 8, .d_head = 128, .seq_q = 1, .seq_k = 4096}, kBidirectional),
  };
}

double attention_flops(const AttentionConfig& config) {
  double pairs = 0;
  for (std::int64_t b = 0; b < config.batch; ++b)
    pairs += static_cast<double>(count_visible(config.mask, b, config.seq_q, config.seq_k));
  return 4 * pairs * static_cast<double>(config.n_heads) * static_cast<double>(config.d_head);
}

AttentionMeasurement measure_attention(AttentionBackend& backend, const AttentionConfig& config, double seconds) {
  using Clock = std::chrono::steady_clock;
  AttentionMeasurement result;
  result.largest_error = error_against_reference(backend, config);
  if (!(result.largest_error <= kLargestError)) {
    throw Error("the backend " + std::string(backend.name()) + " differs from the reference by " +
                std::to_string(result.largest_error) + ": it was not timed");
  }
  Problem problem(config);
  backend.run(config, problem.inputs, problem.outputs);
  std::vector<double> times;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (times.size() < 3 || Clock::now() < end) {
    const auto begin = Clock::now();
    backend.run(config, problem.inputs, problem.outputs);
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  result.ms = *middle;
  result.n_runs = static_cast<int>(times.size());
  return result;
}

}  // namespace headroom
