#include "core/gl/packed_heads.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace headroom::gl {
namespace {

HeadsPlace head_major(std::int64_t n_heads, std::int64_t seq, std::int64_t d4) { return {0, n_heads * seq * d4, seq * d4, d4}; }

/// Whether the heads fill their memory without gaps and every row begins at a whole vec4: then it is uploaded as it lies.
template <typename T>
bool is_dense(const BasicHeadsView<T>& heads) {
  if (heads.batch * heads.n_heads * heads.seq == 0) return false;
  const std::int64_t last = (heads.batch - 1) * heads.batch_stride + (heads.n_heads - 1) * heads.head_stride +
                            (heads.seq - 1) * heads.row_stride + heads.d_head;
  const bool is_aligned =
      heads.d_head % 4 == 0 && heads.batch_stride % 4 == 0 && heads.head_stride % 4 == 0 && heads.row_stride % 4 == 0;
  return is_aligned && last == heads.batch * heads.n_heads * heads.seq * heads.d_head;
}

enum class Order { kAsItLies, kHeadMajor };

template <typename T>
HeadsPlace upload_heads(const BasicHeadsView<const T>& heads, Order order, Buffer& buffer, const std::string& what) {
  if (order == Order::kAsItLies) {
    const auto n = static_cast<std::size_t>(heads.batch * heads.n_heads * heads.seq * heads.d_head);
    buffer.upload(std::span<const T>(heads.data, n), what);
    return {0, heads.batch_stride / 4, heads.head_stride / 4, heads.row_stride / 4};
  }
  const std::int64_t width = 4 * vec4s(heads.d_head);
  std::vector<T> values(static_cast<std::size_t>(heads.batch * heads.n_heads * heads.seq * width), T{});
  T* to = values.data();
  for (std::int64_t b = 0; b < heads.batch; ++b) {
    for (std::int64_t h = 0; h < heads.n_heads; ++h) {
      for (std::int64_t i = 0; i < heads.seq; ++i, to += width)
        std::copy_n(heads.row(b, h, i), heads.d_head, to);
    }
  }
  buffer.upload(std::span<const T>(values), what);
  return head_major(heads.n_heads, heads.seq, vec4s(heads.d_head));
}

template <typename T>
Order order_of(const BasicHeadsView<const T>& heads) {
  return is_dense(heads) ? Order::kAsItLies : Order::kHeadMajor;
}

/// The shaders walk k and v by the same strides.
template <typename T>
HeadsPlace upload_keys_and_values(const BasicHeadsView<const T>& keys, const BasicHeadsView<const T>& values, PackedHeads& to) {
  const bool is_same =
      keys.batch_stride == values.batch_stride && keys.head_stride == values.head_stride && keys.row_stride == values.row_stride;
  const Order order = is_same ? order_of(keys) : Order::kHeadMajor;
  upload_heads(values, order, to.v, "v");
  return upload_heads(keys, order, to.k, "k");
}

}  // namespace

DeviceAttention PackedHeads::upload(const AttentionConfig& config, const AttentionInputs& inputs) {
  const Texel texel = texel_of(config.kv_storage);
  if (k.texel() != texel) {
    k = Buffer(texel);
    v = Buffer(texel);
  }
  DeviceAttention tensors;
  tensors.q_place = upload_heads(inputs.q, order_of(inputs.q), q, "q");
  tensors.k_place = config.kv_storage == KvStorage::kFloat32 ? upload_keys_and_values(inputs.k, inputs.v, *this)
                                                             : upload_keys_and_values(inputs.k16, inputs.v16, *this);
  const std::int64_t d4 = vec4s(config.d_head);
  tensors.out_place = head_major(config.n_heads, config.seq_q, d4);
  const auto n_rows = static_cast<std::size_t>(config.batch * config.n_heads * config.seq_q);
  const std::size_t out_bytes = n_rows * static_cast<std::size_t>(d4) * 16;
  out.reserve(out_bytes, "head_out");
  logsumexp.reserve(n_rows * sizeof(float), "logsumexp");
  if (!config.pruned.empty()) {
    out.fill(0.0F, out_bytes);
    logsumexp.fill(-std::numeric_limits<float>::infinity(), n_rows * sizeof(float));
  }
  tensors.q = &q;
  tensors.k = &k;
  tensors.v = &v;
  tensors.out = &out;
  tensors.logsumexp = &logsumexp;
  return tensors;
}

void PackedHeads::read_out(const AttentionConfig& config, HeadsView out_view) const {
  const std::int64_t width = 4 * vec4s(config.d_head);
  std::vector<float> values(static_cast<std::size_t>(config.seq_q * width));  // of one head
  std::size_t at = 0;
  for (std::int64_t b = 0; b < config.batch; ++b) {
    for (std::int64_t h = 0; h < config.n_heads; ++h, at += values.size() * sizeof(float)) {
      out.read(at, std::span<float>(values));
      for (std::int64_t i = 0; i < config.seq_q; ++i)
        std::copy_n(values.data() + i * width, config.d_head, out_view.row(b, h, i));
    }
  }
}

}  // namespace headroom::gl
