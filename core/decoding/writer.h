#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "core/attention/backend.h"
#include "core/decoding/sampling.h"
#include "core/kv_cache/kv_cache.h"
#include "core/model/cross_attention.h"
#include "core/model/forward.h"

namespace headroom {

/// What a writer works with.
struct WriterTools {
  // NOLINTNEXTLINE(google-explicit-constructor): threads alone say a cache of all tokens
  WriterTools(ThreadPool& threads, const KvCacheOptions& options = {}) : pool(threads), cache(options) {}
  ThreadPool& pool;  ///< must outlive the writer
  KvCacheOptions cache;
};

/// A model reading on, token after token. Keys and values of what was read are kept, so that one more token costs one row; where they would
/// change with every token (a mask that is not causal, rotary positions that stretch with the text) the whole text is read again.
class Writer {
 public:
  /// A causal model under this mask. `params` must outlive it. Errors  ShapeError for another kind of model; Error as KvCache, and as
  /// find_cache_problem where another cache than the default is asked for.
  Writer(const ModelParams& params, const Mask& mask, const WriterTools& tools);
  /// The decoder of an encoder-decoder, which reads this; the encoder's output must outlive it. Errors  likewise.
  Writer(const ModelParams& params, const CrossSource& source, const WriterTools& tools);
  ~Writer();

  /// Reads on. The logits after the last of `ids`, valid until the next call. Shape  [vocab_size].
  /// Errors  As forward, of all that was read; Cancelled.
  std::span<const float> read(std::span<const std::int32_t> ids, std::stop_token stop = {});
  std::int64_t n_read() const;
  /// Whether a token costs one row.
  bool keeps_keys() const;
  /// What is kept; null where the whole text is read again.
  const KvCache* cache() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct WriteJob {
  std::int64_t most = 20;  ///< tokens
  SampleOptions sample;
  std::uint64_t seed = 1;
  std::uint64_t first_step = 0;    ///< of the seed's numbers: how many tokens were drawn before
  std::vector<std::int32_t> ends;  ///< after one of these nothing is written; it is written itself
  std::int32_t first_token = -1;   ///< what the first must be; -1: anything
  std::stop_token stop;
  std::function<void(std::int64_t n_written)> progress;
};

/// Reads `text` and writes on after it, to the end that the model gives it, at most `most` tokens, no further than learned positions reach.
/// Shape  [written]. Errors  As Writer::read.
std::vector<std::int32_t> write_on(Writer& writer, const ModelConfig& config, std::span<const std::int32_t> text,
                                   const WriteJob& job);

}  // namespace headroom
