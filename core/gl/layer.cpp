#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/gl/attention.h"
#include "core/gl/attention_kernels.h"
#include "core/gl/context.h"
#include "core/gl/context_scope.h"
#include "core/gl/layer_kernels.h"
#include "core/gl/stage_timer.h"
#include "core/gl/weight_cache.h"
#include "core/tensor/error.h"

namespace headroom::gl {
namespace {

void check_matrix(const char* name, const ConstWeightView& matrix, std::int64_t rows, std::int64_t cols) {
  if (matrix.rows == rows && matrix.cols == cols) return;
  throw ShapeError(std::string(name) + " is [" + std::to_string(matrix.rows) + ", " + std::to_string(matrix.cols) + "], not [" +
                   std::to_string(rows) + ", " + std::to_string(cols) + "]");
}

void check_bias(const char* name, std::span<const float> bias, std::int64_t n) {
  if (bias.empty() || std::cmp_equal(bias.size(), n)) return;
  throw ShapeError(std::string(name) + " has " + std::to_string(bias.size()) + " values, not " + std::to_string(n));
}

void check_layer(const AttentionConfig& config, const AttentionLayerParams& params, const std::optional<Rotary>& rotary,
                 ConstMatrixView x) {
  if (config.batch != 1)
    throw ShapeError("an attention layer computes one sequence, not a batch of " + std::to_string(config.batch));
  if (x.rows != config.seq_q) {
    throw ShapeError("x has " + std::to_string(x.rows) + " rows instead of seq " + std::to_string(config.seq_q));
  }
  if (rotary && config.d_head % 2 != 0) throw ShapeError("rotary positions turn pairs; d_head is " + std::to_string(config.d_head));
  check_matrix("W_Q", params.w_q, config.n_heads * config.d_head, x.cols);
  check_matrix("W_K", params.w_k, config.n_kv_heads * config.d_head, x.cols);
  check_matrix("W_V", params.w_v, config.n_kv_heads * config.d_head, x.cols);
  check_matrix("W_O", params.w_o, params.w_o.rows, config.n_heads * config.d_head);
  check_bias("b_q", params.b_q, config.n_heads * config.d_head);
  check_bias("b_k", params.b_k, config.n_kv_heads * config.d_head);
  check_bias("b_v", params.b_v, config.n_kv_heads * config.d_head);
  check_bias("b_o", params.b_o, params.w_o.rows);
}

/// Sizes of one run in vec4s: a row of qkv holds q, k and v side by side.
struct Sizes {
  Sizes(const AttentionConfig& config, std::int64_t d_model, std::int64_t d_out)
      : seq(config.seq_q),
        d4(vec4s(config.d_head)),
        d_model4(vec4s(d_model)),
        d_out4(vec4s(d_out)),
        q_row4(config.n_heads * d4),
        kv_row4(config.n_kv_heads * d4),
        qkv_row4(q_row4 + 2 * kv_row4) {}
  std::size_t bytes(std::int64_t row4) const { return static_cast<std::size_t>(seq * row4) * 16; }
  std::int64_t seq, d4, d_model4, d_out4, q_row4, kv_row4, qkv_row4;
};

/// Where n heads lie in rows of padded floats.
struct PaddedHeads {
  std::int64_t row = 0, first = 0, n_heads = 0, d_head = 0;
};

Tensor unpadded(const std::vector<float>& rows, std::int64_t seq, const PaddedHeads& heads) {
  Tensor tensor{seq, heads.n_heads * heads.d_head};
  float* to = tensor.data();
  for (std::int64_t i = 0; i < seq; ++i) {
    const float* from = rows.data() + i * heads.row + heads.first;
    for (std::int64_t h = 0; h < heads.n_heads; ++h, from += 4 * vec4s(heads.d_head), to += heads.d_head) {
      std::copy_n(from, heads.d_head, to);
    }
  }
  return tensor;
}

std::vector<float> read_rows(const Buffer& buffer, std::int64_t seq, std::int64_t row4) {
  std::vector<float> rows(static_cast<std::size_t>(seq * row4 * 4));
  buffer.read(0, std::span<float>(rows));
  return rows;
}

class GlLayer final : public AttentionLayer {
 public:
  GlLayer(OffscreenContext& context, Kernel kernel, const GpuOptions& options)
      : kernel_(kernel), facts_(context.facts()), device_(context) {
    device_.enter();
    state_ = std::make_unique<State>(context.facts(), kernel, options);
  }
  ~GlLayer() override { device_.destroy(std::move(state_)); }

  std::string_view name() const override { return kernel_ == Kernel::kFused ? "gl" : "gl naive"; }

  Support supports(const AttentionConfig& config) const override {
    if (config.n_heads == 0) return {};  // every head pruned: nothing is left to attend
    if (config.batch != 1) return {false, "the layer reads one sequence, not a batch of " + std::to_string(config.batch)};
    if (config.seq_q != config.seq_k) return {false, "self-attention needs seq_q equal to seq_k"};
    if (config.mask.query_offset != 0) {
      return {false, "self-attention of a whole sequence begins at position 0, not at query_offset"};
    }
    if (config.kv_storage != KvStorage::kFloat32) {
      return {false, "the layer computes its own keys and values, in float32; " + std::string(kv_storage_name(config.kv_storage)) +
                         " is for stored ones"};
    }
    const std::int64_t texels = config.seq_q * (config.n_heads + 2 * config.n_kv_heads) * vec4s(config.d_head);
    if (texels > facts_.max_buffer_texels) {
      return {false, "q, k and v together take " + std::to_string(texels) +
                         " texels; this OpenGL fetches from buffers of at most " + std::to_string(facts_.max_buffer_texels)};
    }
    return state_->attention.supports(config);
  }

  Support supports_layer(const AttentionConfig& config, const AttentionLayerParams& params,
                         const std::optional<Rotary>& rotary) const override {
    if (!params.q_norm.empty() || !params.k_norm.empty())
      return {false, "The GPU layer does not norm the q and k of each head, as this model does"};
    if (rotary && rotary->dims != 0 && rotary->dims != config.d_head) {
      return {false, "The GPU layer turns all coordinates of a head; this model's rotary positions turn " +
                         std::to_string(rotary->dims) + " of " + std::to_string(config.d_head)};
    }
    return supports(config);
  }

  AttentionLayerResult run(const AttentionConfig& config, const AttentionLayerParams& params, const std::optional<Rotary>& rotary,
                           ConstMatrixView x, std::stop_token stop) override {
    if (const Support support = supports_layer(config, params, rotary); !support.ok) {
      throw ShapeError("the attention layer cannot run: " + support.reason);
    }
    check_layer(config, params, rotary, x);
    if (stop.stop_requested()) throw Cancelled();
    device_.enter();
    const Stopwatch upload_watch;
    const Sizes sizes(config, x.cols, params.w_o.rows);
    const DeviceWeights& weights = state_->weights.get(config, params);
    upload(config, rotary, x, sizes);
    const double upload_ms = upload_watch.ms();

    StageTimer timer;
    timer.begin("q k v");
    state_->layer.project({&state_->x, &weights.w_qkv, &weights.b_qkv, &state_->qkv, sizes.seq, sizes.d_model4, sizes.qkv_row4},
                          stop);
    timer.begin("rotary");
    if (rotary && config.n_heads > 0) {
      state_->layer.rotate(
          {&state_->angles, &state_->qkv, sizes.seq, config.n_heads + config.n_kv_heads, config.d_head, sizes.qkv_row4}, stop);
    }
    timer.begin("attention");
    if (config.n_heads > 0) run_attention(config, sizes, stop);
    timer.begin("W_O");
    state_->layer.project({&state_->head_out, &weights.w_o, &weights.b_o, &state_->out, sizes.seq, sizes.q_row4, sizes.d_out4},
                          stop);

    AttentionLayerResult result;
    result.times.push_back({"upload", upload_ms});
    for (StageTime& time : timer.finish())
      result.times.push_back(std::move(time));
    const Stopwatch read_watch;
    read_back(config, sizes, params.w_o.rows, result);
    result.times.push_back({"read back", read_watch.ms()});
    return result;
  }

 private:
  struct State {
    State(const DeviceFacts& facts, Kernel kernel, const GpuOptions& options)
        : attention(facts, kernel, options), layer(facts, options) {}
    AttentionKernels attention;
    LayerKernels layer;
    WeightCache weights;
    Buffer x{Texel::kVec4}, qkv{Texel::kVec4}, head_out{Texel::kVec4}, angles{Texel::kVec2}, out, logsumexp;
    std::optional<Rotary> rotary;  ///< of angles, with their seq and d_head
    std::int64_t angle_seq = 0, angle_d_head = 0;
  };

  void upload(const AttentionConfig& config, const std::optional<Rotary>& rotary, ConstMatrixView x, const Sizes& sizes) {
    std::vector<float> rows(static_cast<std::size_t>(sizes.seq * sizes.d_model4 * 4), 0.0F);
    for (std::int64_t i = 0; i < x.rows; ++i)
      std::copy_n(x.row(i), x.cols, rows.data() + i * sizes.d_model4 * 4);
    state_->x.upload(std::span<const float>(rows), "x");
    state_->qkv.reserve(sizes.bytes(sizes.qkv_row4), "q, k and v");
    state_->head_out.reserve(sizes.bytes(sizes.q_row4), "head_out");
    state_->out.reserve(sizes.bytes(sizes.d_out4), "out");
    state_->logsumexp.reserve(static_cast<std::size_t>(config.n_heads * sizes.seq) * sizeof(float), "logsumexp");
    if (!config.pruned.empty()) {
      state_->head_out.fill(0.0F, sizes.bytes(sizes.q_row4));
      state_->logsumexp.fill(-std::numeric_limits<float>::infinity(),
                             static_cast<std::size_t>(config.n_heads * sizes.seq) * sizeof(float));
    }
    if (rotary && config.n_heads > 0) upload_angles(config, *rotary, sizes.seq);
  }

  void upload_angles(const AttentionConfig& config, const Rotary& rotary, std::int64_t seq) {
    if (state_->rotary == rotary && state_->angle_seq >= seq && state_->angle_d_head == config.d_head) return;
    const RotaryTable table = make_rotary_table(rotary, 0, seq, config.d_head);
    std::vector<float> turns;
    turns.reserve(2 * table.cos.size());
    for (std::size_t i = 0; i < table.cos.size(); ++i) {
      turns.push_back(table.cos[i]);
      turns.push_back(table.sin[i]);
    }
    state_->rotary.reset();  // stays so when the upload fails
    state_->angles.upload(std::span<const float>(turns), "rotary angles");
    state_->rotary = rotary;
    state_->angle_seq = seq;
    state_->angle_d_head = config.d_head;
  }

  void run_attention(const AttentionConfig& config, const Sizes& sizes, std::stop_token stop) {
    DeviceAttention tensors;
    tensors.q = tensors.k = tensors.v = &state_->qkv;
    tensors.out = &state_->head_out;
    tensors.logsumexp = &state_->logsumexp;
    tensors.q_place = {0, 0, sizes.d4, sizes.qkv_row4};
    tensors.k_place = {sizes.q_row4, 0, sizes.d4, sizes.qkv_row4};
    tensors.v_at = sizes.q_row4 + sizes.kv_row4;
    tensors.out_place = {0, 0, sizes.d4, sizes.q_row4};
    state_->attention.run(config, tensors, {}, stop);
  }

  void read_back(const AttentionConfig& config, const Sizes& sizes, std::int64_t d_out, AttentionLayerResult& result) const {
    const std::vector<float> qkv = read_rows(state_->qkv, sizes.seq, sizes.qkv_row4);
    const std::int64_t row = sizes.qkv_row4 * 4;
    result.q = unpadded(qkv, sizes.seq, {row, 0, config.n_heads, config.d_head});
    result.k = unpadded(qkv, sizes.seq, {row, sizes.q_row4 * 4, config.n_kv_heads, config.d_head});
    result.v = unpadded(qkv, sizes.seq, {row, (sizes.q_row4 + sizes.kv_row4) * 4, config.n_kv_heads, config.d_head});
    const std::vector<float> head_out = read_rows(state_->head_out, sizes.seq, sizes.q_row4);
    result.head_out = unpadded(head_out, sizes.seq, {sizes.q_row4 * 4, 0, config.n_heads, config.d_head});
    const std::vector<float> out = read_rows(state_->out, sizes.seq, sizes.d_out4);
    result.out = unpadded(out, sizes.seq, {sizes.d_out4 * 4, 0, 1, d_out});
    result.logsumexp = Tensor{config.n_heads, sizes.seq};
    state_->logsumexp.read(0, result.logsumexp.span());
  }

  Kernel kernel_;
  DeviceFacts facts_;
  ContextScope device_;
  std::unique_ptr<State> state_;
};

}  // namespace

std::unique_ptr<AttentionLayer> make_attention_layer(OffscreenContext& context, Kernel kernel, const GpuOptions& options) {
  require_compute(context);
  return std::make_unique<GlLayer>(context, kernel, options);
}

}  // namespace headroom::gl
