#include "core/decoding/decoder_pass.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/attention/project_heads.h"
#include "core/model/forward_steps.h"
#include "core/tensor/error.h"

namespace headroom {
CachedLayer::CachedLayer(const ModelParams& params, ThreadPool& pool, KvCache& cache)
    : pool_(pool), cache_(cache), probs_(params.layers.size()) {
  for (std::size_t i = 0; i < params.layers.size(); ++i)
    if (!params.layers[i].heads.empty()) layers_.push_back(static_cast<std::int64_t>(i));
}

Support CachedLayer::supports(const AttentionConfig& config) const {
  if (config.mask.direction == Direction::kCausal && is_range_mask(config.mask)) return {};
  return {false, "a cache is read under causal masks that leave each token an unbroken range of those before it"};
}

void CachedLayer::begin_rows() {
  next_ = 0;
  keeps_probs_ = false;
}

void CachedLayer::begin_rows_with_probs() {
  begin_rows();
  keeps_probs_ = true;
}

AttentionLayerResult CachedLayer::run(const AttentionConfig& asked, const AttentionLayerParams& params,
                                      const std::optional<Rotary>& rotary, ConstMatrixView x, std::stop_token stop) {
  const std::int64_t layer = layers_.at(next_++), position = cache_.n_seen(layer), d_head = asked.d_head;
  AttentionConfig config = asked;
  config.seq_q = x.rows;
  config.seq_k = position + x.rows;
  config.mask.query_offset = position;
  const ProjectedHeads heads(pool_, config, params);
  heads.check(x);
  AttentionLayerResult result;
  heads.project(x, result);
  heads.place(rotary, position, result);
  result.head_out = Tensor({x.rows, config.n_heads * d_head}, Fill::kNone);
  result.logsumexp = Tensor({config.n_heads, x.rows}, Fill::kNone);
  std::vector<float>& probs = probs_[static_cast<std::size_t>(layer)];
  probs.assign(keeps_probs_ ? static_cast<std::size_t>(config.n_heads * cache_.n_held_after(layer, x.rows)) : 0, 0.0F);
  std::vector<StageTime> times;
  StageClock clock(times);
  cache_.attend(layer, config,
                {heads_of(result.q, d_head),
                 heads_of(result.k, d_head),
                 heads_of(result.v, d_head),
                 {heads_of(result.head_out, d_head), result.logsumexp.span(), probs}},
                std::move(stop));
  clock.lap("attention");
  result.times = std::move(times);
  heads.join(result);
  return result;
}

DecoderPass::DecoderPass(const ModelParams& params, const Mask& mask, const CrossSource* source, ThreadPool& pool)
    : params_(params), mask_(mask), pool_(pool) {
  const ModelConfig& config = params.config;
  if (source == nullptr) {
    if (config.kind != ModelKind::kCausal || !config.predicts)
      throw ShapeError("only a model that predicts the next token writes on");
    return;
  }
  if (config.kind != ModelKind::kEncoderDecoder) throw ShapeError("the model has no encoder");
  if (source->encoded.rank() != 2 || source->encoded.dim(1) != config.shape.d_model)
    throw ShapeError("a decoder reads an encoder's output of " + std::to_string(config.shape.d_model) + " columns");
  cross_backend_ = make_flash_backend(pool);
  cross_ = std::make_unique<CrossAttention>(params, *source, *cross_backend_, pool);
}

DecoderPass::~DecoderPass() = default;

void DecoderPass::embed_rows(const Rows& rows, Tensor& x) const {
  const StackParams stack = decoder_of(params_);
  const auto n = std::ssize(rows.ids);
  const bool wraps = rows.positions == Positions::kWrapped && params_.config.positions == PositionKind::kLearned;
  if (!wraps) return embed_tokens(pool_, stack, {rows.ids, rows.first_position}, x.matrix());
  const std::int64_t most = params_.config.shape.max_positions;
  for (std::int64_t row = 0; row < n;) {
    const std::int64_t position = (rows.first_position + row) % most, end = std::min(n, row + most - position);
    embed_tokens(pool_, stack, {rows.ids.subspan(static_cast<std::size_t>(row), static_cast<std::size_t>(end - row)), position},
                 rows_of(x, row, end));
    row = end;
  }
}

const Tensor& DecoderPass::run(const Rows& rows, AttentionLayer& attention, std::stop_token stop) {
  const ModelConfig& config = params_.config;
  const auto n = std::ssize(rows.ids);
  check_ids(rows.ids, config.shape.vocab_size);
  if (rows.positions == Positions::kOwn) check_length(config, rows.first_position + n);
  if (stop.stop_requested()) throw Cancelled();
  Tensor x({n, config.shape.d_model}, Fill::kNone);
  embed_rows(rows, x);
  std::vector<StageTime> times;
  StageClock clock(times);
  std::vector<LayerTrace> none;
  std::function<void(const LayerParams&, Tensor&)> between;
  if (cross_) between = [&](const LayerParams& layer, Tensor& stream) { cross_->add(layer, clock, stream); };
  run_stack(decoder_of(params_), attention,
            {pool_, mask_, ForwardOptions::Keep::kLogitsOnly, std::move(stop), clock, none, between}, x);
  const auto time = std::ranges::find(times, "attention", &StageTime::stage);
  attention_ms_ = time == times.end() ? 0 : time->ms;
  const std::int64_t n_logits = rows.logits == Logits::kAll ? n : 1;
  if (logits_.rank() != 2 || logits_.dim(0) != n_logits) logits_ = Tensor({n_logits, config.shape.vocab_size}, Fill::kNone);
  OutputHead(params_, n_logits).logits(pool_, rows_of(std::as_const(x), n - n_logits, n), logits_.matrix());
  return logits_;
}

}  // namespace headroom
