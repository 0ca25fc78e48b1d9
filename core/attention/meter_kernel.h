#pragma once

#include <cstdint>
#include <vector>

#include "core/attention/score_block.h"

namespace headroom::score_detail {

/// What each key gets from the rows that look at it, a row's own key left out. Shapes  [seq_k].
struct KeyMeters {
  explicit KeyMeters(std::int64_t seq_k) : probs(static_cast<std::size_t>(seq_k)), n_rows(static_cast<std::size_t>(seq_k)) {}
  std::vector<double> probs;   ///< sum of the rows' probabilities
  std::vector<double> n_rows;  ///< rows that see it
};

/// Makes a block ready: state 0 must hold each row's logsumexp, of a row that sees no key 0.
void begin_meters(LaneBlock& block);
/// Adds a chunk of probabilities up. State 1: each row's entropy, nats; state 2: the keys it sees.
void meter_chunk(const ChunkCall& call, KeyMeters& keys);

}  // namespace headroom::score_detail
