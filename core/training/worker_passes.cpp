// The way of a chunk through the model and back.

#include <algorithm>
#include <cmath>

#include "core/training/worker.h"

namespace headroom {

using training_kernels::NormGradient;
using Way = training_kernels::Rotation::Way;

void Worker::embed(const Stack& stack) {
  const std::int64_t d = d_model();
  float* const stream = stack.space.blocks.front().attention.in;
  float* const embedded = stack.places.embedding_norm.is_there() ? stack.space.embedded : stream;
  for (std::int64_t i = 0; i < stack.space.n; ++i) {
    const float* const word = model_->parameters + model_->places->embedding + stack.ids[i] * d;
    std::copy_n(word, d, embedded + i * d);
    if (stack.places.positions < 0) continue;
    const float* const position = model_->parameters + stack.places.positions + i % stack.space.seq * d;
    training_kernels::add_to({position, static_cast<std::size_t>(d)}, {embedded + i * d, static_cast<std::size_t>(d)});
  }
  if (stack.places.embedding_norm.is_there())
    norm(stack.places.embedding_norm, stack.space.n, embedded, stream, stack.space.statistics);
}

void Worker::embed_backward(const Stack& stack) {
  const std::int64_t d = d_model();
  float* const gradient = stack.space.gradient;
  if (stack.places.embedding_norm.is_there()) {
    norm_backward(stack.places.embedding_norm, stack.space.n, {stack.space.embedded, stack.space.statistics, gradient, gradient});
  }
  for (std::int64_t i = 0; i < stack.space.n; ++i) {
    const std::span<const float> from{gradient + i * d, static_cast<std::size_t>(d)};
    training_kernels::add_to(from, {gradients_ + model_->places->embedding + stack.ids[i] * d, static_cast<std::size_t>(d)});
    if (stack.places.positions < 0) continue;
    training_kernels::add_to(from, {gradients_ + stack.places.positions + i % stack.space.seq * d, static_cast<std::size_t>(d)});
  }
}

void Worker::forward(const Stack& stack, const StackSpace* encoder) {
  const std::int64_t n = stack.space.n, hw = heads_width(), kw = kv_width(), row = hw + 2 * kw, seq = stack.space.seq;
  const MlpKind kind = model_->config->mlp;
  embed(stack);
  for (std::size_t i = 0; i < stack.space.blocks.size(); ++i) {
    const BlockPlaces& places = stack.places.blocks[i];
    const BlockSpace& block = stack.space.blocks[i];
    const auto layer = static_cast<std::int64_t>(i);

    linear(places.qkv, enter(block.attention, places.attention_norm, n), n, block.qkv);
    rotate(block.qkv, stack.space, Way::kForward);
    attention({stack.name, layer, block.qkv, block.qkv + hw, block.qkv + hw + kw, row, row, seq, seq, stack.lengths,
               stack.is_causal, block.head_out, block.logsumexp});
    linear(places.out, block.head_out, n, sum_of(block.attention), block.attention.in);
    leave(block.attention, places.attention_norm, n);

    if (places.reads_encoder) {
      linear(places.cross_q, enter(block.cross, places.cross_norm, n), n, block.cross_q);
      linear(places.cross_kv, encoder->last, encoder->n, block.cross_kv);
      const std::int32_t* const lengths = chunk_->batch->source_lengths.data() + chunk_->first_row;
      attention({AttentionStack::kCross, layer, block.cross_q, block.cross_kv, block.cross_kv + kw, hw, 2 * kw, seq, encoder->seq,
                 lengths, false, block.cross_out, block.cross_logsumexp});
      linear(places.cross_out, block.cross_out, n, sum_of(block.cross), block.cross.in);
      leave(block.cross, places.cross_norm, n);
    }

    if (block.mlp.in == nullptr) continue;
    const float* const read = enter(block.mlp, places.mlp_norm, n);
    if (places.has_mlp) {
      linear(places.up, read, n, block.value);
      training_kernels::activation_forward(kind, n, model_->config->shape.d_ff, block.value, block.hidden);
      linear(places.down, block.hidden, n, sum_of(block.mlp), block.mlp.in);
    } else {
      std::copy_n(block.mlp.in, n * d_model(), sum_of(block.mlp));
    }
    leave(block.mlp, places.mlp_norm, n);
  }
}

void Worker::backward(const Stack& stack, StackSpace* encoder) {
  const std::int64_t n = stack.space.n, d = d_model(), hw = heads_width(), kw = kv_width(), row = hw + 2 * kw,
                     seq = stack.space.seq;
  const MlpKind kind = model_->config->mlp;
  float* const gradient = stack.space.gradient;
  for (std::size_t i = stack.space.blocks.size(); i-- > 0;) {
    const BlockPlaces& places = stack.places.blocks[i];
    const BlockSpace& block = stack.space.blocks[i];
    const auto layer = static_cast<std::int64_t>(i);

    if (block.mlp.in != nullptr) {
      enter_backward(block.mlp, places.mlp_norm, n, gradient);
      if (places.has_mlp) {
        linear_backward(places.down, block.hidden, gradient, n, wide_);
        training_kernels::activation_backward(kind, n, model_->config->shape.d_ff, wide_, block.value);
        linear_backward(places.up, is_norm_before() ? block.mlp.extra : block.mlp.in, block.value, n, narrow_);
        leave_backward(block.mlp, places.mlp_norm, n, narrow_, gradient);
      }
    }

    if (places.reads_encoder) {
      enter_backward(block.cross, places.cross_norm, n, gradient);
      linear_backward(places.cross_out, block.cross_out, gradient, n, wide_);
      float *const dq = wide2_, *const dkv = wide2_ + n * hw;
      std::fill_n(dkv, encoder->n * 2 * kw, 0.0F);
      const std::int32_t* const lengths = chunk_->batch->source_lengths.data() + chunk_->first_row;
      attention_backward({AttentionStack::kCross, layer, block.cross_q, block.cross_kv, block.cross_kv + kw, hw, 2 * kw, seq,
                          encoder->seq, lengths, false, block.cross_out, block.cross_logsumexp},
                         wide_, dq, dkv, dkv + kw);
      linear_backward(places.cross_kv, encoder->last, dkv, encoder->n, narrow_);
      training_kernels::add_to({narrow_, static_cast<std::size_t>(encoder->n * d)},
                               {encoder->gradient, static_cast<std::size_t>(encoder->n * d)});
      linear_backward(places.cross_q, is_norm_before() ? block.cross.extra : block.cross.in, dq, n, narrow_);
      leave_backward(block.cross, places.cross_norm, n, narrow_, gradient);
    }

    enter_backward(block.attention, places.attention_norm, n, gradient);
    linear_backward(places.out, block.head_out, gradient, n, wide_);
    float* const d_qkv = wide2_;
    std::fill_n(d_qkv, n * row, 0.0F);
    attention_backward({stack.name, layer, block.qkv, block.qkv + hw, block.qkv + hw + kw, row, row, seq, seq, stack.lengths,
                        stack.is_causal, block.head_out, block.logsumexp},
                       wide_, d_qkv, d_qkv + hw, d_qkv + hw + kw);
    rotate(d_qkv, stack.space, Way::kBackward);
    linear_backward(places.qkv, is_norm_before() ? block.attention.extra : block.attention.in, d_qkv, n, narrow_);
    leave_backward(block.attention, places.attention_norm, n, narrow_, gradient);
  }
  embed_backward(stack);
}

void Worker::read_out(const Stack& stack) {
  const Batch& batch = *chunk_->batch;
  const ParameterPlaces& places = *model_->places;
  const std::int64_t n = stack.space.n, d = d_model(), vocab = model_->config->shape.vocab_size;
  const std::int64_t first_token = chunk_->first_row * batch.seq;
  const float* read = stack.space.last;
  if (places.final_norm.is_there()) {
    norm(places.final_norm, n, read, final_, final_statistics_);
    read = final_;
  }
  if (places.head_dense) {
    linear(*places.head_dense, read, n, dense_);
    training_kernels::activation_forward(model_->config->mlp, n, d, dense_, dense_hidden_);
    norm(places.head_norm, n, dense_hidden_, dense_out_, dense_statistics_);
  }
  const float* const before_logits = places.head_dense ? dense_out_ : read;

  // A few rows of logits at a time: their softmax and their gradient happen while they are in the cache.
  float* const gradient = stack.space.gradient;
  for (std::int64_t begin = 0; begin < n; begin += kLogitRows) {
    const std::int64_t rows = std::min(kLogitRows, n - begin);
    linear(places.output, before_logits + begin * d, rows, logits_);
    if (purpose_->on_logits) purpose_->on_logits(first_token + begin, rows, logits_);
    training_kernels::LossRows loss;
    loss.n = rows;
    loss.vocab = loss.row = vocab;
    loss.logits = logits_;
    loss.targets = batch.targets.data() + first_token + begin;
    loss.scale = purpose_->scale;
    loss.losses = purpose_->losses + first_token + begin;
    if (!batch.teacher.empty()) loss.teacher = batch.teacher.data() + (first_token + begin) * vocab;
    loss.weight = purpose_->distillation.weight;
    loss.temperature = purpose_->distillation.temperature;
    loss.keeps = keeps_gradients() ? training_kernels::LossRows::Keeps::kGradient : training_kernels::LossRows::Keeps::kLogits;
    training_kernels::loss_rows(loss);
    if (keeps_gradients()) linear_backward(places.output, before_logits + begin * d, logits_, rows, gradient + begin * d);
  }
  if (!keeps_gradients()) return;

  if (places.head_dense) {
    norm_backward(places.head_norm, n, {dense_hidden_, dense_statistics_, gradient, gradient});
    training_kernels::activation_backward(model_->config->mlp, n, d, gradient, dense_);
    linear_backward(*places.head_dense, read, dense_, n, gradient);
  }
  if (places.final_norm.is_there()) {
    norm_backward(places.final_norm, n, {stack.space.last, final_statistics_, gradient, gradient});
  }
}

void Worker::run(const SharedModel& model, const Chunk& chunk, const PassPurpose& purpose, float* gradients) {
  model_ = &model;
  chunk_ = &chunk;
  purpose_ = &purpose;
  gradients_ = gradients;
  const Batch& batch = *chunk.batch;
  // The layout depends on the number of rows; the memory was made for the most.
  has_looked_ = has_looked_ || purpose.on_attention != nullptr;
  reserve(model, batch, chunk.n_rows);

  const bool has_encoder = !model.places->encoder.blocks.empty();
  Stack encoder{AttentionStack::kEncoder,
                model.places->encoder,
                encoder_,
                false,
                batch.sources.data() + chunk.first_row * batch.source_seq,
                batch.source_lengths.data() + chunk.first_row};
  Stack main{AttentionStack::kSelf,
             model.places->main,
             main_,
             model.config->kind != ModelKind::kMasked,
             batch.inputs.data() + chunk.first_row * batch.seq,
             nullptr};
  if (has_encoder) forward(encoder, nullptr);
  forward(main, has_encoder ? &encoder_ : nullptr);
  read_out(main);
  if (!keeps_gradients()) return;
  if (has_encoder) std::fill_n(encoder_.gradient, encoder_.n * d_model(), 0.0F);
  backward(main, has_encoder ? &encoder_ : nullptr);
  if (has_encoder) backward(encoder, nullptr);
}

}  // namespace headroom
