#include <chrono>

#include "core/attention/head_norm.h"
#include "core/attention/layer.h"
#include "core/tensor/error.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

/// Adds the time since the last call to `times`.
class StageClock {
 public:
  void stop(std::vector<StageTime>& times, const char* stage) {
    const auto now = std::chrono::steady_clock::now();
    times.push_back({stage, std::chrono::duration<double, std::milli>(now - begin_).count()});
    begin_ = now;
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

void check_matrix(const char* name, const ConstWeightView& matrix, std::int64_t rows, std::int64_t cols) {
  if (matrix.rows == rows && matrix.cols == cols) return;
  throw ShapeError(std::string(name) + " is [" + std::to_string(matrix.rows) + ", " + std::to_string(matrix.cols) +
                   "] instead of [" + std::to_string(rows) + ", " + std::to_string(cols) + "]");
}

class CpuAttentionLayer final : public AttentionLayer {
 public:
  CpuAttentionLayer(ThreadPool& pool, AttentionBackend& backend) : pool_(pool), backend_(backend) {}

  std::string_view name() const override { return backend_.name(); }

  Support supports(const AttentionConfig& config) const override {
    if (config.n_heads == 0) return {};  // every head pruned: nothing is left to compute
    if (config.batch != 1) return {false, "the layer reads one sequence, not a batch of " + std::to_string(config.batch)};
    if (config.seq_q != config.seq_k) return {false, "self-attention needs seq_q equal to seq_k"};
    if (config.mask.query_offset != 0)
      return {false, "self-attention of a whole sequence begins at position 0, not at query_offset"};
    return backend_.supports(config);
  }

  AttentionLayerResult run(const AttentionConfig& config, const AttentionLayerParams& params, const std::optional<Rotary>& rotary,
                           ConstMatrixView x, std::stop_token stop) override {
    if (const Support support = supports(config); !support.ok)
      throw ShapeError("the attention layer cannot run: " + support.reason);
    if (x.rows != config.seq_q) {
      throw ShapeError("x has " + std::to_string(x.rows) + " rows instead of seq " + std::to_string(config.seq_q));
    }
    const std::int64_t q_width = config.n_heads * config.d_head, kv_width = config.n_kv_heads * config.d_head;
    check_matrix("w_q", params.w_q, q_width, x.cols);
    check_matrix("w_k", params.w_k, kv_width, x.cols);
    check_matrix("w_v", params.w_v, kv_width, x.cols);
    check_matrix("w_o", params.w_o, params.w_o.rows, q_width);

    AttentionLayerResult result;
    StageClock clock;
    const std::int64_t seq = x.rows;
    result.q = Tensor({seq, q_width});
    result.k = Tensor({seq, kv_width});
    result.v = Tensor({seq, kv_width});
    const LinearPart parts[] = {{params.w_q, params.b_q, result.q.matrix()},
                                {params.w_k, params.b_k, result.k.matrix()},
                                {params.w_v, params.b_v, result.v.matrix()}};
    linear(pool_, x, parts);
    clock.stop(result.times, "q k v");
    if (stop.stop_requested()) throw Cancelled();

    const HeadsView q = HeadsView::interleaved(result.q.data(), 1, config.n_heads, seq, config.d_head);
    const HeadsView k = HeadsView::interleaved(result.k.data(), 1, config.n_kv_heads, seq, config.d_head);
    const HeadsView v = HeadsView::interleaved(result.v.data(), 1, config.n_kv_heads, seq, config.d_head);
    norm_heads({params.q_norm, params.norm_eps}, q);
    norm_heads({params.k_norm, params.norm_eps}, k);
    if (rotary && config.n_heads > 0) {
      const RotaryTable table = make_rotary_table(*rotary, 0, seq, config.d_head);
      rotate(table, q);
      rotate(table, k);
    }
    clock.stop(result.times, "rotary");

    result.head_out = Tensor({seq, q_width});
    result.logsumexp = Tensor({config.n_heads, seq});
    if (config.n_heads > 0) {
      const HeadsView out = HeadsView::interleaved(result.head_out.data(), 1, config.n_heads, seq, config.d_head);
      backend_.run(config, {q, k, v}, {out, result.logsumexp.span(), {}}, stop);
    }
    clock.stop(result.times, "attention");

    result.out = Tensor({seq, params.w_o.rows});
    linear(pool_, result.head_out.matrix(), params.w_o, params.b_o, result.out.matrix());
    clock.stop(result.times, "W_O");
    return result;
  }

 private:
  ThreadPool& pool_;
  AttentionBackend& backend_;
};

}  // namespace

std::unique_ptr<AttentionLayer> make_cpu_attention_layer(ThreadPool& pool, AttentionBackend& backend) {
  return std::make_unique<CpuAttentionLayer>(pool, backend);
}

}  // namespace headroom
