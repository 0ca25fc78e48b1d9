#include "core/model/forward_steps.h"

#include <array>
#include <cmath>

#include "core/model/elementwise.h"
#include "core/tensor/error.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

constexpr std::array kStages{"embed", "norm", "q k v", "rotary", "attention", "W_O", "MLP", "logits"};

/// Positions whose angles are computed together.
constexpr std::int64_t kPositionsPerTable = 1024;

/// Calls act(values) for stretches of a whole matrix without gaps.
template <typename Act>
void for_values(ThreadPool& pool, MatrixView matrix, const Act& act) {
  for_rows(pool, matrix.rows, matrix.cols, [&](std::int64_t first, std::int64_t last) {
    act(std::span(matrix.row(first), static_cast<std::size_t>((last - first) * matrix.cols)), first);
  });
}

/// The activation alone, without what it gates.
void activate(MlpKind kind, std::span<float> values) {
  switch (kind) {
    case MlpKind::kGelu:
    case MlpKind::kGeGlu:
      return gelu(values);
    case MlpKind::kGeluTanh:
    case MlpKind::kGeGluTanh:
      return gelu_tanh(values);
    case MlpKind::kRelu:
    case MlpKind::kReGlu:
      return relu(values);
    case MlpKind::kSilu:
    case MlpKind::kSwiGlu:
      return silu(values);
  }
}

void activate(ThreadPool& pool, MlpKind kind, MatrixView matrix) {
  for_values(pool, matrix, [kind](std::span<float> values, std::int64_t) { activate(kind, values); });
}

/// gate = activation(gate) * up
void apply_gate(MlpKind kind, std::span<float> gate, std::span<const float> up) {
  if (kind == MlpKind::kSwiGlu) return swiglu(gate, up);
  activate(kind, gate);
  multiply(gate, up);
}

/// x[i] += table[row_of(i)]
template <typename RowOf>
void add_rows(ThreadPool& pool, const Tensor& table, const RowOf& row_of, MatrixView x) {
  for_rows(pool, x.rows, x.cols, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::span<const float> row = table.row(row_of(i));
      float* to = x.row(i);
      for (std::int64_t c = 0; c < x.cols; ++c)
        to[c] += row[static_cast<std::size_t>(c)];
    }
  });
}

}  // namespace

StageClock::StageClock(std::vector<StageTime>& times) : times_(times) {
  for (const char* stage : kStages)
    times_.push_back({stage, 0});
}

void StageClock::add(const std::string& stage, double ms) {
  const auto found = std::find_if(times_.begin(), times_.end(), [&](const StageTime& time) { return time.stage == stage; });
  if (found != times_.end()) {
    found->ms += ms;
  } else {
    times_.push_back({stage, ms});
  }
}

void StageClock::lap(const char* stage) {
  const auto now = std::chrono::steady_clock::now();
  add(stage, std::chrono::duration<double, std::milli>(now - last_).count());
  last_ = now;
}

void check_ids(std::span<const std::int32_t> ids, std::int64_t vocab_size) {
  if (ids.empty()) throw ShapeError("a pass needs at least one token");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= vocab_size) {
      throw Error("token " + std::to_string(i) + " has id " + std::to_string(ids[i]) + ", which is outside the vocabulary of " +
                  std::to_string(vocab_size));
    }
  }
}

void check_types(const Tensor& table, std::span<const std::int32_t> ids, std::span<const std::int32_t> types) {
  if (types.empty()) return;
  if (types.size() != ids.size())
    throw ShapeError("there are " + std::to_string(types.size()) + " token types for " + std::to_string(ids.size()) + " tokens");
  if (table.empty()) return;
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (types[i] < 0 || types[i] >= table.dim(0))
      throw Error("token " + std::to_string(i) + " has type " + std::to_string(types[i]) + ", but the model has learned only " +
                  std::to_string(table.dim(0)) + (table.dim(0) == 1 ? " type" : " types"));
  }
}

StackParams decoder_of(const ModelParams& params) {
  return {params.config,
          params.layers,
          params.embedding,
          params.positions,
          params.token_types,
          params.relative_bias,
          params.embedding_norm,
          params.embedding_norm_bias,
          params.final_norm,
          params.final_norm_bias,
          params.config.kind == ModelKind::kMasked};
}

StackParams encoder_of(const ModelParams& params) {
  return {params.config,
          params.encoder_layers,
          params.embedding,
          params.encoder_positions,
          params.token_types,
          params.encoder_relative_bias,
          params.encoder_embedding_norm,
          params.encoder_embedding_norm_bias,
          params.encoder_final_norm,
          params.encoder_final_norm_bias,
          true};
}

void check_length(const ModelConfig& config, std::int64_t seq) {
  if (config.positions == PositionKind::kLearned && seq > config.shape.max_positions)
    throw ShapeError("the text has " + std::to_string(seq) + " tokens, but the model has learned only " +
                     std::to_string(config.shape.max_positions) + " positions");
}

void embed(ThreadPool& pool, const Tensor& embedding, std::span<const std::int32_t> ids, MatrixView x) {
  for_rows(pool, x.rows, x.cols, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i)
      embedding.read_row(ids[static_cast<std::size_t>(i)], x.row(i));
  });
}

void embed_tokens(ThreadPool& pool, const StackParams& stack, const TextPart& part, MatrixView x) {
  check_types(stack.token_types, part.ids, part.types);
  embed(pool, stack.embedding, part.ids, x);
  if (stack.config.embedding_scale != 1) {
    for_values(pool, x, [factor = stack.config.embedding_scale](std::span<float> values, std::int64_t) {
      for (float& value : values)
        value *= factor;
    });
  }
  if (!stack.token_types.empty())
    add_rows(
        pool, stack.token_types, [&](std::int64_t i) { return part.types.empty() ? 0 : part.types[static_cast<std::size_t>(i)]; },
        x);
  if (stack.config.positions == PositionKind::kLearned)
    add_rows(
        pool, stack.positions, [&](std::int64_t i) { return part.first_position + i; }, x);
  if (stack.config.has_embedding_norm) normalize(pool, stack.config, x, stack.norm, stack.norm_bias, x);
}

void rms_norm(ThreadPool& pool, ConstMatrixView x, const Tensor& gain, float eps, MatrixView out) {
  const std::int64_t d = x.cols;
  for_rows(pool, x.rows, d, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::span<const float> row(x.row(i), static_cast<std::size_t>(d));
      const float factor = 1 / std::sqrt(dot(row, row) / static_cast<float>(d) + eps);
      const float* from = row.data();
      const float* g = gain.data();
      float* to = out.row(i);
      for (std::int64_t c = 0; c < d; ++c)
        to[c] = from[c] * factor * g[c];
    }
  });
}

void layer_norm(ThreadPool& pool, ConstMatrixView x, const Tensor& gain, const Tensor& bias, float eps, MatrixView out) {
  const std::int64_t d = x.cols;
  for_rows(pool, x.rows, d, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const float* from = x.row(i);
      const float *g = gain.data(), *b = bias.data();
      float* to = out.row(i);
      float sum = 0;
      for (std::int64_t c = 0; c < d; ++c)
        sum += from[c];
      const float mean = sum / static_cast<float>(d);
      for (std::int64_t c = 0; c < d; ++c)
        to[c] = from[c] - mean;
      const std::span<const float> centred(to, static_cast<std::size_t>(d));
      const float factor = 1 / std::sqrt(dot(centred, centred) / static_cast<float>(d) + eps);
      for (std::int64_t c = 0; c < d; ++c)
        to[c] = to[c] * factor * g[c] + b[c];
    }
  });
}

void normalize(ThreadPool& pool, const ModelConfig& config, ConstMatrixView x, const Tensor& gain, const Tensor& bias,
               MatrixView out) {
  if (config.norm == NormKind::kRms) return rms_norm(pool, x, gain, config.rms_norm_eps, out);
  layer_norm(pool, x, gain, bias, config.rms_norm_eps, out);
}

void attention_input(ThreadPool& pool, const ModelConfig& config, const LayerParams& layer, ConstMatrixView x, MatrixView out) {
  if (config.norm_place != NormPlace::kAfter)
    return normalize(pool, config, x, layer.attention_norm, layer.attention_norm_bias, out);
  for_rows(pool, x.rows, x.cols, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i)
      std::copy_n(x.row(i), x.cols, out.row(i));
  });
}

void add_to(ThreadPool& pool, ConstMatrixView term, MatrixView x) {
  for_rows(pool, x.rows, x.cols, [&](std::int64_t first, std::int64_t last) {
    const float* from = term.data;
    float* to = x.data;
    for (std::int64_t i = first * x.cols; i < last * x.cols; ++i)
      to[i] += from[i];
  });
}

void add_attention(ThreadPool& pool, const ModelConfig& config, const LayerParams& layer, const AttentionSum& sum) {
  if (config.norm_place != NormPlace::kAround) return add_to(pool, sum.out, sum.x);
  normalize(pool, config, sum.out, layer.attention_out_norm, {}, sum.scratch);
  add_to(pool, sum.scratch, sum.x);
}

MlpHalf::MlpHalf(ThreadPool& pool, const ModelConfig& config, std::int64_t most_rows)
    : pool_(pool),
      config_(config),
      gate_({is_gated(config.mlp) ? most_rows : 0, config.shape.d_ff}, Fill::kNone),
      up_({most_rows, config.shape.d_ff}, Fill::kNone),
      out_({most_rows, config.shape.d_model}, Fill::kNone),
      normed_({config.norm_place == NormPlace::kAfter ? 0 : most_rows, config.shape.d_model}, Fill::kNone) {}

ConstMatrixView MlpHalf::hidden(const LayerParams& layer, ConstMatrixView input) {
  const MatrixView up = rows_of(up_, 0, input.rows);
  if (is_gated(config_.mlp)) {
    const MatrixView gate = rows_of(gate_, 0, input.rows);
    const std::array parts{LinearPart{layer.w_gate.weights(), layer.b_gate.span(), gate},
                           LinearPart{layer.w_up.weights(), layer.b_up.span(), up}};
    linear(pool_, input, parts);
    for_values(pool_, gate, [&](std::span<float> values, std::int64_t first) {
      apply_gate(config_.mlp, values, {up.row(first), values.size()});
    });
    return gate;
  }
  linear(pool_, input, layer.w_up.weights(), layer.b_up.span(), up);
  activate(pool_, config_.mlp, up);
  return up;
}

void MlpHalf::add(const LayerParams& layer, StageClock& clock, MatrixView x) {
  const NormPlace place = config_.norm_place;
  if (config_.shape.d_ff > 0) {
    ConstMatrixView input = x;
    if (place != NormPlace::kAfter) {
      const MatrixView normed = rows_of(normed_, 0, x.rows);
      normalize(pool_, config_, x, layer.mlp_norm, layer.mlp_norm_bias, normed);
      input = normed;
      clock.lap("norm");
    }
    const MatrixView out = rows_of(out_, 0, x.rows);
    linear(pool_, hidden(layer, input), layer.w_down.weights(), layer.b_down.span(), out);
    if (place == NormPlace::kAround) normalize(pool_, config_, out, layer.mlp_out_norm, {}, out);
    add_to(pool_, out, x);
    clock.lap("MLP");
  }
  if (place != NormPlace::kAfter) return;
  normalize(pool_, config_, x, layer.mlp_norm, layer.mlp_norm_bias, x);
  clock.lap("norm");
}

OutputHead::OutputHead(const ModelParams& params, std::int64_t most_rows)
    : params_(params),
      normed_({most_rows, params.config.shape.d_model}, Fill::kNone),
      transformed_({params.config.has_head_transform ? most_rows : 0, params.config.shape.d_model}, Fill::kNone) {}

void OutputHead::logits(ThreadPool& pool, ConstMatrixView x, MatrixView logits) {
  const ModelConfig& config = params_.config;
  ConstMatrixView state = x;
  const MatrixView normed = rows_of(normed_, 0, x.rows);
  if (config.norm_place != NormPlace::kAfter) {
    normalize(pool, config, x, params_.final_norm, params_.final_norm_bias, normed);
    state = normed;
  }
  if (config.has_head_transform) {
    const MatrixView transformed = rows_of(transformed_, 0, x.rows);
    linear(pool, state, params_.head_dense.weights(), params_.head_dense_bias.span(), transformed);
    activate(pool, config.mlp, transformed);
    normalize(pool, config, transformed, params_.head_norm, params_.head_norm_bias, transformed);
    state = transformed;
  }
  if (config.logit_scale != 1) {
    for (std::int64_t i = 0; i < state.rows; ++i)
      std::transform(state.row(i), state.row(i) + state.cols, normed.row(i),
                     [&](float value) { return value * config.logit_scale; });
    state = normed;
  }
  linear(pool, state, params_.output(), params_.output_bias.span(), logits);
  if (config.logit_cap > 0)
    for_rows(pool, logits.rows, logits.cols, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i)
        soft_cap({logits.row(i), static_cast<std::size_t>(logits.cols)}, config.logit_cap);
    });
}

StackScores::StackScores(const StackParams& stack, const Mask& asked) : stack_(stack), asked_(asked) {
  if (stack.config.positions == PositionKind::kRelative && !stack.relative_bias.empty()) {
    bias_ = std::make_shared<const PositionBias>(
        bucketed_bias(stack.relative_bias, stack.config.relative_max_distance, stack.sees_both_sides));
  }
}

Mask StackScores::mask_of(std::size_t layer) const {
  Mask mask = asked_;
  const std::vector<std::int64_t>& windows = stack_.config.windows;
  if (mask.pattern.kind == PatternKind::kDense && layer < windows.size() && windows[layer] > 0) {
    mask.pattern.kind = PatternKind::kLocalWindow;
    mask.pattern.window = windows[layer];
  }
  return mask;
}

AttentionConfig StackScores::config(std::size_t layer, std::int64_t seq) const {
  const ModelConfig& model = stack_.config;
  const LayerParams& params = stack_.layers[layer];
  AttentionConfig config;
  config.n_heads = std::ssize(params.heads);
  config.n_kv_heads = std::ssize(params.kv_heads);
  config.d_head = model.shape.d_head;
  config.seq_q = config.seq_k = seq;
  config.mask = mask_of(layer);
  config.kv_head_of = params.kv_head_of;
  config.soft_cap = model.score_cap;
  config.scale = model.attention_scale;
  if (model.divides_scale_by_layer) config.scale = config.effective_scale() / static_cast<float>(layer + 1);
  if (!bias_ || config.n_heads == bias_->n_heads) {
    config.position_bias = bias_;
  } else {  // of the heads that are left
    PositionBias left{.n_heads = config.n_heads, .reach = bias_->reach, .values = {}};
    for (const std::int64_t head : params.heads)
      left.values.insert(left.values.end(), bias_->row(head), bias_->row(head) + 2 * left.reach + 1);
    config.position_bias = std::make_shared<const PositionBias>(std::move(left));
  }
  return config;
}

PositionBias bucketed_bias(const Tensor& table, std::int64_t max_distance, bool sees_both_sides) {
  const std::int64_t n_all = table.dim(0), n_heads = table.dim(1);
  const std::int64_t n_buckets = sees_both_sides ? n_all / 2 : n_all;
  const std::int64_t n_exact = std::max<std::int64_t>(1, n_buckets / 2);
  const auto bucket_of = [&](std::int64_t distance) {
    const std::int64_t first = sees_both_sides && distance > 0 ? n_buckets : 0;
    const std::int64_t away = sees_both_sides ? std::abs(distance) : std::max<std::int64_t>(0, -distance);
    if (away < n_exact) return first + away;
    // As the reference rounds it: float32 all the way.
    const float share = std::log(static_cast<float>(away) / static_cast<float>(n_exact)) /
                        static_cast<float>(std::log(static_cast<double>(max_distance) / static_cast<double>(n_exact)));
    const auto more = static_cast<std::int64_t>(share * static_cast<float>(n_buckets - n_exact));
    return first + std::min(n_exact + more, n_buckets - 1);
  };
  PositionBias bias{.n_heads = n_heads, .reach = std::max<std::int64_t>(max_distance, n_exact), .values = {}};
  bias.values.reserve(static_cast<std::size_t>(n_heads * (2 * bias.reach + 1)));
  for (std::int64_t head = 0; head < n_heads; ++head)
    for (std::int64_t distance = -bias.reach; distance <= bias.reach; ++distance)
      bias.values.push_back(table.row(bucket_of(distance))[static_cast<std::size_t>(head)]);
  return bias;
}

LayerTrace layer_trace(const LayerParams& layer, const AttentionConfig& config) {
  LayerTrace step;
  step.heads = layer.heads;
  step.kv_head_of = layer.kv_head_of;
  step.d_head = config.d_head;
  step.scale = config.effective_scale();
  step.soft_cap = config.soft_cap;
  step.position_bias = config.position_bias;
  step.mask = config.mask;
  return step;
}

RotaryAngles::RotaryAngles(ThreadPool& pool, const std::optional<Rotary>& rotary, std::int64_t seq, std::int64_t d_head)
    : d_head_(d_head) {
  if (!rotary) return;
  tables_.resize(static_cast<std::size_t>((seq + kPositionsPerTable - 1) / kPositionsPerTable));
  pool.parallel_for(std::ssize(tables_), [&](std::int64_t item, int) {
    const std::int64_t first = item * kPositionsPerTable;
    tables_[static_cast<std::size_t>(item)] = make_rotary_table(*rotary, first, std::min(seq - first, kPositionsPerTable), d_head);
  });
}

void RotaryAngles::rotate(std::int64_t position, std::int64_t n_heads, const float* from, float* to) const {
  if (tables_.empty()) {
    if (from != to) std::copy_n(from, n_heads * d_head_, to);
    return;
  }
  rotate_row(tables_[static_cast<std::size_t>(position / kPositionsPerTable)], position % kPositionsPerTable, n_heads, from, to);
}

void report_share(const LongPassOptions& options, double share) {
  if (options.stop.stop_requested()) throw Cancelled();
  if (options.progress) options.progress(std::clamp(share, 0.0, 1.0));
}

MatrixView rows_of(Tensor& tensor, std::int64_t begin, std::int64_t end) {
  const MatrixView all = tensor.matrix();
  return {all.row(begin), end - begin, all.cols, all.row_stride};
}

ConstMatrixView rows_of(const Tensor& tensor, std::int64_t begin, std::int64_t end) {
  const ConstMatrixView all = tensor.matrix();
  return {all.row(begin), end - begin, all.cols, all.row_stride};
}

}  // namespace headroom
