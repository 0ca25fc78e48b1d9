#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "core/decoding/sampling.h"
#include "core/kv_cache/kv_cache.h"
#include "core/model/cross_attention.h"
#include "core/model/params.h"
#include "core/tensor/power_fit.h"

namespace headroom {

/// What generates, by reference: a causal model under a mask, or the decoder of an encoder-decoder beside what its encoder gave.
struct DecodeSource {
  const ModelParams& params;
  const Mask& mask;                     ///< of a causal model: direction and pattern, as ForwardOptions::mask
  const CrossSource* source = nullptr;  ///< of an encoder-decoder, which must be there
};

/// What one step did in one of the two ways.
struct StepCost {
  std::int64_t n_rows = 0;     ///< tokens that went through the model
  double ms = 0;               ///< measured: the least of n_runs, from the ids to the logits
  double attention_ms = 0;     ///< of that run, in all layers' attention, an encoder's among it: from q, k and v to what heads give
  int n_runs = 0;              ///< that `ms` is the least of
  double flops = 0;            ///< counted: of all products, a multiply-add counting two
  double attention_flops = 0;  ///< of them, by attention
  double bytes = 0;            ///< counted: read and written by all products; parameters, rows, K and V
  double attention_bytes = 0;  ///< of them, by attention: q, the K and V that are read, what heads give
};

/// One layer's part of the cache right after a step, and what the step's last token made of it.
struct LayerStep {
  std::int64_t n_slots = 0;  ///< tokens that each head holds
  /// Of the token in each slot: [n_kv_heads, n_slots], or [n_slots] where all heads hold the same ones. See position_of.
  std::vector<std::int32_t> positions;
  std::vector<float> probs;  ///< [n_heads, n_slots] what the step's last token gives each slot; empty: not kept (kMostRowBytes)
  std::vector<std::int64_t> bytes;    ///< [n_kv_heads] held, K and V, scales among them
  std::vector<std::int32_t> gave_up;  ///< [n_kv_heads] the token that made room for the newest one; -1: none had to

  std::int32_t position_of(std::int64_t kv_head, std::int64_t slot) const {
    const bool is_shared = static_cast<std::int64_t>(positions.size()) == n_slots;
    return positions[static_cast<std::size_t>((is_shared ? 0 : kv_head * n_slots) + slot)];
  }
};

/// One token written. In it the model reads what it has not read yet (at first the prompt, then the token written before) and writes one.
struct DecodeStep {
  std::int32_t id = 0;        ///< written
  std::int64_t position = 0;  ///< of it in the text: the model has read that many tokens
  double probability = 0;     ///< that the model with this cache gives it, by softmax of its logits
  std::int32_t full_id = 0;   ///< what it would have written here with a cache of all tokens in float32, drawn with the same number
  double full_probability = 0;  ///< that this one gives `id`
  double kl = 0;                ///< nats: of the full cache's distribution from this one's
  /// Largest difference of a logit from those of the whole text read anew; where `whole` was measured.
  std::optional<double> logit_difference;

  std::int64_t n_held = 0;        ///< tokens that a head of the cache holds at most; of `position` that were read
  StepCost cached;                ///< only the new tokens are read
  std::optional<StepCost> whole;  ///< all of the text is read anew; nothing where that would have taken too long
  std::vector<LayerStep> layers;  ///< [n_layers] of the model; without heads where all are pruned
  std::vector<PageUse> pages;
  std::int64_t bytes_held = 0, bytes_reserved = 0;  ///< as KvCache
  std::int64_t bytes_full = 0;                      ///< that a cache of all tokens in float32 holds now

  bool differs() const { return full_id != id; }
};

/// Generation token by token with a cache, and beside it without.
struct DecodeRun {
  KvCacheOptions cache;
  std::int64_t d_head = 0;
  std::vector<std::vector<std::int64_t>> heads;     ///< [n_layers] as LayerParams::heads
  std::vector<std::vector<std::int64_t>> kv_heads;  ///< [n_layers] as LayerParams::kv_heads
  std::vector<std::vector<std::int64_t>>
      kv_head_of;  ///< [n_layers] as LayerParams::kv_head_of: which row of LayerStep a head reads
  std::vector<std::int32_t> prompt;
  std::vector<std::shared_ptr<const DecodeStep>> steps;  ///< as far as it is
  int threads = 1;
  std::string kernel;  ///< what reads the cache, with which SIMD: "flash, AVX2", "cache kernel, AVX2"
  bool is_finished = false;
  std::string ended;      ///< one sentence why it ended before so many tokens; else empty
  std::string not_whole;  ///< one sentence why `whole` is missing from some step on; else empty

  /// Time of a step over its position (tokens read), all steps but the first, which reads the prompt. Unset with fewer than four of them.
  std::optional<PowerFit> cached_time, whole_time, cached_attention_time, whole_attention_time;
};

/// Bytes of all LayerStep::probs of a run at most: later steps keep none.
inline constexpr std::int64_t kMostRowBytes = std::int64_t{64} << 20;

struct DecodeJob {
  KvCacheOptions cache;
  std::int64_t most = 32;  ///< tokens written
  SampleOptions sample;
  std::uint64_t seed = 1;
  std::uint64_t first_step = 0;    ///< as WriteJob
  std::vector<std::int32_t> ends;  ///< as WriteJob
  std::int32_t first_token = -1;   ///< as WriteJob
  double whole_seconds = 20;       ///< for reading the whole text anew, all steps together; 0: not at all
  std::stop_token stop;
  /// What there is so far, after each step.
  std::function<void(const std::shared_ptr<const DecodeRun>&)> progress;
};

/// One sentence on why no cache can be used under this mask; nothing where one can. Keys that change with the text's length or with later
/// tokens, and patterns that leave a row no unbroken range, have none.
std::optional<std::string> find_cache_problem(const ModelConfig& config, const Mask& mask);
/// What a cache of the model's self-attention has to hold; of an encoder-decoder its decoder's.
CacheShape cache_shape(const ModelParams& params);

/// Reads `text` and writes on after it as write_on does with such a cache; each step is measured with the cache and, a few times, without.
/// Errors  Error as validate(job.cache), as find_cache_problem, when the text is empty or leaves no room for a token (with the number), or
///         when the cache does not fit in memory; ShapeError; Cancelled, after which what progress gave stands.
std::shared_ptr<const DecodeRun> decode(const DecodeSource& from, std::span<const std::int32_t> text, const DecodeJob& job,
                                        ThreadPool& pool);

}  // namespace headroom
