#include "core/model/forward_steps.h"

#include <array>
#include <cmath>

#include "core/tensor/error.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

constexpr std::array kStages{"embed", "norm", "q k v", "rotary", "attention", "W_O", "MLP", "logits"};

/// Positions whose angles are computed together.
constexpr std::int64_t kPositionsPerTable = 1024;

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

StackScores::StackScores(const StackParams& stack, const Mask& asked) : stack_(stack), asked_(asked) {
  if (stack.config.positions == PositionKind::kRelative && !stack.relative_bias.empty()) {
    bias_ = std::make_shared<const PositionBias>(
        bucketed_bias(stack.relative_bias, stack.config.relative_max_distance, stack.sees_both_sides));
  }
}

Mask layer_mask(const ModelConfig& config, std::size_t layer, const Mask& asked) {
  Mask mask = asked;
  if (mask.pattern.kind == PatternKind::kDense && layer < config.windows.size() && config.windows[layer] > 0) {
    mask.pattern.kind = PatternKind::kLocalWindow;
    mask.pattern.window = config.windows[layer];
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
  config.mask = layer_mask(model, layer, asked_);
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
