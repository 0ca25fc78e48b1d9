#include "core/training/worker.h"

#include <algorithm>
#include <cmath>

namespace headroom {

using training_kernels::NormGradient;
using training_kernels::NormRows;
using training_kernels::Product;

namespace {

constexpr std::int64_t kAlignment = 16;

}  // namespace

float* Worker::take(std::int64_t n) {
  float* const at = base_ == nullptr ? nullptr : base_ + used_;
  // A line beyond each: vectors may read past the end of the last row.
  used_ += (n + 2 * kAlignment - 1) / kAlignment * kAlignment;
  return at;
}

void Worker::lay_out(const SharedModel& model, const Batch& batch, std::int64_t n_rows, float* base) {
  base_ = base;
  used_ = 0;
  const ModelShape& shape = model.config->shape;
  const std::int64_t d = shape.d_model, hw = shape.n_heads * shape.d_head, kw = shape.n_kv_heads * shape.d_head, ff = shape.d_ff;
  const std::int64_t value_width = model.config->mlp == MlpKind::kSwiGlu ? 2 * ff : ff;
  const std::int64_t n_source = n_rows * batch.source_seq;
  const auto lay_out_stack = [&](StackSpace& space, const StackPlaces& places, std::int64_t seq) {
    const std::int64_t n = n_rows * seq;
    space.n = n;
    space.seq = seq;
    space.embedded = take(n * d);
    space.statistics = take(n * 2);
    space.gradient = take(n * d);
    space.blocks.resize(places.blocks.size());
    float* stream = take(n * d);
    const auto lay_out_frame = [&](Frame& frame) {
      frame.in = stream;
      frame.extra = take(n * d);
      frame.statistics = take(n * 2);
      frame.out = stream = take(n * d);
    };
    for (std::size_t i = 0; i < places.blocks.size(); ++i) {
      BlockSpace& block = space.blocks[i];
      lay_out_frame(block.attention);
      block.qkv = take(n * (hw + 2 * kw));
      block.logsumexp = take(n * shape.n_heads);
      block.head_out = take(n * hw);
      if (places.blocks[i].reads_encoder) {
        lay_out_frame(block.cross);
        block.cross_q = take(n * hw);
        block.cross_kv = take(n_source * 2 * kw);
        block.cross_logsumexp = take(n * shape.n_heads);
        block.cross_out = take(n * hw);
      }
      if (!places.blocks[i].has_mlp && model.config->norm_place == NormPlace::kBefore) continue;
      lay_out_frame(block.mlp);
      block.value = take(n * value_width);
      block.hidden = take(n * ff);
    }
    space.last = stream;
  };
  lay_out_stack(main_, model.places->main, batch.seq);
  if (!model.places->encoder.blocks.empty()) lay_out_stack(encoder_, model.places->encoder, batch.source_seq);
  const std::int64_t n = main_.n, most = std::max(n, n_source);
  wide_ = take(most * std::max(hw, ff));
  wide2_ = take(std::max(most * (hw + 2 * kw), n * hw + n_source * 2 * kw));
  narrow_ = take(most * d);
  final_ = take(n * d);
  final_statistics_ = take(n * 2);
  if (model.places->head_dense) {
    dense_ = take(n * d);
    dense_hidden_ = take(n * d);
    dense_out_ = take(n * d);
    dense_statistics_ = take(n * 2);
  }
  logits_ = take(kLogitRows * shape.vocab_size);
  const std::int64_t longest = std::max(batch.seq, batch.source_seq);
  scratch_ = take(training_kernels::attention_scratch(longest, shape.d_head));
  probs_ = has_looked_ ? take(longest * longest) : nullptr;
}

void Worker::reserve(const SharedModel& model, const Batch& batch, std::int64_t n_rows) {
  lay_out(model, batch, n_rows, nullptr);
  if (static_cast<std::size_t>(used_) > memory_.size()) {
    memory_ = {};
    memory_ = AlignedBuffer<float>(static_cast<std::size_t>(used_));
  }
  lay_out(model, batch, n_rows, memory_.data());
}

void Worker::linear(const LinearPlace& place, const float* x, std::int64_t n, float* out, const float* start) {
  Product product;
  product.a = x;
  product.a_row = place.inputs;
  product.b = model_->transposed + place.transposed;
  product.b_row = place.outputs;
  product.c = out;
  product.c_row = place.outputs;
  product.m = n;
  product.n = place.outputs;
  product.k = place.inputs;
  product.start = start;
  product.start_row = place.outputs;
  product.bias = place.bias < 0 ? nullptr : model_->parameters + place.bias;
  training_kernels::multiply(product, scratch_);
}

void Worker::linear_backward(const LinearPlace& place, const float* x, const float* dy, std::int64_t n, float* dx) {
  Product of_weight;
  of_weight.a = dy;
  of_weight.a_row = 1;
  of_weight.a_col = place.outputs;
  of_weight.b = x;
  of_weight.b_row = place.inputs;
  of_weight.c = gradients_ + place.weight;
  of_weight.c_row = of_weight.start_row = place.inputs;
  of_weight.start = of_weight.c;
  of_weight.m = place.outputs;
  of_weight.n = place.inputs;
  of_weight.k = n;
  training_kernels::multiply(of_weight, scratch_);
  if (place.bias >= 0) {
    training_kernels::add_column_sums(dy, place.outputs, n, {gradients_ + place.bias, static_cast<std::size_t>(place.outputs)});
  }
  if (dx == nullptr) return;
  Product of_input;
  of_input.a = dy;
  of_input.a_row = place.outputs;
  of_input.b = model_->parameters + place.weight;
  of_input.b_row = place.inputs;
  of_input.c = dx;
  of_input.c_row = place.inputs;
  of_input.m = n;
  of_input.n = place.inputs;
  of_input.k = place.outputs;
  training_kernels::multiply(of_input, scratch_);
}

NormRows Worker::norm_rows(const NormPlaces& places, std::int64_t n) const {
  return {model_->config->norm,
          n,
          d_model(),
          model_->config->rms_norm_eps,
          model_->parameters + places.gain,
          places.bias < 0 ? nullptr : model_->parameters + places.bias};
}

void Worker::norm(const NormPlaces& places, std::int64_t n, const float* x, float* y, float* statistics) {
  training_kernels::norm_forward(norm_rows(places, n), x, y, statistics);
}

void Worker::norm_backward(const NormPlaces& places, std::int64_t n, const NormGradient& gradient) {
  NormGradient whole = gradient;
  whole.d_gain = gradients_ + places.gain;
  whole.d_bias = places.bias < 0 ? nullptr : gradients_ + places.bias;
  training_kernels::norm_backward(norm_rows(places, n), whole);
}

const float* Worker::enter(const Frame& frame, const NormPlaces& places, std::int64_t n) {
  if (!is_norm_before()) return frame.in;
  norm(places, n, frame.in, frame.extra, frame.statistics);
  return frame.extra;
}

void Worker::leave(const Frame& frame, const NormPlaces& places, std::int64_t n) {
  if (!is_norm_before()) norm(places, n, frame.extra, frame.out, frame.statistics);
}

void Worker::enter_backward(const Frame& frame, const NormPlaces& places, std::int64_t n, float* gradient) {
  if (is_norm_before()) return;
  norm_backward(places, n, {frame.extra, frame.statistics, gradient, gradient});
}

void Worker::leave_backward(const Frame& frame, const NormPlaces& places, std::int64_t n, const float* d_read, float* gradient) {
  if (is_norm_before()) {
    norm_backward(places, n, {frame.in, frame.statistics, d_read, gradient, nullptr, nullptr, NormGradient::Into::kAdd});
  } else {
    training_kernels::add_to({d_read, static_cast<std::size_t>(n * d_model())},
                             {gradient, static_cast<std::size_t>(n * d_model())});
  }
}

void Worker::rotate(float* qkv, const StackSpace& space, training_kernels::Rotation::Way way) {
  if (model_->config->positions != PositionKind::kRotary) return;
  const ModelShape& shape = model_->config->shape;
  // q and k lie side by side: one sweep turns both.
  training_kernels::rotate(
      {qkv, heads_width() + 2 * kv_width(), space.n, shape.n_heads + shape.n_kv_heads, shape.d_head, space.seq, way},
      model_->rotary.cos.data(), model_->rotary.sin.data());
}

bool Worker::is_off(AttentionStack stack, std::int64_t layer, std::int64_t head) const {
  return stack == AttentionStack::kSelf &&
         model_->heads_off[static_cast<std::size_t>(layer * model_->config->shape.n_heads + head)] != 0;
}

void Worker::attention(const HeadsOf& heads) {
  const ModelShape& shape = model_->config->shape;
  const std::int64_t dh = shape.d_head, group = shape.n_heads / shape.n_kv_heads, width = heads_width();
  for (std::int64_t row = 0; row < chunk_->n_rows; ++row) {
    for (std::int64_t h = 0; h < shape.n_heads; ++h) {
      training_kernels::HeadPass pass;
      pass.q = heads.q + row * heads.seq_q * heads.q_row + h * dh;
      pass.k = heads.k + row * heads.seq_k * heads.kv_row + h / group * dh;
      pass.v = heads.v + row * heads.seq_k * heads.kv_row + h / group * dh;
      pass.q_row = heads.q_row;
      pass.kv_row = heads.kv_row;
      pass.seq_q = heads.seq_q;
      pass.seq_k = heads.lengths == nullptr ? heads.seq_k : heads.lengths[row];
      pass.d_head = dh;
      pass.is_causal = heads.is_causal;
      pass.scale = 1.0F / std::sqrt(static_cast<float>(dh));
      pass.out = heads.out + row * heads.seq_q * width + h * dh;
      pass.out_row = width;
      pass.logsumexp = heads.logsumexp + (row * shape.n_heads + h) * heads.seq_q;
      const bool looks = purpose_->on_attention != nullptr;
      training_kernels::attention_forward(pass, {looks ? probs_ : nullptr, heads.seq_q}, scratch_);
      if (looks) {
        (*purpose_->on_attention)(
            {heads.stack, heads.layer, h, chunk_->first_row + row, heads.seq_q, pass.seq_k, probs_, heads.seq_q});
      }
      if (is_off(heads.stack, heads.layer, h)) {
        for (std::int64_t i = 0; i < heads.seq_q; ++i)
          std::fill_n(pass.out + i * width, dh, 0.0F);
      }
    }
  }
}

void Worker::attention_backward(const HeadsOf& heads, const float* d_out, float* dq, float* dk, float* dv) {
  const ModelShape& shape = model_->config->shape;
  const std::int64_t dh = shape.d_head, group = shape.n_heads / shape.n_kv_heads, width = heads_width();
  for (std::int64_t row = 0; row < chunk_->n_rows; ++row) {
    const std::int64_t q_at = row * heads.seq_q * heads.q_row, k_at = row * heads.seq_k * heads.kv_row;
    for (std::int64_t h = 0; h < shape.n_heads; ++h) {
      const std::int64_t kv_head = h / group * dh;
      if (is_off(heads.stack, heads.layer, h)) continue;
      training_kernels::HeadPass pass;
      pass.q = heads.q + q_at + h * dh;
      pass.k = heads.k + k_at + kv_head;
      pass.v = heads.v + k_at + kv_head;
      pass.q_row = heads.q_row;
      pass.kv_row = heads.kv_row;
      pass.seq_q = heads.seq_q;
      pass.seq_k = heads.lengths == nullptr ? heads.seq_k : heads.lengths[row];
      pass.d_head = dh;
      pass.is_causal = heads.is_causal;
      pass.scale = 1.0F / std::sqrt(static_cast<float>(dh));
      pass.out = heads.out + row * heads.seq_q * width + h * dh;
      pass.out_row = width;
      pass.logsumexp = heads.logsumexp + (row * shape.n_heads + h) * heads.seq_q;
      training_kernels::attention_backward(
          pass, {d_out + row * heads.seq_q * width + h * dh, dq + q_at + h * dh, dk + k_at + kv_head, dv + k_at + kv_head},
          scratch_);
    }
  }
}

}  // namespace headroom
