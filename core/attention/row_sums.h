#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "core/attention/config.h"
#include "core/tensor/parallel.h"
#include "core/tensor/view.h"

namespace headroom {

/// What is known of one row of scores (nats, with soft cap and bias) over all the keys it sees. "later" leaves out key 0, which in most models
/// outshines all others.
/// Edge  A row that sees no (later) key: logsumexp and largest are -inf, smallest is +inf. A NaN among its scores makes logsumexp NaN.
struct RowSummary {
  float logsumexp = 0;
  float smallest = 0, largest = 0;
  float smallest_later = 0, largest_later = 0;
};

/// Log-sum-exps of attention rows, each computed when first asked for: one row of 100,000 keys costs what it costs, all 100,000 rows of
/// all heads are never needed at once.
///
/// Shapes  q [1, n_heads, seq_q, d_head], k [1, n_kv_heads, seq_k, d_head], both rotated; they must outlive this.
/// Units   nats.
/// Edge    A row's values depend on nothing but q, k and the mask: not on which rows are asked for with it, nor on threads.
///         Rows of a pruned head see no key. config.dropout and config.kv_storage have no say here.
/// Errors  ShapeError when config is invalid or has more than one batch entry, or a view does not have its shape, or a head or row does
///         not exist; Cancelled when asked to stop: rows finished by then stay known.
/// Threads All members may be called from several threads at once; a row asked for by two at once may be computed by both, alike.
///         A ThreadPool serves one caller at a time, so each thread brings its own or none.
class RowSums {
 public:
  RowSums(AttentionConfig config, ConstHeadsView q, ConstHeadsView k);

  const AttentionConfig& config() const { return config_; }

  /// Makes these rows known. Order is free, repeats cost nothing; rows side by side are quickest.
  void compute(std::int64_t head, std::span<const std::int64_t> rows, std::stop_token stop = {}, ThreadPool* pool = nullptr) const;
  void compute(std::int64_t head, KeyRange rows, std::stop_token stop = {}, ThreadPool* pool = nullptr) const;

  /// Keeps what the same kernel found of a row on its way through a tile. Errors  none: head and row exist.
  void learn(std::int64_t head, std::int64_t row, const RowSummary& found) const;

  bool is_known(std::int64_t head, std::int64_t row) const;
  /// Computes the row on the calling thread when it is not known yet.
  RowSummary row(std::int64_t head, std::int64_t row) const;
  float logsumexp(std::int64_t head, std::int64_t row) const { return this->row(head, row).logsumexp; }

  /// Known rows of all heads, in [0, 1].
  double share_known() const;

 private:
  /// One row; logsumexp is written last and read first, so who sees it sees the rest.
  struct Slot {
    std::atomic<std::uint32_t> logsumexp;  ///< its bits, or kUnknown
    std::atomic<float> smallest, largest, smallest_later, largest_later;
  };

  Slot& slot(std::int64_t head, std::int64_t row) const;
  void compute_rows(std::int64_t head, std::span<const std::int64_t> rows, const std::stop_token& stop) const;

  AttentionConfig config_;
  ConstHeadsView q_, k_;
  std::unique_ptr<Slot[]> slots_;  ///< [n_heads, seq_q]
  mutable std::atomic<std::int64_t> n_known_{0};
};

}  // namespace headroom
