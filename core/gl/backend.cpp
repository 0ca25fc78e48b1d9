#include <algorithm>
#include <limits>
#include <vector>

#include "core/gl/attention.h"
#include "core/gl/attention_kernels.h"
#include "core/gl/context.h"
#include "core/gl/context_scope.h"
#include "core/tensor/error.h"

namespace headroom::gl {
namespace {

/// Rows of heads one after another, each padded with zeros to whole vec4s.
std::vector<float> packed(ConstHeadsView heads) {
  const std::int64_t width = 4 * vec4s(heads.d_head);
  std::vector<float> values(static_cast<std::size_t>(heads.batch * heads.n_heads * heads.seq * width), 0.0F);
  float* to = values.data();
  for (std::int64_t b = 0; b < heads.batch; ++b) {
    for (std::int64_t h = 0; h < heads.n_heads; ++h) {
      for (std::int64_t i = 0; i < heads.seq; ++i, to += width)
        std::copy_n(heads.row(b, h, i), heads.d_head, to);
    }
  }
  return values;
}

HeadsPlace packed_place(std::int64_t n_heads, std::int64_t seq, std::int64_t d4) { return {0, n_heads * seq * d4, seq * d4, d4}; }

class GlBackend final : public AttentionBackend {
 public:
  GlBackend(OffscreenContext& context, Kernel kernel)
      : kernel_(kernel), device_(context), state_(std::make_unique<State>(context.facts(), kernel)) {}
  ~GlBackend() override { device_.destroy(std::move(state_)); }

  std::string_view name() const override { return kernel_ == Kernel::kFused ? "gl" : "gl naive"; }
  bool materialises_probs() const override { return kernel_ == Kernel::kNaive; }
  Support supports(const AttentionConfig& config) const override { return state_->kernels.supports(config); }

  void run(const AttentionConfig& config, const AttentionInputs& inputs, const AttentionOutputs& outputs,
           std::stop_token stop) override {
    check_arguments(config, inputs, outputs);
    if (const Support support = supports(config); !support.ok) throw Error(support.reason);
    if (!outputs.probs.empty() && !materialises_probs()) throw Error("the fused kernel keeps no probabilities");
    device_.enter();
    const std::int64_t d4 = vec4s(config.d_head);
    const std::size_t out_floats = static_cast<std::size_t>(config.batch * config.n_heads * config.seq_q * d4 * 4);
    state_->q.upload(std::span<const float>(packed(inputs.q)), "q");
    state_->k.upload(std::span<const float>(packed(inputs.k)), "k");
    state_->v.upload(std::span<const float>(packed(inputs.v)), "v");
    state_->out.reserve(out_floats * sizeof(float), "head_out");
    state_->logsumexp.reserve(outputs.logsumexp.size_bytes(), "logsumexp");
    if (!config.pruned.empty()) {
      state_->out.fill(0.0F, out_floats * sizeof(float));
      state_->logsumexp.fill(-std::numeric_limits<float>::infinity(), outputs.logsumexp.size_bytes());
      std::fill(outputs.probs.begin(), outputs.probs.end(), 0.0F);
    }
    DeviceAttention tensors;
    tensors.q = &state_->q;
    tensors.k = &state_->k;
    tensors.v = &state_->v;
    tensors.out = &state_->out;
    tensors.logsumexp = &state_->logsumexp;
    tensors.q_place = packed_place(config.n_heads, config.seq_q, d4);
    tensors.k_place = packed_place(config.n_kv_heads, config.seq_k, d4);
    tensors.out_place = tensors.q_place;
    state_->kernels.run(config, tensors, outputs.probs, stop);
    state_->logsumexp.read(0, outputs.logsumexp);
    read_out(config, outputs.out, out_floats);
  }

 private:
  void read_out(const AttentionConfig& config, HeadsView out, std::size_t n_floats) const {
    std::vector<float> values(n_floats);
    state_->out.read(0, std::span<float>(values));
    const float* from = values.data();
    const std::int64_t width = 4 * vec4s(config.d_head);
    for (std::int64_t b = 0; b < config.batch; ++b) {
      for (std::int64_t h = 0; h < config.n_heads; ++h) {
        for (std::int64_t i = 0; i < config.seq_q; ++i, from += width)
          std::copy_n(from, config.d_head, out.row(b, h, i));
      }
    }
  }

  struct State {
    State(const DeviceFacts& facts, Kernel kernel) : kernels(facts, kernel) {}
    AttentionKernels kernels;
    Buffer q{Texel::kVec4}, k{Texel::kVec4}, v{Texel::kVec4}, out, logsumexp;
  };

  Kernel kernel_;
  ContextScope device_;
  std::unique_ptr<State> state_;
};

}  // namespace

std::unique_ptr<AttentionBackend> make_backend(OffscreenContext& context, Kernel kernel) {
  require_compute(context);
  return std::make_unique<GlBackend>(context, kernel);
}

}  // namespace headroom::gl
