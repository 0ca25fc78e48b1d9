#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/training/batch.h"
#include "core/training/kernels.h"
#include "core/training/network.h"
#include "core/training/weights.h"

namespace headroom {

/// Cosines and signed sines of rotary positions; training_kernels::rotate.
struct RotaryRows {
  std::vector<float> cos, sin;
};

/// What all workers read, and nobody changes during a pass.
struct SharedModel {
  const ModelConfig* config = nullptr;
  const ParameterPlaces* places = nullptr;
  const float* parameters = nullptr;
  const float* transposed = nullptr;
  RotaryRows rotary;
  std::vector<char> heads_off;  ///< [n_layers * n_heads] of the main stack's self-attention
};

/// Rows of a batch that go through the model together.
struct Chunk {
  const Batch* batch = nullptr;
  std::int64_t first_row = 0, n_rows = 0;
  std::int64_t n_tokens() const { return n_rows * batch->seq; }
  std::int64_t n_source_tokens() const { return n_rows * batch->source_seq; }
};

/// What one pass is for.
struct PassPurpose {
  enum class Keeps { kGradients, kLossOnly } keeps = Keeps::kGradients;
  float scale = 1;
  Distillation distillation;
  float* losses = nullptr;  ///< [n_rows * seq] of the whole batch
  const std::function<void(const AttentionPicture&)>* on_attention = nullptr;
  std::function<void(std::int64_t first, std::int64_t n, const float* logits)>
      on_logits;  ///< tokens [first, first + n) of the batch
};

/// One thread's part of a pass: activations of a chunk, forward and backward, gradients added to a row of its own.
///
/// Every sub-layer (attention, cross-attention, MLP) has the same frame: out = in + f(norm(in)), or out = norm(in + f(in)).
class Worker {
 public:
  /// Makes room for chunks of up to so many rows; nothing is allocated later for the same or smaller shapes.
  void reserve(const SharedModel& model, const Batch& batch, std::int64_t n_rows);
  /// Forward, loss, and backward where gradients are wanted, which are added to `gradients`.
  void run(const SharedModel& model, const Chunk& chunk, const PassPurpose& purpose, float* gradients);

 private:
  /// Rows of logits that are in the cache together.
  static constexpr std::int64_t kLogitRows = 64;

  struct Frame {
    float *in = nullptr, *out = nullptr;  ///< [n, d]
    float* extra = nullptr;               ///< [n, d] what f reads (norm before), or what the norm reads (norm after)
    float* statistics = nullptr;          ///< [n, 2]
  };
  struct BlockSpace {
    Frame attention, cross, mlp;
    float* qkv = nullptr;        ///< [n, (h + 2 kv) d_head]
    float* logsumexp = nullptr;  ///< [rows, h, seq]
    float* head_out = nullptr;   ///< [n, h d_head]
    float* cross_q = nullptr;    ///< [n, h d_head]
    float* cross_kv = nullptr;   ///< [n_source, 2 kv d_head]
    float* cross_logsumexp = nullptr;
    float* cross_out = nullptr;
    float* value = nullptr;   ///< [n, ff or 2 ff]
    float* hidden = nullptr;  ///< [n, ff]
  };
  struct StackSpace {
    std::int64_t n = 0, seq = 0;
    float *embedded = nullptr, *statistics = nullptr;  ///< before the embedding norm
    std::vector<BlockSpace> blocks;
    float* last = nullptr;      ///< [n, d] stream after the last block
    float* gradient = nullptr;  ///< [n, d]
  };
  /// One stack during one pass.
  struct Stack {
    AttentionStack name;
    const StackPlaces& places;
    StackSpace& space;
    bool is_causal;
    const std::int32_t* ids;      ///< [n]
    const std::int32_t* lengths;  ///< [rows] real keys of each row, or null
  };
  struct HeadsOf {
    AttentionStack stack;
    std::int64_t layer;
    const float *q, *k, *v;
    std::int64_t q_row, kv_row;
    std::int64_t seq_q, seq_k;
    const std::int32_t* lengths;
    bool is_causal;
    float* out;
    float* logsumexp;
  };

  void lay_out(const SharedModel& model, const Batch& batch, std::int64_t n_rows, float* base);
  float* take(std::int64_t n);

  bool keeps_gradients() const { return purpose_->keeps == PassPurpose::Keeps::kGradients; }
  std::int64_t d_model() const { return model_->config->shape.d_model; }
  std::int64_t heads_width() const { return model_->config->shape.n_heads * model_->config->shape.d_head; }
  std::int64_t kv_width() const { return model_->config->shape.n_kv_heads * model_->config->shape.d_head; }
  bool is_norm_before() const { return model_->config->norm_place == NormPlace::kBefore; }

  /// out = start + bias + x Wᵀ. start may be null.
  void linear(const LinearPlace& place, const float* x, std::int64_t n, float* out, const float* start = nullptr);
  /// dx = dy W (where dx is not null); gradients of weight and bias are added.
  void linear_backward(const LinearPlace& place, const float* x, const float* dy, std::int64_t n, float* dx);
  training_kernels::NormRows norm_rows(const NormPlaces& places, std::int64_t n) const;
  void norm(const NormPlaces& places, std::int64_t n, const float* x, float* y, float* statistics);
  void norm_backward(const NormPlaces& places, std::int64_t n, const training_kernels::NormGradient& gradient);

  /// What f reads, and where its sum with the input goes.
  const float* enter(const Frame& frame, const NormPlaces& places, std::int64_t n);
  float* sum_of(const Frame& frame) const { return is_norm_before() ? frame.out : frame.extra; }
  void leave(const Frame& frame, const NormPlaces& places, std::int64_t n);
  /// gradient [n, d] of the sub-layer's output becomes that of the sum; then, given that of what f read, that of the input.
  void enter_backward(const Frame& frame, const NormPlaces& places, std::int64_t n, float* gradient);
  void leave_backward(const Frame& frame, const NormPlaces& places, std::int64_t n, const float* d_read, float* gradient);

  void embed(const Stack& stack);
  void embed_backward(const Stack& stack);
  void forward(const Stack& stack, const StackSpace* encoder);
  void backward(const Stack& stack, StackSpace* encoder);
  void attention(const HeadsOf& heads);
  /// Adds to dk and dv. dq of heads that are off stays as it was: zero, said by the caller.
  void attention_backward(const HeadsOf& heads, const float* d_out, float* dq, float* dk, float* dv);
  void rotate(float* qkv, const StackSpace& space, training_kernels::Rotation::Way way);
  bool is_off(AttentionStack stack, std::int64_t layer, std::int64_t head) const;
  void read_out(const Stack& stack);

  AlignedBuffer<float> memory_;
  float* base_ = nullptr;
  std::int64_t used_ = 0;
  bool has_looked_ = false;  ///< room for one head's probabilities is made from then on

  StackSpace main_, encoder_;
  // Buffers that every sub-layer uses in turn.
  float *wide_ = nullptr, *wide2_ = nullptr, *narrow_ = nullptr, *scratch_ = nullptr, *probs_ = nullptr;
  // Of the output: normed stream, head transform, a tile of logits.
  float *final_ = nullptr, *final_statistics_ = nullptr, *dense_ = nullptr, *dense_hidden_ = nullptr, *dense_out_ = nullptr,
        *dense_statistics_ = nullptr, *logits_ = nullptr;

  const SharedModel* model_ = nullptr;
  const Chunk* chunk_ = nullptr;
  const PassPurpose* purpose_ = nullptr;
  float* gradients_ = nullptr;
};

}  // namespace headroom
