#include "core/gl/weight_cache.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "core/gl/attention_kernels.h"

namespace headroom::gl {
namespace {

// A 7 B model's layers have 268 MB each; small models fit whole.
constexpr std::size_t kMaxBytes = std::size_t{1} << 30;

/// 64-bit hash of floats' bytes, eight bytes a step on four independent lanes. For equality of content only, not against an adversary.
class ContentHash {
 public:
  void add_values(std::span<const float> values) {
    std::size_t i = 0;
    for (; i + 8 <= values.size(); i += 8) {
      for (std::size_t lane = 0; lane < 4; ++lane) {
        std::uint64_t word = 0;
        std::memcpy(&word, values.data() + i + 2 * lane, sizeof word);
        lanes_[lane] = std::rotl(lanes_[lane] ^ word, 29) * 0x9E3779B97F4A7C15U;
      }
    }
    for (; i < values.size(); ++i)
      add_word(std::bit_cast<std::uint32_t>(values[i]));
    add_word(values.size());  // so that where one tensor ends counts
  }
  void add_matrix(const ConstWeightView& matrix) {
    std::vector<float> row(static_cast<std::size_t>(matrix.cols));
    for (std::int64_t r = 0; r < matrix.rows; ++r) {
      matrix.read_row(r, row.data());
      add_values(row);
    }
    add_word(static_cast<std::uint64_t>(matrix.rows));
  }
  std::uint64_t value() const {
    std::uint64_t all = 0;
    for (const std::uint64_t lane : lanes_) {
      all = (all ^ lane ^ (lane >> 32)) * 0xD6E8FEB86659FD93U;
      all ^= all >> 29;
    }
    return all;
  }

 private:
  void add_word(std::uint64_t word) { lanes_[0] = std::rotl(lanes_[0] ^ word, 31) * 0xC2B2AE3D27D4EB4FU; }
  std::array<std::uint64_t, 4> lanes_ = {1, 2, 3, 4};
};

/// Rows [n_heads * d_head] of width d_model go to padded rows from `to` on.
void pack_heads(const ConstWeightView& from, std::int64_t d_head, std::int64_t width, float* to) {
  const std::int64_t head_rows = 4 * vec4s(d_head);
  for (std::int64_t r = 0; r < from.rows; ++r) {
    from.read_row(r, to + (r / d_head * head_rows + r % d_head) * width);
  }
}

void pack_bias(std::span<const float> from, std::int64_t d_head, float* to) {
  const std::int64_t head_rows = 4 * vec4s(d_head);
  for (std::size_t i = 0; i < from.size(); ++i) {
    const auto r = static_cast<std::int64_t>(i);
    to[r / d_head * head_rows + r % d_head] = from[i];
  }
}

std::vector<float> zeros(std::int64_t n) { return std::vector<float>(static_cast<std::size_t>(n), 0.0F); }

}  // namespace

WeightCache::Key WeightCache::key_of(const AttentionConfig& config, const AttentionLayerParams& params) {
  ContentHash hash;
  for (const ConstWeightView& matrix : {params.w_q, params.w_k, params.w_v, params.w_o})
    hash.add_matrix(matrix);
  for (const auto& bias : {params.b_q, params.b_k, params.b_v, params.b_o})
    hash.add_values(bias);
  return {hash.value(), config.n_heads, config.n_kv_heads, config.d_head};
}

const DeviceWeights& WeightCache::get(const AttentionConfig& config, const AttentionLayerParams& params) {
  const Key key = key_of(config, params);
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
    return entries_.front().weights;
  }

  const std::int64_t head = 4 * vec4s(config.d_head);
  const std::int64_t width = 4 * vec4s(params.w_q.cols);
  const std::int64_t out_width = 4 * vec4s(params.w_o.rows);
  const std::int64_t q_rows = config.n_heads * head;
  const std::int64_t kv_rows = config.n_kv_heads * head;
  const std::int64_t n_rows = q_rows + 2 * kv_rows;
  const std::size_t bytes = static_cast<std::size_t>(n_rows * width + out_width * q_rows) * sizeof(float);
  std::size_t held = bytes;
  for (const Entry& entry : entries_)
    held += entry.bytes;
  while (!entries_.empty() && held > kMaxBytes) {
    held -= entries_.back().bytes;
    entries_.pop_back();
  }

  Entry entry;
  entry.key = key;
  entry.bytes = bytes;
  std::vector<float> w_qkv = zeros(n_rows * width);
  pack_heads(params.w_q, config.d_head, width, w_qkv.data());
  pack_heads(params.w_k, config.d_head, width, w_qkv.data() + q_rows * width);
  pack_heads(params.w_v, config.d_head, width, w_qkv.data() + (q_rows + kv_rows) * width);
  entry.weights.w_qkv.upload(std::span<const float>(w_qkv), "W_Q, W_K and W_V");
  std::vector<float> b_qkv = zeros(n_rows);
  pack_bias(params.b_q, config.d_head, b_qkv.data());
  pack_bias(params.b_k, config.d_head, b_qkv.data() + q_rows);
  pack_bias(params.b_v, config.d_head, b_qkv.data() + q_rows + kv_rows);
  entry.weights.b_qkv.upload(std::span<const float>(b_qkv), "the biases of q, k and v");
  std::vector<float> w_o = zeros(out_width * q_rows);
  std::vector<float> row(static_cast<std::size_t>(params.w_o.cols));
  for (std::int64_t r = 0; r < params.w_o.rows; ++r) {
    params.w_o.read_row(r, row.data());
    for (std::int64_t h = 0; h < config.n_heads; ++h) {
      std::copy_n(row.data() + h * config.d_head, config.d_head, w_o.data() + r * q_rows + h * head);
    }
  }
  entry.weights.w_o.upload(std::span<const float>(w_o), "W_O");
  std::vector<float> b_o = zeros(out_width);
  std::copy(params.b_o.begin(), params.b_o.end(), b_o.begin());
  entry.weights.b_o.upload(std::span<const float>(b_o), "the bias of W_O");
  entries_.push_front(std::move(entry));
  ++n_uploads_;
  return entries_.front().weights;
}

}  // namespace headroom::gl
