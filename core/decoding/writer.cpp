#include "core/decoding/writer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/decoding/decode_run.h"
#include "core/decoding/decoder_pass.h"
#include "core/model/forward_steps.h"
#include "core/tensor/error.h"

namespace headroom {

std::optional<std::string> find_cache_problem(const ModelConfig& config, const Mask& mask) {
  using enum RopeScaling::Kind;
  if (mask.direction != Direction::kCausal)
    return "Keys and values of a text whose tokens see later ones change with each new token: only a causal mask has a cache.";
  if (!is_range_mask(mask))
    return "A cache is read in one unbroken range: choose the dense pattern or the local window, not " + mask_text(mask) + ".";
  if (config.positions == PositionKind::kRotary && (config.rope_scaling.kind == kDynamic || config.rope_scaling.kind == kLongRope))
    return "This model's rotary positions stretch with the text, so that all keys change with each new token: it has no cache.";
  return std::nullopt;
}

CacheShape cache_shape(const ModelParams& params) {
  CacheShape shape{.n_kv_heads = {}, .d_head = params.config.shape.d_head};
  for (const LayerParams& layer : params.layers)
    shape.n_kv_heads.push_back(layer.heads.empty() ? 0 : std::ssize(layer.kv_heads));
  return shape;
}

struct Writer::State {
  State(const ModelParams& params, const Mask& asked, const CrossSource* source, const WriterTools& tools)
      : mask(asked),
        pass(params, mask, source, tools.pool),
        backend(make_flash_backend(tools.pool)),
        whole(make_cpu_attention_layer(tools.pool, *backend)) {
    const std::optional<std::string> problem = find_cache_problem(params.config, mask);
    if (!problem) {
      cache.emplace(cache_shape(params), tools.cache, tools.pool);
      cached = std::make_unique<CachedLayer>(params, tools.pool, *cache);
    } else if (tools.cache != KvCacheOptions{}) {
      throw Error(*problem);
    }
  }

  Mask mask;
  DecoderPass pass;
  std::unique_ptr<AttentionBackend> backend;
  std::unique_ptr<AttentionLayer> whole;
  std::optional<KvCache> cache;  ///< of what was read; none where the whole text is read anew
  std::unique_ptr<CachedLayer> cached;
  bool is_broken = false;         ///< a call ended within a pass: the cache may hold some rows of some layers
  std::vector<std::int32_t> ids;  ///< all that was read

  const Tensor& read(std::span<const std::int32_t> added, std::stop_token stop) {
    const std::int64_t position = cache && !is_broken ? std::ssize(ids) : 0;
    std::vector<std::int32_t> all;
    if (position == 0 && !ids.empty()) {
      all = ids;
      all.insert(all.end(), added.begin(), added.end());
      added = all;
    }
    if (!cache) return pass.run({added, position}, *whole, std::move(stop));
    if (std::exchange(is_broken, true)) cache->clear();
    cached->begin_rows();
    const Tensor& logits = pass.run({added, position}, *cached, std::move(stop));
    is_broken = false;
    return logits;
  }
};

Writer::Writer(const ModelParams& params, const Mask& mask, const WriterTools& tools)
    : state_(std::make_unique<State>(params, mask, nullptr, tools)) {}

Writer::Writer(const ModelParams& params, const CrossSource& source, const WriterTools& tools)
    : state_(std::make_unique<State>(params, Mask{.direction = Direction::kCausal}, &source, tools)) {}

Writer::~Writer() = default;

std::span<const float> Writer::read(std::span<const std::int32_t> ids, std::stop_token stop) {
  const ModelConfig& config = state_->pass.params().config;
  // Before anything is kept: after a refusal the writer goes on from where it was.
  check_ids(ids, config.shape.vocab_size);
  check_length(config, n_read() + std::ssize(ids));
  if (stop.stop_requested()) throw Cancelled();
  const Tensor& logits = state_->read(ids, std::move(stop));
  state_->ids.insert(state_->ids.end(), ids.begin(), ids.end());
  return logits.span();
}

std::int64_t Writer::n_read() const { return std::ssize(state_->ids); }
bool Writer::keeps_keys() const { return state_->cache.has_value(); }
const KvCache* Writer::cache() const { return state_->cache ? &*state_->cache : nullptr; }

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
