#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "core/attention/backend.h"
#include "core/decoding/sampling.h"
#include "core/model/cross_attention.h"
#include "core/model/forward.h"

namespace headroom {

/// A model reading on, token after token. Keys and values of what was read are kept, so that one more token costs one row; where they would
/// change with every token (a mask that is not causal, rotary positions that stretch with the text) the whole text is read again.
class Writer {
 public:
  /// A causal model under this mask. `params` and `pool` must outlive it. Errors  ShapeError for another kind of model.
  Writer(const ModelParams& params, const Mask& mask, ThreadPool& pool);
  /// The decoder of an encoder-decoder, which reads this; the encoder's output must outlive it. Errors  ShapeError.
  Writer(const ModelParams& params, const CrossSource& source, ThreadPool& pool);
  ~Writer();

  /// Reads on. The logits after the last of `ids`, valid until the next call. Shape  [vocab_size].
  /// Errors  As forward, of all that was read; Cancelled.
  std::span<const float> read(std::span<const std::int32_t> ids, std::stop_token stop = {});
  std::int64_t n_read() const;
  /// Whether a token costs one row.
  bool keeps_keys() const;

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
