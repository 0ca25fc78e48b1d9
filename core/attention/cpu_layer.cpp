#include <chrono>

#include "core/attention/project_heads.h"
#include "core/tensor/error.h"

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
    const ProjectedHeads heads(pool_, config, params);
    heads.check(x);

    AttentionLayerResult result;
    StageClock clock;
    heads.project(x, result);
    clock.stop(result.times, "q k v");
    if (stop.stop_requested()) throw Cancelled();

    heads.place(rotary, 0, result);
    clock.stop(result.times, "rotary");

    const std::int64_t d_head = config.d_head;
    result.head_out = Tensor({x.rows, config.n_heads * d_head}, Fill::kNone);
    result.logsumexp = Tensor({config.n_heads, x.rows}, Fill::kNone);
    if (config.n_heads > 0) {
      backend_.run(config, {heads_of(result.q, d_head), heads_of(result.k, d_head), heads_of(result.v, d_head)},
                   {heads_of(result.head_out, d_head), result.logsumexp.span(), {}}, stop);
    }
    clock.stop(result.times, "attention");

    heads.join(result);
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
