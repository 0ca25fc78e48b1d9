#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "core/model/surgery.h"
#include "core/tensor/aligned_buffer.h"
#include "core/tensor/parallel.h"
#include "core/training/batch.h"
#include "core/training/layout.h"

namespace headroom {

/// The probabilities of one head over one row of a batch, while they are in the cache: valid during the call only.
struct AttentionPicture {
  AttentionStack stack = AttentionStack::kSelf;
  std::int64_t layer = 0, head = 0;
  std::int64_t row = 0;  ///< of the batch
  std::int64_t n_queries = 0, n_keys = 0;
  const float* probs = nullptr;  ///< of query i and key j at [j * key_stride + i]; what the mask hides is 0
  std::int64_t key_stride = 0;

  float at(std::int64_t query, std::int64_t key) const { return probs[key * key_stride + query]; }
  /// The key with the largest probability; the first of equals.
  std::int64_t strongest_key(std::int64_t query) const;
};

/// Logits wanted at one position of a batch.
struct LogitsAt {
  std::int64_t row = 0, position = 0;
};

struct EvaluationRequest {
  std::span<const LogitsAt> logits_at = {};
  /// Called for every layer, head and row, from any of the pool's threads at once; rows of one call differ between threads.
  std::function<void(const AttentionPicture&)> on_attention = {};
  /// Heads whose output is zeroed for this evaluation, beside those of set_heads_off. Of the self-attention (of the decoder).
  std::span<const HeadRef> off = {};
  std::stop_token stop = {};
};

struct Evaluation {
  double loss = 0;             ///< mean over counted targets, nats
  std::int64_t n_targets = 0;  ///< counted
  std::vector<float> losses;   ///< [n_rows * seq] of each position, nats; 0 where it is not counted
  std::vector<float> logits;   ///< [logits_at.size(), vocab_size]
};

/// A transformer that can be trained: forward and backward written by hand for every part, rows of a batch shared out over the pool's threads,
/// each thread with activations and gradients of its own, added up in a fixed order. The same batch gives the same bits at the same number
/// of threads. Nothing is allocated in a step once shapes have been seen. No n × n matrix is kept: the backward pass computes probabilities
/// anew from q, k and the rows' log-sum-exps.
/// Source  Dao et al. 2022, arXiv:2205.14135, algorithm 4 (attention backward).
///
/// Threads  one caller at a time; `pool` must outlive it.
class Network {
 public:
  /// Errors  ShapeError when the shape is impossible; Error when it would not fit in memory.
  Network(const ModelConfig& config, ThreadPool& pool);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  const ParameterLayout& layout() const;
  /// [layout().size()]. After writing, call parameters_changed().
  std::span<float> parameters();
  std::span<const float> parameters() const;
  void parameters_changed();
  std::span<float> gradients();
  std::span<const float> gradients() const;

  /// Heads of the self-attention that are switched off: their output and all their gradients are zero.
  void set_heads_off(std::span<const HeadRef> heads);

  struct Loss {
    double sum = 0;              ///< over counted targets, nats; with a teacher: of the mixed loss
    std::int64_t n_targets = 0;  ///< counted
  };
  struct Accumulation {
    float scale = 1;            ///< 1 / number of counted targets gives the mean
    bool first = true;          ///< gradients() begin at zero
    Distillation distillation;  ///< read where the batch has a teacher
  };
  /// Forward and backward. Adds the gradient of scale * (sum of losses) to gradients().
  /// Errors  ShapeError when the batch does not fit the model; Error when an id is outside the vocabulary.
  Loss accumulate(const Batch& batch, const Accumulation& how);

  /// Forward only. Errors  as accumulate; Cancelled.
  Evaluation evaluate(const Batch& batch, const EvaluationRequest& request = {});
  /// softmax(logits / temperature) of every position: what a student learns from. Shapes  [n_rows * seq, vocab_size].
  std::vector<float> teach(const Batch& batch, float temperature);

  /// Floating-point operations of one training step on such a batch: three times the forward pass, masked pairs not counted.
  double flops(const Batch& batch) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headroom
