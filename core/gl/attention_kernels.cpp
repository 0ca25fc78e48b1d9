#include "core/gl/attention_kernels.h"

#include <epoxy/gl.h>

#include <algorithm>
#include <bit>
#include <string>

#include "core/attention/dropout.h"
#include "core/gl/gl_error.h"
#include "core/gl/tile_count.h"
#include "core/tensor/error.h"

namespace headroom::gl {
namespace {

// Limits of the OpenGL specification on every axis of work groups.
constexpr std::int64_t kMaxGroups = 65535;
constexpr std::int64_t kVec4Bytes = 16;
constexpr std::int64_t kNaiveLocalSize = 16;

std::string number(std::int64_t value) { return std::to_string(value); }

}  // namespace

void storage_barrier() {
  glMemoryBarrier(GL_SHADER_STORAGE_BARRIER_BIT | GL_TEXTURE_FETCH_BARRIER_BIT | GL_BUFFER_UPDATE_BARRIER_BIT);
}

Texel texel_of(KvStorage storage) {
  if (storage == KvStorage::kFloat16) return Texel::kHalf4;
  return storage == KvStorage::kBFloat16 ? Texel::kUint2 : Texel::kVec4;
}

AttentionKernels::AttentionKernels(const DeviceFacts& facts, Kernel kernel, const GpuOptions& options)
    : facts_(facts), kernel_(kernel), options_(options), pacer_(facts.is_software, options), tuner_(facts, options) {}

Support AttentionKernels::supports(const AttentionConfig& config) const {
  if (auto wrong = validate(config)) return {false, *wrong};
  if (auto limit = mask_limit(config)) return {false, *limit};
  if (config.soft_cap > 0) return {false, "The GPU kernels do not cap scores softly, as this model does"};
  if (config.position_bias != nullptr) return {false, "The GPU kernels do not add biases by position, as this model does"};
  const std::int64_t d4 = vec4s(config.d_head);
  const std::int64_t texels = config.batch * d4 * std::max(config.n_heads * config.seq_q, config.n_kv_heads * config.seq_k);
  if (texels > facts_.max_buffer_texels) {
    return {false, "q, k or v take " + number(texels) + " texels; this OpenGL fetches from buffers of at most " +
                       number(facts_.max_buffer_texels)};
  }
  const std::int64_t logsumexp_bytes = config.batch * config.n_heads * config.seq_q * std::int64_t{sizeof(float)};
  if (logsumexp_bytes > facts_.max_storage_block_bytes) {
    return {false, "The row log-sum-exps take " + number(logsumexp_bytes) +
                       " bytes; this OpenGL writes storage blocks of at most " + number(facts_.max_storage_block_bytes)};
  }
  if (config.n_heads > kMaxGroups) return {false, "The GPU kernels take at most " + number(kMaxGroups) + " heads"};
  if (kernel_ == Kernel::kFused) {
    if (options_.attention_shape.empty()) return {};
    for (const FusedShape& shape : all_fused_shapes(facts_, config)) {
      if (shape.name() == options_.attention_shape) return {};
    }
    return {false,
            "This OpenGL cannot run the kernel shape \"" + options_.attention_shape + "\" for d_head " + number(config.d_head)};
  }
  if (vec4s(config.seq_k) > kMaxGroups * kNaiveLocalSize) {
    return {false, "The naive GPU kernels take at most " + number(4 * kMaxGroups * kNaiveLocalSize) + " keys"};
  }
  if (naive_rows(config) < 1) {
    return {false, "One row of scores over " + number(config.seq_k) + " keys does not fit a storage block of " +
                       number(facts_.max_storage_block_bytes) + " bytes"};
  }
  return {};
}

/// Rows of scores that fit a storage block and a texture.
std::int64_t AttentionKernels::naive_rows(const AttentionConfig& config) const {
  const std::int64_t row4 = std::max<std::int64_t>(vec4s(config.seq_k), 1);
  return std::min(facts_.max_storage_block_bytes / (row4 * kVec4Bytes), facts_.max_buffer_texels / row4);
}

std::int64_t AttentionKernels::naive_bytes(const AttentionConfig& config) const {
  std::int64_t n_active = 0;
  for (std::int64_t head = 0; head < config.n_heads; ++head)
    n_active += config.is_pruned(head) ? 0 : 1;
  const std::int64_t rows = std::min(naive_rows(config), config.batch * n_active * config.seq_q);
  return 2 * rows * vec4s(config.seq_k) * kVec4Bytes;
}

SliceWalk::Limits AttentionKernels::limits(const AttentionConfig& config) const {
  SliceWalk::Limits limits;
  limits.groups = kMaxGroups;
  limits.out4 = (facts_.max_storage_block_bytes - facts_.storage_alignment) / kVec4Bytes;
  limits.granule = kernel_ == Kernel::kFused ? shape_.group_queries() : 4;
  limits.queries = kMaxGroups * limits.granule;
  if (kernel_ == Kernel::kNaive) limits.rows = naive_rows(config);
  return limits;
}

void AttentionKernels::set_params(const AttentionConfig& config, const DeviceAttention& tensors) {
  params_ = {};
  params_.seq_q = static_cast<int>(config.seq_q);
  params_.seq_k = static_cast<int>(config.seq_k);
  params_.d4 = static_cast<int>(vec4s(config.d_head));
  params_.n_heads = static_cast<int>(config.n_heads);
  params_.row4 = static_cast<int>(vec4s(config.seq_k));
  params_.scale = config.effective_scale();
  params_.q_at4 = static_cast<int>(tensors.q_place.at);
  params_.q_batch4 = static_cast<int>(tensors.q_place.batch);
  params_.q_head4 = static_cast<int>(tensors.q_place.head);
  params_.q_row4 = static_cast<int>(tensors.q_place.row);
  params_.k_at4 = static_cast<int>(tensors.k_place.at);
  params_.v_at4 = static_cast<int>(tensors.v_at);
  params_.kv_batch4 = static_cast<int>(tensors.k_place.batch);
  params_.kv_head4 = static_cast<int>(tensors.k_place.head);
  params_.kv_row4 = static_cast<int>(tensors.k_place.row);
  params_.out_batch4 = static_cast<int>(tensors.out_place.batch);
  params_.out_head4 = static_cast<int>(tensors.out_place.head);
  params_.out_row4 = static_cast<int>(tensors.out_place.row);
  if (config.dropout && config.dropout->probability > 0) {
    params_.dropout_seed = std::bit_cast<int>(counter_hash(config.dropout->seed, {}));
    params_.dropout_threshold = static_cast<int>(dropout_threshold(*config.dropout));
    params_.kept_factor = kept_factor(*config.dropout);
  }
  mask_.update(config, params_);
  active_heads_.clear();
  for (std::int64_t head = 0; head < config.n_heads; ++head) {
    if (!config.is_pruned(head)) active_heads_.push_back(head);
  }
}

void AttentionKernels::set_slice(const Slice& slice) {
  params_.first_batch = static_cast<int>(slice.first_batch);
  params_.first_active = static_cast<int>(slice.first_active);
  params_.n_active = static_cast<int>(slice.n_active);
  params_.first_query = static_cast<int>(slice.first_query);
  params_.end_query = static_cast<int>(slice.first_query + slice.n_queries);
}

/// Binds the part of out that is written: the whole of a long text's may be larger than a storage block.
void AttentionKernels::bind_out(const DeviceAttention& tensors, Span4 span) {
  const std::int64_t step4 = std::max<std::int64_t>(facts_.storage_alignment / kVec4Bytes, 1);
  const std::int64_t begin = span.begin / step4 * step4;
  params_.out_at4 = static_cast<int>(tensors.out_place.at - begin);
  tensors.out->bind_storage(0, static_cast<std::size_t>(begin * kVec4Bytes),
                            static_cast<std::size_t>((span.end - begin) * kVec4Bytes));
  tensors.logsumexp->bind_storage(1);
}

void AttentionKernels::run(const AttentionConfig& config, const DeviceAttention& tensors, const AttentionExtras& extras,
                           const std::stop_token& stop) {
  if (stop.stop_requested()) throw Cancelled();
  if (extras.work != nullptr) *extras.work = {};
  if (kernel_ == Kernel::kFused) shape_ = choose_shape(config, tensors, stop);
  set_params(config, tensors);
  if (active_heads_.empty() || config.batch == 0 || config.seq_q == 0) return;
  if (kernel_ == Kernel::kFused) {
    run_fused(config, tensors, stop);
  } else {
    run_naive(config, tensors, extras, stop);
  }
  check_gl("computing attention");
  if (extras.work != nullptr) count_work(config, *extras.work);
}

void AttentionKernels::run_fused(const AttentionConfig& config, const DeviceAttention& tensors, const std::stop_token& stop) {
  SliceWalk walk(config, active_heads_, tensors.out_place, params_.d4, limits(config));
  const double row_flops = 4.0 * static_cast<double>(std::max<std::int64_t>(config.seq_k, 1) * config.d_head);
  while (const std::optional<Slice> slice = walk.next(pacer_.next_flops() / row_flops)) {
    pacer_.begin(stop);
    dispatch_fused(config, tensors, *slice, walk.out_span(*slice));
    pacer_.end(row_flops * static_cast<double>(slice->n_batch * slice->n_active * slice->n_queries));
  }
}

void AttentionKernels::dispatch_fused(const AttentionConfig& config, const DeviceAttention& tensors, const Slice& slice,
                                      Span4 out) {
  set_slice(slice);
  bind_out(tensors, out);
  uniforms_.write(HEADROOM_PARAMS_SLOT, params_);
  programs_.get(shape_.shader(), shape_.defines(config)).use();
  if (shape_.reads == FusedShape::Reads::kStorage) {
    tensors.q->bind_storage(2);
    tensors.k->bind_storage(3);
    tensors.v->bind_storage(4);
  } else {
    tensors.q->bind_texture(0);
    tensors.k->bind_texture(1);
    tensors.v->bind_texture(2);
  }
  mask_.buffer().bind_texture(3);
  glDispatchCompute(static_cast<GLuint>(ceil_div(slice.n_queries, shape_.group_queries())), static_cast<GLuint>(slice.n_active),
                    static_cast<GLuint>(slice.n_batch));
  storage_barrier();
}

void AttentionKernels::run_naive(const AttentionConfig& config, const DeviceAttention& tensors, const AttentionExtras& extras,
                                 const std::stop_token& stop) {
  const auto bytes = static_cast<std::size_t>(naive_bytes(config) / 2);
  scores_.reserve(bytes, "scores");
  probs_.reserve(bytes, "probs");
  SliceWalk walk(config, active_heads_, tensors.out_place, params_.d4, limits(config));
  while (const std::optional<Slice> slab = walk.next(1e12)) {
    run_slab(config, tensors, *slab, walk.out_span(*slab), stop);
    if (!extras.probs.empty()) read_probs(config, *slab, extras.probs);
  }
}

/// All rows of scores that are held at once, in dispatches over some of their queries.
void AttentionKernels::run_slab(const AttentionConfig& config, const DeviceAttention& tensors, const Slice& slab, Span4 out,
                                const std::stop_token& stop) {
  const std::int64_t n_heads = slab.n_batch * slab.n_active;
  const auto bytes = static_cast<std::size_t>(n_heads * slab.n_queries * params_.row4 * kVec4Bytes);
  params_.slab_query = static_cast<int>(slab.first_query);
  params_.slab_queries = static_cast<int>(slab.n_queries);
  const std::vector<ShaderDefine> defines = {
      {"QUERIES", 4},
      {"LOCAL_SIZE", kNaiveLocalSize},
      {"PATTERN", static_cast<int>(config.mask.pattern.kind)},
      {"DROPOUT", config.dropout && config.dropout->probability > 0 ? 1 : 0},
      {"STORAGE", config.kv_storage == KvStorage::kBFloat16 ? HEADROOM_BFLOAT16 : HEADROOM_FLOAT32}};
  const double query_flops = 4.0 * static_cast<double>(n_heads * std::max<std::int64_t>(config.seq_k, 1) * config.d_head);
  const std::int64_t end = slab.first_query + slab.n_queries;
  Slice slice = slab;
  while (slice.first_query < end) {
    const double wished = std::clamp(pacer_.next_flops() / query_flops, 4.0, 1e9);
    slice.n_queries = std::min(static_cast<std::int64_t>(wished) / 4 * 4, end - slice.first_query);
    pacer_.begin(stop);
    set_slice(slice);
    bind_out(tensors, out);
    uniforms_.write(HEADROOM_PARAMS_SLOT, params_);
    mask_.buffer().bind_texture(3);
    const auto query_groups = static_cast<GLuint>(ceil_div(slice.n_queries, 4));

    programs_.get("attention_scores.comp", defines).use();
    tensors.q->bind_texture(0);
    tensors.k->bind_texture(1);
    scores_.bind_storage(0, 0, bytes);
    glDispatchCompute(static_cast<GLuint>(ceil_div(params_.row4, kNaiveLocalSize)), query_groups, static_cast<GLuint>(n_heads));
    storage_barrier();

    programs_.get("attention_softmax.comp", defines).use();
    scores_.bind_texture(0);
    probs_.bind_storage(0, 0, bytes);
    tensors.logsumexp->bind_storage(1);
    glDispatchCompute(static_cast<GLuint>(ceil_div(slice.n_queries, kNaiveLocalSize)), static_cast<GLuint>(slab.n_active),
                      static_cast<GLuint>(slab.n_batch));
    storage_barrier();

    programs_.get("attention_mix.comp", defines).use();
    probs_.bind_texture(4);
    tensors.v->bind_texture(2);
    bind_out(tensors, out);
    glDispatchCompute(static_cast<GLuint>(ceil_div(params_.d4, kNaiveLocalSize)), query_groups, static_cast<GLuint>(n_heads));
    storage_barrier();
    pacer_.end(query_flops * static_cast<double>(slice.n_queries));
    slice.first_query += slice.n_queries;
  }
}

void AttentionKernels::read_probs(const AttentionConfig& config, const Slice& slab, std::span<float> probs) const {
  const std::int64_t row = 4 * std::int64_t{params_.row4};
  std::vector<float> padded(static_cast<std::size_t>(slab.n_queries * row));
  for (std::int64_t b = 0; b < slab.n_batch; ++b) {
    for (std::int64_t a = 0; a < slab.n_active; ++a) {
      const std::int64_t block = (b * slab.n_active + a) * slab.n_queries * row;
      probs_.read(static_cast<std::size_t>(block) * sizeof(float), std::span<float>(padded));
      const std::int64_t head = active_heads_[static_cast<std::size_t>(slab.first_active + a)];
      const std::int64_t plane = ((slab.first_batch + b) * config.n_heads + head) * config.seq_q;
      for (std::int64_t i = 0; i < slab.n_queries; ++i) {
        std::copy_n(padded.data() + i * row, config.seq_k, probs.data() + (plane + slab.first_query + i) * config.seq_k);
      }
    }
  }
}

/// By the shapes of the loops: what the shaders are written to do.
void AttentionKernels::count_work(const AttentionConfig& config, AttentionWork& work) const {
  const auto n_active = static_cast<double>(active_heads_.size());
  const double rows = n_active * static_cast<double>(config.batch * config.seq_q);
  const double row_bytes = 16.0 * params_.d4;
  const double kv_row_bytes = static_cast<double>(vec4_bytes(config.kv_storage)) * params_.d4;
  work.bytes_moved = rows * (2 * row_bytes + sizeof(float));  // q, out, logsumexp
  work.bytes_allocated = static_cast<double>(mask_.buffer().capacity());
  if (kernel_ == Kernel::kFused) {
    const TileCount tiles = count_tiles(config, shape_);
    work.flops = 4 * n_active * tiles.pairs * static_cast<double>(shape_.padded_d_head(config.d_head));
    work.bytes_moved += 2 * n_active * tiles.kv_rows * kv_row_bytes;
    return;
  }
  const double pairs = rows * static_cast<double>(config.seq_k);
  work.flops = 16 * pairs * params_.d4;
  work.bytes_moved += rows / 4 * 2 * static_cast<double>(config.seq_k) * kv_row_bytes;  // by groups of four queries
  work.bytes_moved += 16.0 * rows * params_.row4 * 6;  // scores: written, read three times; probs: written, read
  work.bytes_allocated += static_cast<double>(scores_.capacity() + probs_.capacity());
}

}  // namespace headroom::gl
