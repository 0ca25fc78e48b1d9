#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "core/attention/layer.h"
#include "core/kv_cache/kv_cache.h"
#include "core/model/cross_attention.h"
#include "core/model/params.h"

namespace headroom {

/// Self-attention of the newest rows of a text, which read the keys and values of a cache and add theirs.
class CachedLayer final : public AttentionLayer {
 public:
  /// All three must outlive it. The cache's layers are those of `params`, as cache_shape says.
  CachedLayer(const ModelParams& params, ThreadPool& pool, KvCache& cache);

  std::string_view name() const override { return "cache"; }
  Support supports(const AttentionConfig& config) const override;

  /// The next rows follow those that the cache has seen; run() is then called for each layer that has heads, in turn.
  void begin_rows();
  /// The same, and what the last row gives each slot is kept: probs()[layer], [n_heads, n_held], empty where no heads are.
  void begin_rows_with_probs();
  AttentionLayerResult run(const AttentionConfig& asked, const AttentionLayerParams& params, const std::optional<Rotary>& rotary,
                           ConstMatrixView x, std::stop_token stop) override;

  std::vector<std::vector<float>>& probs() { return probs_; }

 private:
  ThreadPool& pool_;
  KvCache& cache_;
  std::vector<std::int64_t> layers_;  ///< that have heads
  std::size_t next_ = 0;
  bool keeps_probs_ = false;
  std::vector<std::vector<float>> probs_;
};

/// Rows of a decoder's text, from ids to logits.
class DecoderPass {
 public:
  /// A causal model (`source` null), or the decoder of an encoder-decoder that reads `source`. All must outlive it.
  /// Errors  ShapeError for another kind of model, or a source of another width.
  DecoderPass(const ModelParams& params, const Mask& mask, const CrossSource* source, ThreadPool& pool);
  ~DecoderPass();

  enum class Logits { kLast, kAll };
  enum class Positions {
    kOwn,
    kWrapped  ///< learned positions begin anew after the last one: for timing texts that the model cannot read
  };
  struct Rows {
    std::span<const std::int32_t> ids;
    std::int64_t first_position = 0;
    Logits logits = Logits::kLast;
    Positions positions = Positions::kOwn;
  };
  /// Runs all blocks, self-attention through `attention`. The logits are valid until the next call.
  /// Shapes  [1, vocab_size], or [ids.size(), vocab_size]. Errors  as forward, of a text that ends with these rows; Cancelled.
  const Tensor& run(const Rows& rows, AttentionLayer& attention, std::stop_token stop = {});

  /// Of the last run.
  const Tensor& logits() const { return logits_; }
  /// Of the last run: milliseconds in all layers' attention, measured, writing into a cache and reading an encoder among it.
  double attention_ms() const { return attention_ms_; }
  const ModelParams& params() const { return params_; }

 private:
  void embed_rows(const Rows& rows, Tensor& x) const;

  const ModelParams& params_;
  const Mask& mask_;
  ThreadPool& pool_;
  std::unique_ptr<AttentionBackend> cross_backend_;
  std::unique_ptr<CrossAttention> cross_;
  Tensor logits_;
  double attention_ms_ = 0;
};

}  // namespace headroom
