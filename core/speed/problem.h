#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/attention/backend.h"
#include "core/tensor/aligned_buffer.h"

namespace headroom {

/// Fills with values of mean 0 and variance 1, the same on every machine.
void fill_values(std::span<float> values, std::uint32_t seed);

/// Tensors of an attention call, K and V in the configuration's storage. With many keys and one query, K and V lie as a cache holds them,
/// a head's keys one after another; otherwise as projections write them, the heads of a token side by side.
class AttentionProblem {
 public:
  /// Holds as many copies of K and V as make up `least_kv_bytes`, at least one: in rotation, no cache keeps any of them.
  explicit AttentionProblem(const AttentionConfig& config, double least_kv_bytes = 0);

  const AttentionConfig& config() const { return config_; }
  AttentionInputs inputs() const;
  AttentionOutputs outputs(AttentionWork* work = nullptr);
  std::span<const float> out() const { return out_.span(); }
  /// The memory of the present copy of K and of V.
  std::array<std::span<const std::byte>, 2> kv_blocks() const;
  void turn_to_next_copy() { copy_ = (copy_ + 1) % n_copies_; }
  std::size_t n_copies() const { return n_copies_; }

 private:
  AttentionConfig config_;
  std::size_t kv_size_ = 0;    ///< values of K, and of V
  std::size_t kv_stride_ = 0;  ///< values from one tensor to the next: a multiple of a cache line
  std::size_t n_copies_ = 1, copy_ = 0;
  AlignedBuffer<float> q_, out_, logsumexp_;
  AlignedBuffer<float> kv_;            ///< copies of K, V; for float32
  AlignedBuffer<std::uint16_t> kv16_;  ///< for 16 bits
};

/// The same kind of call, small enough for the reference: fewer tokens and heads, the same d_head, mask, storage and sharing of K/V.
AttentionConfig small_sibling(AttentionConfig config);

/// Largest |out - reference| of a backend on a call; NaN where it gave one.
double error_against_reference(AttentionBackend& backend, const AttentionConfig& config);

/// Checks a backend on config's small sibling and returns its largest error.
/// Errors  Error when it is not within 1e-4: such a backend must not be timed.
double check_against_reference(AttentionBackend& backend, const AttentionConfig& config);

}  // namespace headroom
