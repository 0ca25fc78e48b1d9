#include "core/decoding/writer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/attention/project_heads.h"
#include "core/model/forward_steps.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Rows that are added at the end of those that are there already.
class GrowingRows {
 public:
  /// Shapes  rows alike in width.
  void append(ConstMatrixView rows) {
    if (n_ + rows.rows > capacity()) {
      Tensor larger({std::max<std::int64_t>(2 * capacity(), n_ + rows.rows + 64), rows.cols}, Fill::kNone);
      std::copy_n(held_.data(), n_ * rows.cols, larger.data());
      held_ = std::move(larger);
    }
    for (std::int64_t i = 0; i < rows.rows; ++i)
      std::copy_n(rows.row(i), rows.cols, held_.row(n_ + i).begin());
    n_ += rows.rows;
  }
  HeadsView heads(std::int64_t n_heads, std::int64_t d_head) {
    return HeadsView::interleaved(held_.data(), 1, n_heads, n_, d_head);
  }

 private:
  std::int64_t capacity() const { return held_.rank() == 2 ? held_.dim(0) : 0; }

  Tensor held_;
  std::int64_t n_ = 0;
};

/// Self-attention of the newest rows of a text, which read the keys and values of all rows so far.
class CachedAttentionLayer final : public AttentionLayer {
 public:
  CachedAttentionLayer(ThreadPool& pool, AttentionBackend& backend) : pool_(pool), backend_(backend) {}

  std::string_view name() const override { return backend_.name(); }
  Support supports(const AttentionConfig& config) const override { return backend_.supports(config); }

  /// The next rows stand at `position`; run() is then called for each layer in turn.
  void begin_rows(std::int64_t position) {
    position_ = position;
    next_layer_ = 0;
  }

  AttentionLayerResult run(const AttentionConfig& asked, const AttentionLayerParams& params, const std::optional<Rotary>& rotary,
                           ConstMatrixView x, std::stop_token stop) override {
    if (next_layer_ == layers_.size()) layers_.emplace_back();
    Kept& kept = layers_[next_layer_++];
    AttentionConfig config = asked;
    config.seq_q = x.rows;
    config.seq_k = position_ + x.rows;
    config.mask.query_offset = position_;
    const ProjectedHeads heads(pool_, config, params);
    heads.check(x);
    AttentionLayerResult result;
    heads.project(x, result);
    heads.place(rotary, position_, result);
    kept.k.append(result.k.matrix());
    kept.v.append(result.v.matrix());
    const std::int64_t d_head = config.d_head;
    result.head_out = Tensor({x.rows, config.n_heads * d_head}, Fill::kNone);
    result.logsumexp = Tensor({config.n_heads, x.rows}, Fill::kNone);
    backend_.run(config,
                 {heads_of(result.q, d_head), kept.k.heads(config.n_kv_heads, d_head), kept.v.heads(config.n_kv_heads, d_head)},
                 {heads_of(result.head_out, d_head), result.logsumexp.span(), {}}, std::move(stop));
    heads.join(result);
    return result;
  }

 private:
  struct Kept {
    GrowingRows k, v;
  };
  ThreadPool& pool_;
  AttentionBackend& backend_;
  std::vector<Kept> layers_;  ///< that have heads left
  std::size_t next_layer_ = 0;
  std::int64_t position_ = 0;
};

/// Whether the keys and values of a text stay what they are when it goes on.
bool is_steady(const ModelConfig& config, const Mask& mask) {
  using enum RopeScaling::Kind;
  const bool stretches =
      config.positions == PositionKind::kRotary && (config.rope_scaling.kind == kDynamic || config.rope_scaling.kind == kLongRope);
  const bool is_plain = mask.pattern.kind == PatternKind::kDense || mask.pattern.kind == PatternKind::kLocalWindow;
  return mask.direction == Direction::kCausal && is_plain && !stretches;
}

}  // namespace

struct Writer::State {
  State(const ModelParams& given, const Mask& asked, ThreadPool& threads)
      : params(given),
        mask(asked),
        pool(threads),
        backend(make_flash_backend(threads)),
        is_kept(is_steady(given.config, asked)),
        cached(threads, *backend),
        whole(make_cpu_attention_layer(threads, *backend)) {
    logits = Tensor({1, params.config.shape.vocab_size}, Fill::kNone);
  }

  const ModelParams& params;
  Mask mask;
  ThreadPool& pool;
  std::unique_ptr<AttentionBackend> backend;
  bool is_kept;
  CachedAttentionLayer cached;
  std::unique_ptr<AttentionLayer> whole;
  std::optional<CrossAttention> source;
  std::vector<std::int32_t> ids;  ///< all that was read
  Tensor logits;

  void read_rows(std::span<const std::int32_t> added, const std::stop_token& stop) {
    const auto position = std::ssize(ids);
    const StackParams stack = decoder_of(params);
    Tensor x({std::ssize(added), params.config.shape.d_model}, Fill::kNone);
    embed_tokens(pool, stack, {added, position}, x.matrix());
    cached.begin_rows(position);
    std::vector<StageTime> times;
    StageClock clock(times);
    std::vector<LayerTrace> none;
    const auto between = [&](const LayerParams& layer, Tensor& stream) { source->add(layer, clock, stream); };
    run_stack(stack, cached,
              {pool, mask, ForwardOptions::Keep::kLogitsOnly, stop, clock, none,
               source ? std::function<void(const LayerParams&, Tensor&)>(between) : nullptr},
              x);
    OutputHead(params, 1).logits(pool, rows_of(std::as_const(x), x.dim(0) - 1, x.dim(0)), logits.matrix());
  }

  void read_whole(std::span<const std::int32_t> added, const std::stop_token& stop) {
    std::vector<std::int32_t> all = ids;
    all.insert(all.end(), added.begin(), added.end());
    ForwardOptions options{.mask = mask, .keep = ForwardOptions::Keep::kLogitsOnly, .stop = stop};
    const ForwardTrace trace = forward(params, all, *whole, pool, options);
    std::ranges::copy(trace.logits.row(std::ssize(all) - 1), logits.span().begin());
  }
};

Writer::Writer(const ModelParams& params, const Mask& mask, ThreadPool& pool) {
  if (params.config.kind != ModelKind::kCausal || !params.config.predicts)
    throw ShapeError("only a model that predicts the next token writes on");
  state_ = std::make_unique<State>(params, mask, pool);
}

Writer::Writer(const ModelParams& params, const CrossSource& source, ThreadPool& pool) {
  if (params.config.kind != ModelKind::kEncoderDecoder) throw ShapeError("the model has no encoder");
  if (source.encoded.rank() != 2 || source.encoded.dim(1) != params.config.shape.d_model)
    throw ShapeError("a decoder reads an encoder's output of " + std::to_string(params.config.shape.d_model) + " columns");
  state_ = std::make_unique<State>(params, Mask{.direction = Direction::kCausal}, pool);
  state_->source.emplace(params, source, *state_->backend, pool);
}

Writer::~Writer() = default;

std::span<const float> Writer::read(std::span<const std::int32_t> ids, std::stop_token stop) {
  State& state = *state_;
  const ModelConfig& config = state.params.config;
  check_ids(ids, config.shape.vocab_size);
  check_length(config, n_read() + std::ssize(ids));
  if (stop.stop_requested()) throw Cancelled();
  if (state.is_kept) {
    state.read_rows(ids, stop);
  } else {
    state.read_whole(ids, stop);
  }
  state.ids.insert(state.ids.end(), ids.begin(), ids.end());
  return state.logits.span();
}

std::int64_t Writer::n_read() const { return std::ssize(state_->ids); }
bool Writer::keeps_keys() const { return state_->is_kept; }

std::vector<std::int32_t> write_on(Writer& writer, const ModelConfig& config, std::span<const std::int32_t> text,
                                   const WriteJob& job) {
  std::vector<std::int32_t> written;
  std::vector<std::int32_t> next(text.begin(), text.end());
  const bool has_limit = config.positions == PositionKind::kLearned;
  while (std::ssize(written) < job.most) {
    if (has_limit && writer.n_read() + std::ssize(next) >= config.shape.max_positions) break;
    const std::span<const float> logits = writer.read(next, job.stop);
    const std::uint64_t step = job.first_step + written.size();
    const std::int32_t id = job.first_token >= 0 && written.empty()
                                ? job.first_token
                                : draw(sample_choices(logits, job.sample), uniform_at(job.seed, step));
    written.push_back(id);
    if (job.progress) job.progress(std::ssize(written));
    if (std::ranges::find(job.ends, id) != job.ends.end()) break;
    next = {id};
  }
  return written;
}

}  // namespace headroom
