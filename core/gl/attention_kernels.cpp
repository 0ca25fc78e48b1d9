#include "core/gl/attention_kernels.h"

#include <epoxy/gl.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

#include "core/attention/dropout.h"
#include "core/gl/gl_error.h"
#include "core/tensor/error.h"

namespace headroom::gl {
namespace {

// Limits of the OpenGL specification on the second and third axis of work groups.
constexpr std::int64_t kMaxGroups = 65535;

std::string number(std::int64_t value) { return std::to_string(value); }

double flops_of(const AttentionConfig& config, std::int64_t n_rows) {
  return 4.0 * static_cast<double>(n_rows) * static_cast<double>(config.seq_k) * static_cast<double>(config.d_head);
}

bool drops(const AttentionConfig& config) { return config.dropout && config.dropout->probability > 0; }

}  // namespace

void storage_barrier() {
  glMemoryBarrier(GL_SHADER_STORAGE_BARRIER_BIT | GL_TEXTURE_FETCH_BARRIER_BIT | GL_BUFFER_UPDATE_BARRIER_BIT);
}

AttentionKernels::Tiling AttentionKernels::tiling() const {
  // A software renderer's "registers" are cached memory and its cost is the fetch: many queries a thread. A GPU wants many light threads.
  if (facts_.is_software) return {4, 8, 16};
  return {1, 64, 16};
}

Support AttentionKernels::supports(const AttentionConfig& config) const {
  if (auto wrong = validate(config)) return {false, *wrong};
  if (config.kv_storage != KvStorage::kFloat32) return {false, "The OpenGL kernels read keys and values of 32 bits."};
  if (auto limit = mask_limit(config)) return {false, *limit};
  const std::int64_t d4 = vec4s(config.d_head);
  const std::int64_t out_bytes = config.batch * config.n_heads * config.seq_q * d4 * 16;
  if (out_bytes > facts_.max_storage_block_bytes) {
    return {false, "The head outputs take " + number(out_bytes) + " bytes; this OpenGL writes storage blocks of at most " +
                       number(facts_.max_storage_block_bytes)};
  }
  const std::int64_t texels = config.batch * d4 * std::max(config.n_heads * config.seq_q, config.n_kv_heads * config.seq_k);
  if (texels > facts_.max_buffer_texels) {
    return {false, "q, k or v take " + number(texels) + " texels; this OpenGL fetches from buffers of at most " +
                       number(facts_.max_buffer_texels)};
  }
  if (config.n_heads > kMaxGroups || config.batch > kMaxGroups / 4) {
    return {false, "The GPU kernels take at most " + number(kMaxGroups) + " heads and a batch of " + number(kMaxGroups / 4)};
  }
  if (kernel_ == Kernel::kNaive && vec4s(config.seq_k) > kMaxGroups * tiling().local_size) {
    return {false, "The naive GPU kernels take at most " + number(4 * kMaxGroups * tiling().local_size) + " keys"};
  }
  if (kernel_ == Kernel::kNaive && max_slice_queries(config) < 1) {
    return {false, "One row of scores over " + number(config.seq_k) + " keys does not fit a storage block of " +
                       number(facts_.max_storage_block_bytes) + " bytes"};
  }
  return {};
}

/// Rows of scores that one slice may hold.
std::int64_t AttentionKernels::max_slice_queries(const AttentionConfig& config) const {
  const double by_flops = slice_flops_ / std::max(flops_of(config, 1), 1.0);
  std::int64_t rows = by_flops < 1 ? 1 : static_cast<std::int64_t>(std::min(by_flops, 1e9));
  if (kernel_ == Kernel::kNaive) {
    const std::int64_t row_bytes = std::max<std::int64_t>(vec4s(config.seq_k), 1) * 16;
    rows = std::min({rows, facts_.max_storage_block_bytes / row_bytes, facts_.max_buffer_texels / (row_bytes / 16)});
  }
  return rows;
}

std::vector<AttentionKernels::Slice> AttentionKernels::slices(const AttentionConfig& config) const {
  const std::int64_t n_active = mask_.n_active();
  const std::int64_t rows = max_slice_queries(config);
  // Heads, batch entries and queries count on axes of at most kMaxGroups groups.
  const std::int64_t max_queries = kMaxGroups * tiling().queries;
  if (config.seq_q <= max_queries && config.batch * n_active <= std::min(rows / config.seq_q, kMaxGroups)) {
    return {{0, config.batch, 0, n_active, 0, config.seq_q}};
  }
  const std::int64_t heads = std::clamp<std::int64_t>(rows / config.seq_q, 1, n_active);
  const std::int64_t queries = std::min({rows, config.seq_q, max_queries});
  std::vector<Slice> slices;
  for (std::int64_t b = 0; b < config.batch; ++b) {
    for (std::int64_t a = 0; a < n_active; a += heads) {
      for (std::int64_t i = 0; i < config.seq_q; i += queries) {
        slices.push_back({b, 1, a, std::min(heads, n_active - a), i, std::min(queries, config.seq_q - i)});
      }
    }
  }
  return slices;
}

void AttentionKernels::run(const AttentionConfig& config, const DeviceAttention& tensors, std::span<float> probs,
                           std::stop_token stop) {
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
  if (drops(config)) {
    params_.dropout_seed = std::bit_cast<int>(counter_hash(config.dropout->seed, {}));
    params_.dropout_threshold = static_cast<int>(dropout_threshold(*config.dropout));
    params_.kept_factor = kept_factor(*config.dropout);
  }
  mask_.update(config, params_);
  active_heads_.clear();
  for (std::int64_t head = 0; head < config.n_heads; ++head) {
    if (!config.is_pruned(head)) active_heads_.push_back(head);
  }
  if (active_heads_.empty() || config.batch == 0 || config.seq_q == 0) return;

  for (const Slice& slice : slices(config)) {
    if (stop.stop_requested()) throw Cancelled();
    params_.first_batch = static_cast<int>(slice.first_batch);
    params_.first_active = static_cast<int>(slice.first_active);
    params_.n_active = static_cast<int>(slice.n_active);
    params_.first_query = static_cast<int>(slice.first_query);
    params_.end_query = static_cast<int>(slice.first_query + slice.n_queries);
    if (kernel_ == Kernel::kFused) {
      run_fused(config, tensors, slice);
    } else {
      run_naive(config, tensors, slice);
      if (!probs.empty()) read_probs(config, slice, probs);
    }
  }
  check_gl("computing attention");
}

void AttentionKernels::run_fused(const AttentionConfig& config, const DeviceAttention& tensors, const Slice& slice) {
  const Tiling tiles = tiling();
  int chunk4 = 4;
  while (chunk4 < tiles.max_chunk4 && chunk4 < params_.d4)
    chunk4 *= 2;
  const int n_chunks = static_cast<int>(ceil_div(params_.d4, chunk4));
  params_.n_chunks = n_chunks;
  uniforms_.write(HEADROOM_PARAMS_SLOT, params_);
  programs_
      .get("attention_fused.comp", {{"QUERIES", tiles.queries},
                                    {"LOCAL_SIZE", tiles.local_size},
                                    {"CHUNK4", chunk4},
                                    {"PATTERN", static_cast<int>(config.mask.pattern.kind)},
                                    {"DROPOUT", drops(config) ? 1 : 0}})
      .use();
  tensors.q->bind_texture(0);
  tensors.k->bind_texture(1);
  tensors.v->bind_texture(2);
  mask_.buffer().bind_texture(3);
  tensors.out->bind_storage(0);
  tensors.logsumexp->bind_storage(1);
  glDispatchCompute(static_cast<GLuint>(ceil_div(slice.n_queries, tiles.queries * tiles.local_size)),
                    static_cast<GLuint>(slice.n_active), static_cast<GLuint>(slice.n_batch * n_chunks));
  storage_barrier();
}

void AttentionKernels::run_naive(const AttentionConfig& config, const DeviceAttention& tensors, const Slice& slice) {
  const Tiling tiles = tiling();
  const std::int64_t n_heads = slice.n_batch * slice.n_active;
  const std::size_t bytes = static_cast<std::size_t>(n_heads * slice.n_queries * params_.row4) * 16;
  scores_.reserve(bytes, "scores");
  probs_.reserve(bytes, "probs");
  params_.n_chunks = 1;
  uniforms_.write(HEADROOM_PARAMS_SLOT, params_);
  const std::vector<ShaderDefine> defines = {{"QUERIES", 4},
                                             {"LOCAL_SIZE", tiles.local_size},
                                             {"PATTERN", static_cast<int>(config.mask.pattern.kind)},
                                             {"DROPOUT", drops(config) ? 1 : 0}};
  const auto query_groups = static_cast<GLuint>(ceil_div(slice.n_queries, 4));
  mask_.buffer().bind_texture(3);

  programs_.get("attention_scores.comp", defines).use();
  tensors.q->bind_texture(0);
  tensors.k->bind_texture(1);
  scores_.bind_storage(0, 0, bytes);
  glDispatchCompute(static_cast<GLuint>(ceil_div(params_.row4, tiles.local_size)), query_groups, static_cast<GLuint>(n_heads));
  storage_barrier();

  programs_.get("attention_softmax.comp", defines).use();
  scores_.bind_texture(0);
  probs_.bind_storage(0, 0, bytes);
  tensors.logsumexp->bind_storage(1);
  glDispatchCompute(static_cast<GLuint>(ceil_div(slice.n_queries, tiles.local_size)), static_cast<GLuint>(slice.n_active),
                    static_cast<GLuint>(slice.n_batch));
  storage_barrier();

  programs_.get("attention_mix.comp", defines).use();
  probs_.bind_texture(0);
  tensors.v->bind_texture(2);
  tensors.out->bind_storage(0);
  glDispatchCompute(static_cast<GLuint>(ceil_div(params_.d4, tiles.local_size)), query_groups, static_cast<GLuint>(n_heads));
  storage_barrier();
}

void AttentionKernels::read_probs(const AttentionConfig& config, const Slice& slice, std::span<float> probs) const {
  const std::int64_t row = 4 * std::int64_t{params_.row4};
  std::vector<float> padded(static_cast<std::size_t>(slice.n_queries * row));
  for (std::int64_t b = 0; b < slice.n_batch; ++b) {
    for (std::int64_t a = 0; a < slice.n_active; ++a) {
      const std::int64_t block = (b * slice.n_active + a) * slice.n_queries * row;
      probs_.read(static_cast<std::size_t>(block) * sizeof(float), std::span<float>(padded));
      const std::int64_t head = active_heads_[static_cast<std::size_t>(slice.first_active + a)];
      const std::int64_t plane = ((slice.first_batch + b) * config.n_heads + head) * config.seq_q;
      for (std::int64_t i = 0; i < slice.n_queries; ++i) {
        std::copy_n(padded.data() + i * row, config.seq_k, probs.data() + (plane + slice.first_query + i) * config.seq_k);
      }
    }
  }
}

}  // namespace headroom::gl
