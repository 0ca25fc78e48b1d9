#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/attention/config.h"
#include "core/kv_cache/options.h"

namespace headroom {

/// Which token lies in which slot of one layer's cache, and which one makes room for the next.
///
/// Until a token is given up, slot s holds position s in every head. All heads hold the same number of tokens; under kHeavyHitters each head
/// chooses which.
class SlotTable {
 public:
  SlotTable(const KvCacheOptions& options, std::int64_t n_kv_heads);

  /// Whether what tokens are given decides who stays.
  bool counts() const { return options_.eviction == Eviction::kHeavyHitters; }
  std::int64_t n_kv_heads() const { return n_kv_heads_; }
  std::int64_t n_seen() const { return n_seen_; }
  std::int64_t n_held() const { return n_held_after(0); }
  std::int64_t n_held_after(std::int64_t n_more) const;

  /// How many of the next n tokens may be kept before the first of them asks: keeping the last of them changes nothing that it sees.
  std::int64_t n_together(std::int64_t n) const;
  /// The slot that the next token takes in each head. Shape  [n_kv_heads], valid until the next call.
  std::span<const std::int64_t> next_slots();
  /// The next token now lies in next_slots().
  void keep();
  /// Counts the probabilities that the newest token gave. Shape  [n_heads, n_held()]. Nothing happens but under kHeavyHitters.
  void count(const AttentionConfig& config, std::span<const float> probs);

  /// The position in each slot, [n_kv_heads, n_held()]; empty while slot s holds position s.
  std::span<const std::int32_t> positions() const { return positions_; }
  std::int32_t position(std::int64_t kv_head, std::int64_t slot) const;
  /// What the newest token displaced; -1: nothing.
  std::int32_t gave_up(std::int64_t kv_head) const { return gave_up_[static_cast<std::size_t>(kv_head)]; }
  /// Of kHeavyHitters, [n_held()]; else empty.
  std::span<const double> received(std::int64_t kv_head) const;

 private:
  std::int64_t lightest(std::int64_t kv_head) const;

  KvCacheOptions options_;
  std::int64_t n_kv_heads_;
  std::int64_t budget_;  // the largest integer where nothing is given up
  std::int64_t n_seen_ = 0;
  std::vector<std::int32_t> positions_, gave_up_;
  std::vector<std::vector<double>> received_;  // [n_kv_heads][n_held]
  std::vector<std::int64_t> next_;
};

}  // namespace headroom
