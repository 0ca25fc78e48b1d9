#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/attention/backend.h"
#include "core/attention/dropout.h"
#include "core/tensor/dtype.h"
#include "core/tensor/error.h"
#include "core/tensor/work_count.h"

namespace headroom {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

using Place = std::array<std::int64_t, 4>;  ///< batch entry, head, row, coordinate

double element(const ConstHeadsView& view, const Place& at) { return static_cast<double>(view.row(at[0], at[1], at[2])[at[3]]); }
double element(const ConstHeads16View& view, const Place& at, KvStorage storage) {
  const std::uint16_t bits = view.row(at[0], at[1], at[2])[at[3]];
  return static_cast<double>(storage == KvStorage::kFloat16 ? from_float16(bits) : from_bfloat16(bits));
}

struct Row {
  std::int64_t b, head, i;
};

/// The oracle: what the formulas say, in double, one row at a time. No clever code here, ever.
class ReferenceBackend final : public AttentionBackend {
 public:
  std::string_view name() const override { return "reference"; }
  Support supports(const AttentionConfig& config) const override {
    const auto wrong = validate(config);
    return {!wrong.has_value(), wrong.value_or("")};
  }
  bool materialises_probs() const override { return true; }

  void run(const AttentionConfig& config, const AttentionInputs& inputs, const AttentionOutputs& outputs,
           std::stop_token stop) override {
    check_arguments(config, inputs, outputs);
    Counted counted;
    counted.is_read.resize(static_cast<std::size_t>(config.batch * config.n_kv_heads * config.seq_k));
    for (std::int64_t b = 0; b < config.batch; ++b) {
      for (std::int64_t head = 0; head < config.n_heads; ++head) {
        for (std::int64_t i = 0; i < config.seq_q; ++i) {
          if (stop.stop_requested()) throw Cancelled();
          run_row({config, inputs, outputs, counted}, {b, head, i});
        }
      }
    }
    tell_work(config, counted, outputs.work);
  }

 private:
  /// What was really computed and read, counted one by one.
  struct Counted {
    double rows = 0, pairs = 0;
    std::vector<bool> is_read;  ///< [batch, n_kv_heads, seq_k] keys that some query saw
  };
  struct Call {
    const AttentionConfig& config;
    const AttentionInputs& inputs;
    const AttentionOutputs& outputs;
    Counted& counted;
  };

  static void tell_work(const AttentionConfig& config, const Counted& counted, AttentionWork* work) {
    const auto d_head = static_cast<double>(config.d_head);
    const auto n_keys = static_cast<double>(std::count(counted.is_read.begin(), counted.is_read.end(), true));
    const double bytes = config.kv_storage == KvStorage::kFloat32 ? 4 : 2;
    const WorkCount done{.attention_flops = 4 * counted.pairs * d_head,
                         .kv_bytes = 2 * n_keys * d_head * bytes,
                         .query_bytes = 8 * counted.rows * d_head};
    record_work(done);
    if (work != nullptr)
      *work = {.flops = done.attention_flops,
               .bytes_moved = done.kv_bytes + done.query_bytes,
               .bytes_allocated = static_cast<double>(config.seq_k + config.d_head) * sizeof(double)};
  }

  static void run_row(const Call& call, Row row) {
    const AttentionConfig& config = call.config;
    const AttentionInputs& inputs = call.inputs;
    const AttentionOutputs& outputs = call.outputs;
    Counted& counted = call.counted;
    const std::int64_t b = row.b, head = row.head, i = row.i;
    const std::int64_t kv_head = config.kv_head(head);
    const auto key = [&](std::int64_t j, std::int64_t c) {
      const std::array at{b, kv_head, j, c};
      return config.kv_storage == KvStorage::kFloat32 ? element(inputs.k, at) : element(inputs.k16, at, config.kv_storage);
    };
    const auto value = [&](std::int64_t j, std::int64_t c) {
      const std::array at{b, kv_head, j, c};
      return config.kv_storage == KvStorage::kFloat32 ? element(inputs.v, at) : element(inputs.v16, at, config.kv_storage);
    };
    if (!config.is_pruned(head)) ++counted.rows;
    const double scale = config.effective_scale(), soft_cap = config.soft_cap;

    std::vector<double> scores(static_cast<std::size_t>(config.seq_k), kMinusInfinity);
    for (std::int64_t j = 0; j < config.seq_k; ++j) {
      if (config.is_pruned(head) || !is_visible(config.mask, b, i, j)) continue;
      ++counted.pairs;
      counted.is_read[static_cast<std::size_t>((b * config.n_kv_heads + kv_head) * config.seq_k + j)] = true;
      double product = 0;
      for (std::int64_t c = 0; c < config.d_head; ++c) {
        product += static_cast<double>(inputs.q.row(b, head, i)[c]) * key(j, c);
      }
      double score = scale * product;
      if (soft_cap > 0) score = soft_cap * std::tanh(score / soft_cap);
      if (config.position_bias != nullptr) {
        score += static_cast<double>(config.position_bias->at(head, j - (config.mask.query_offset + i)));
      }
      scores[static_cast<std::size_t>(j)] = score;
    }

    double maximum = kMinusInfinity;
    for (const double score : scores) {
      maximum = std::max(maximum, score);
    }
    double sum = 0;
    for (const double score : scores) {
      if (score != kMinusInfinity) sum += std::exp(score - maximum);
    }
    const double logsumexp = sum == 0 ? kMinusInfinity : maximum + std::log(sum);

    std::vector<double> out(static_cast<std::size_t>(config.d_head), 0.0);
    const std::int64_t flat_row = (b * config.n_heads + head) * config.seq_q + i;
    for (std::int64_t j = 0; j < config.seq_k; ++j) {
      const double score = scores[static_cast<std::size_t>(j)];
      const double prob = score == kMinusInfinity ? 0 : std::exp(score - logsumexp);
      if (!outputs.probs.empty()) outputs.probs[static_cast<std::size_t>(flat_row * config.seq_k + j)] = static_cast<float>(prob);
      if (score == kMinusInfinity) continue;
      double weight = prob;
      if (config.dropout)
        weight *= is_kept(*config.dropout, {b, head, i, j}) ? 1.0 / (1.0 - static_cast<double>(config.dropout->probability)) : 0.0;
      for (std::int64_t c = 0; c < config.d_head; ++c) {
        out[static_cast<std::size_t>(c)] += weight * value(j, c);
      }
    }
    for (std::int64_t c = 0; c < config.d_head; ++c) {
      outputs.out.row(b, head, i)[c] = static_cast<float>(out[static_cast<std::size_t>(c)]);
    }
    outputs.logsumexp[static_cast<std::size_t>(flat_row)] = static_cast<float>(logsumexp);
  }
};

}  // namespace

std::unique_ptr<AttentionBackend> make_reference_backend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace headroom
