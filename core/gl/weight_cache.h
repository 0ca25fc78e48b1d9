#pragma once

#include <cstdint>
#include <list>

#include "core/attention/config.h"
#include "core/attention/layer.h"
#include "core/gl/buffer.h"

namespace headroom::gl {

/// One layer's parameters on the device. W_Q, W_K and W_V are one matrix, so that q, k and v are one projection; each head's rows of it,
/// and its columns of W_O, are padded with zeros to whole vec4s.
struct DeviceWeights {
  Buffer w_qkv{Texel::kVec4};  ///< [(n_heads + 2 n_kv_heads) * 4 d4, d_model padded]
  Buffer b_qkv{Texel::kVec4};
  Buffer w_o{Texel::kVec4};  ///< [d_out padded, n_heads * 4 d4]
  Buffer b_o{Texel::kVec4};
};

/// Keeps the parameters of the layers used last on the device. They are told apart by a hash of every byte, not by their address: memory
/// is reused by other models and edited in place, and hashing is several times faster than uploading.
class WeightCache {
 public:
  /// Uploads unless the same parameters are there. The reference is good until the next call. Errors  Error when the device has no room.
  const DeviceWeights& get(const AttentionConfig& config, const AttentionLayerParams& params);
  std::int64_t n_uploads() const { return n_uploads_; }

 private:
  struct Key {
    std::uint64_t hash = 0;
    std::int64_t n_heads = 0, n_kv_heads = 0, d_head = 0;
    bool operator==(const Key&) const = default;
  };
  struct Entry {
    Key key;
    DeviceWeights weights;
    std::size_t bytes = 0;
  };
  static Key key_of(const AttentionConfig& config, const AttentionLayerParams& params);

  std::list<Entry> entries_;  ///< most recently used first
  std::int64_t n_uploads_ = 0;
};

}  // namespace headroom::gl
