#pragma once

#include <memory>
#include <stop_token>

#include "core/decoding/decode_run.h"
#include "core/decoding/decoder_pass.h"

namespace headroom {

/// Runs rows, and adds to `cost` what that took. The first run says the work; the time is that of the fastest.
const Tensor& timed_run(DecoderPass& pass, const DecoderPass::Rows& rows, AttentionLayer& attention, StepCost& cost,
                        std::stop_token stop = {});

/// A cache of a text, and self-attention over it.
struct KeptText {
  KeptText(const ModelParams& params, const KvCacheOptions& options, ThreadPool& pool)
      : cache(cache_shape(params), options, pool), layer(params, pool, cache) {}
  KeptText(const KeptText&) = delete;
  KvCache cache;
  CachedLayer layer;
};

/// The mask that a decoder runs under: an encoder-decoder's is causal, whatever its encoder's is.
inline Mask decoder_mask(const DecodeSource& from) {
  return from.source == nullptr ? from.mask : Mask{.direction = Direction::kCausal};
}

/// Errors  Error as validate(options) and find_cache_problem.
void check_cached_decoding(const DecodeSource& from, const KvCacheOptions& options);

}  // namespace headroom
