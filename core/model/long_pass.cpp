#include "core/model/long_pass.h"

#include <algorithm>
#include <array>

#include "core/model/forward_steps.h"
#include "core/tensor/error.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

/// One forward pass, stretch by stretch; the device decides how a layer's attention is computed.
class LongPass {
 public:
  LongPass(const ModelParams& params, std::span<const std::int32_t> ids, ThreadPool& pool, const LongPassOptions& options)
      : params_(params),
        ids_(ids),
        pool_(pool),
        options_(options),
        shape_(params.config.shape),
        seq_(std::ssize(ids)),
        stretch_(std::clamp<std::int64_t>(options.rows_per_stretch, 1, seq_)),
        scores_(decoder_of(params), options.mask),
        clock_(trace_.times),
        x_({seq_, shape_.d_model}, Fill::kNone),
        normed_({stretch_, shape_.d_model}, Fill::kNone),
        out_({stretch_, shape_.d_model}, Fill::kNone),
        mlp_(pool, params.config, stretch_) {
    trace_.ids.assign(ids.begin(), ids.end());
    trace_.mask = options.mask;
    embed_tokens(pool_, decoder_of(params_), {ids_, 0, options.token_types}, x_.matrix());
    clock_.lap("embed");
  }

  ForwardTrace run(AttentionBackend& backend) {
    const RotaryAngles angles(pool_, rotary_of(params_.config, seq_), seq_, shape_.d_head);
    clock_.lap("rotary");
    for (const LayerParams& layer : params_.layers) {
      const AttentionConfig config = scores_.config(trace_.layers.size(), seq_);
      LayerTrace step = layer_trace(layer, config);
      project(layer, angles, step.attention);
      attend(layer, config, backend, step.attention);
      trace_.layers.push_back(std::move(step));
    }
    return finish();
  }

  ForwardTrace run(AttentionLayer& device) {
    const auto n_layers = static_cast<double>(params_.layers.size());
    for (const LayerParams& layer : params_.layers) {
      const double done = static_cast<double>(trace_.layers.size()) / n_layers;
      report_share(options_, done);
      const AttentionConfig config = scores_.config(trace_.layers.size(), seq_);
      LayerTrace step = layer_trace(layer, config);
      if (layer.heads.empty()) {
        step.attention = nothing_left(layer);
      } else {
        Tensor normed({seq_, shape_.d_model}, Fill::kNone);
        attention_input(pool_, params_.config, layer, x_.matrix(), normed.matrix());
        clock_.lap("norm");
        step.attention = device.run(config, layer.attention(params_.config.rms_norm_eps), rotary_of(params_.config, seq_),
                                    normed.matrix(), options_.stop);
        for (const StageTime& time : step.attention.times)
          clock_.add(time.stage, time.ms);
        clock_.skip();
        step.attention.head_out = Tensor();
      }
      for (std::int64_t begin = 0; begin < seq_; begin += stretch_) {
        const std::int64_t end = std::min(seq_, begin + stretch_);
        finish_rows(layer, begin, end,
                    step.attention.out.empty() ? no_heads(layer, end - begin) : rows_of(step.attention.out, begin, end));
        report_share(options_, done + 0.5 / n_layers * (1 + static_cast<double>(end) / static_cast<double>(seq_)));
      }
      step.attention.out = Tensor();
      trace_.layers.push_back(std::move(step));
    }
    return finish();
  }

 private:
  AttentionLayerResult nothing_left(const LayerParams& layer) const {
    AttentionLayerResult result;
    const std::int64_t kv_width = std::ssize(layer.kv_heads) * shape_.d_head;
    result.q = Tensor({seq_, 0});
    result.k = result.v = Tensor({seq_, kv_width});
    result.logsumexp = Tensor({0, seq_});
    return result;
  }

  /// q, k and v of all rows.
  void project(const LayerParams& layer, const RotaryAngles& angles, AttentionLayerResult& result) {
    const std::int64_t n_heads = std::ssize(layer.heads), n_kv = std::ssize(layer.kv_heads);
    if (n_heads == 0) {
      result = nothing_left(layer);
      return;
    }
    result.q = Tensor({seq_, n_heads * shape_.d_head}, Fill::kNone);
    result.k = Tensor({seq_, n_kv * shape_.d_head}, Fill::kNone);
    result.v = Tensor({seq_, n_kv * shape_.d_head}, Fill::kNone);
    for (std::int64_t begin = 0; begin < seq_; begin += stretch_) {
      if (options_.stop.stop_requested()) throw Cancelled();
      const std::int64_t end = std::min(seq_, begin + stretch_);
      const MatrixView normed = rows_of(normed_, 0, end - begin);
      attention_input(pool_, params_.config, layer, rows_of(x_, begin, end), normed);
      clock_.lap("norm");
      const std::array parts{LinearPart{layer.w_q.weights(), layer.b_q.span(), rows_of(result.q, begin, end)},
                             LinearPart{layer.w_k.weights(), layer.b_k.span(), rows_of(result.k, begin, end)},
                             LinearPart{layer.w_v.weights(), layer.b_v.span(), rows_of(result.v, begin, end)}};
      linear(pool_, normed, parts);
      clock_.lap("q k v");
      const QueryKeyNorms norms(params_.config, layer);
      for_rows(pool_, end - begin, result.q.dim(1) + result.k.dim(1), [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = begin + first; i < begin + last; ++i) {
          norm_row(norms.q, n_heads, result.q.row(i).data());
          norm_row(norms.k, n_kv, result.k.row(i).data());
          angles.rotate(i, n_heads, result.q.row(i).data(), result.q.row(i).data());
          angles.rotate(i, n_kv, result.k.row(i).data(), result.k.row(i).data());
        }
      });
      clock_.lap("rotary");
    }
  }

  /// Attention, W_O and the MLP, one stretch of queries after another: later stretches still read this layer's k and v, not x.
  void attend(const LayerParams& layer, const AttentionConfig& whole, AttentionBackend& backend, AttentionLayerResult& result) {
    const std::int64_t n_heads = whole.n_heads;
    Tensor head_out({stretch_, n_heads * shape_.d_head}, Fill::kNone);
    Tensor sums({std::max<std::int64_t>(1, n_heads), stretch_}, Fill::kNone);
    result.logsumexp = Tensor({n_heads, seq_}, Fill::kNone);
    const ConstHeadsView k = ConstHeadsView::interleaved(result.k.data(), 1, whole.n_kv_heads, seq_, shape_.d_head);
    const ConstHeadsView v = ConstHeadsView::interleaved(result.v.data(), 1, whole.n_kv_heads, seq_, shape_.d_head);
    for (std::int64_t begin = 0; begin < seq_; begin += stretch_) {
      report_share(options_, share_done(begin));
      const std::int64_t rows = std::min(seq_ - begin, stretch_);
      if (n_heads > 0) {
        AttentionConfig config = whole;
        config.seq_q = rows;
        config.mask.query_offset = begin;
        ConstHeadsView q = ConstHeadsView::interleaved(result.q.row(begin).data(), 1, n_heads, rows, shape_.d_head);
        const HeadsView to = HeadsView::interleaved(head_out.data(), 1, n_heads, rows, shape_.d_head);
        backend.run(config, {q, k, v}, {to, sums.span().first(static_cast<std::size_t>(n_heads * rows)), {}}, options_.stop);
        for (std::int64_t head = 0; head < n_heads; ++head)
          std::copy_n(sums.data() + head * rows, rows, result.logsumexp.row(head).data() + begin);
        clock_.lap("attention");
        linear(pool_, rows_of(head_out, 0, rows), layer.w_o.weights(), layer.b_o.span(), rows_of(out_, 0, rows));
        clock_.lap("W_O");
        finish_rows(layer, begin, begin + rows, rows_of(out_, 0, rows));
      } else {
        finish_rows(layer, begin, begin + rows, no_heads(layer, rows));
      }
    }
  }

  /// What attention gives in a layer that lost all heads: its bias.
  ConstMatrixView no_heads(const LayerParams& layer, std::int64_t rows) {
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::span<float> row = out_.row(i);
      std::ranges::fill(row, 0.0f);
      std::ranges::copy(layer.b_o.span(), row.begin());
    }
    return rows_of(out_, 0, rows);
  }

  /// Rows of x get what attention gives them, `out`, and then the MLP.
  void finish_rows(const LayerParams& layer, std::int64_t begin, std::int64_t end, ConstMatrixView out) {
    const ModelConfig& config = params_.config;
    const MatrixView x = rows_of(x_, begin, end);
    const bool is_parallel = config.block_order == BlockOrder::kParallel;
    if (is_parallel) mlp_.add(layer, clock_, x);
    add_attention(pool_, config, layer, {out, rows_of(normed_, 0, end - begin), x});
    clock_.lap("W_O");
    if (config.norm_place == NormPlace::kAfter) {
      normalize(pool_, config, x, layer.attention_norm, layer.attention_norm_bias, x);
      clock_.lap("norm");
    }
    if (!is_parallel) mlp_.add(layer, clock_, x);
  }

  /// Of the whole pass, when `rows` of the present layer are done. Under a dense causal mask a row costs what lies before it.
  double share_done(std::int64_t rows) const {
    const double part = static_cast<double>(rows) / static_cast<double>(seq_);
    const bool is_triangle = options_.mask.direction == Direction::kCausal && options_.mask.pattern.kind == PatternKind::kDense;
    return (static_cast<double>(trace_.layers.size()) + (is_triangle ? part * part : part)) /
           static_cast<double>(params_.layers.size());
  }

  ForwardTrace finish() {
    report_share(options_, 1);
    trace_.output = std::move(x_);
    return std::move(trace_);
  }

  const ModelParams& params_;
  std::span<const std::int32_t> ids_;
  ThreadPool& pool_;
  const LongPassOptions& options_;
  const ModelShape& shape_;
  std::int64_t seq_, stretch_;
  ForwardTrace trace_;
  StackScores scores_;
  StageClock clock_;
  Tensor x_;       ///< [seq, d_model] residual stream
  Tensor normed_;  ///< [stretch, d_model]
  Tensor out_;     ///< [stretch, d_model] what attention gives
  MlpHalf mlp_;
};

void check_text(const ModelConfig& config, std::span<const std::int32_t> ids) {
  check_ids(ids, config.shape.vocab_size);
  check_length(config, std::ssize(ids));
}

}  // namespace

ForwardTrace long_forward(const ModelParams& params, std::span<const std::int32_t> ids, AttentionBackend& attention,
                          ThreadPool& pool, const LongPassOptions& options) {
  check_text(params.config, ids);
  return LongPass(params, ids, pool, options).run(attention);
}

ForwardTrace long_forward(const ModelParams& params, std::span<const std::int32_t> ids, AttentionLayer& attention, ThreadPool& pool,
                          const LongPassOptions& options) {
  check_text(params.config, ids);
  return LongPass(params, ids, pool, options).run(attention);
}

std::int64_t long_forward_bytes(const ModelParams& params, std::int64_t seq) {
  const ModelShape& shape = params.config.shape;
  std::int64_t floats_per_token = shape.d_model;  // the residual stream
  for (const LayerParams& layer : params.layers) {
    const std::int64_t heads = std::ssize(layer.heads), kv = std::ssize(layer.kv_heads);
    floats_per_token += (heads + 2 * kv) * shape.d_head + heads;
  }
  return 4 * seq * floats_per_token;
}

}  // namespace headroom
