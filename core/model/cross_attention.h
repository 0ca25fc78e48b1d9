#pragma once

#include <cstdint>
#include <vector>

#include "core/attention/backend.h"
#include "core/model/forward.h"

namespace headroom {

class StageClock;

/// What a decoder reads beside its own text.
struct CrossSource {
  const Tensor& encoded;                       ///< [seq_source, d_model], behind the encoder's last norm
  std::vector<std::int64_t> key_lengths = {};  ///< as Mask::key_lengths: tokens of the source from there on are padding
};

/// What a decoder's blocks read of the encoder. A layer's keys and values of the source are computed when it reads first, and kept.
/// Source  Vaswani et al. 2017, arXiv:1706.03762, section 3.2.3.
class CrossAttention {
 public:
  /// `params`, the encoder's output, `backend` and `pool` must outlive it.
  CrossAttention(const ModelParams& params, CrossSource source, AttentionBackend& backend, ThreadPool& pool);

  /// x += what its rows read in a block, with the norm wherever that stands. The time goes to "norm", "q k v", "attention" and "W_O".
  /// Shapes  x [rows, d_model]; `layer` one of the model's own.
  void add(const LayerParams& layer, StageClock& clock, Tensor& x);
  /// The same with all that was computed, which takes the layer's keys and values with it: another read computes them anew.
  LayerTrace add_traced(const LayerParams& layer, StageClock& clock, Tensor& x);

 private:
  struct Kept {
    Tensor k, v;
  };
  Kept& kept_of(const LayerParams& layer) { return kept_[static_cast<std::size_t>(&layer - params_.layers.data())]; }
  AttentionConfig attention_config(const LayerParams& layer, std::int64_t rows) const;
  /// From step.normed on; keys and values that the step holds already stay.
  void attend(const CrossParams& cross, const AttentionConfig& config, StageClock& clock, LayerTrace& step);

  const ModelParams& params_;
  CrossSource source_;
  AttentionBackend& backend_;
  ThreadPool& pool_;
  std::vector<Kept> kept_;  ///< of each layer; empty until it reads
};

}  // namespace headroom
