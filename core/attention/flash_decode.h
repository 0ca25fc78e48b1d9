#pragma once

#include <stop_token>
#include <vector>

#include "core/attention/decode_kernel.h"
#include "core/tensor/aligned_buffer.h"
#include "core/tensor/parallel.h"

namespace headroom::flash_detail {

/// Attention of few rows, its keys shared out over the threads. Memory stays between calls.
class Decoder {
 public:
  explicit Decoder(ThreadPool& pool) : pool_(pool), scratch_(static_cast<std::size_t>(pool.n_threads())) {}

  /// Few enough rows, each of which sees one unbroken run of the keys, nearly the same one.
  static bool suits(const Call& call);
  /// Adds to `work` what it did. Errors  Cancelled.
  void run(const Call& call, const std::stop_token& stop, AttentionWork& work);

 private:
  void cut(const AttentionConfig& config);
  void merge(const Call& call, std::int64_t b) const;

  ThreadPool& pool_;
  std::vector<AlignedBuffer<float>> scratch_;  // one per thread
  std::vector<Stretch> stretches_;             // those of one batch entry side by side
  std::size_t stretches_per_entry_ = 0, partial_size_ = 0;
  AlignedBuffer<float> partial_;  // [stretches, partial_size]
};

}  // namespace headroom::flash_detail
