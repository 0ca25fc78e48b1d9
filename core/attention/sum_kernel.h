#pragma once

#include "core/attention/row_sums.h"
#include "core/attention/score_block.h"

namespace headroom::score_detail {

/// Forgets what a block has summed. State of a block: largest (nats) and sum of exp(score - largest) over the keys seen so far; smallest
/// over them; smallest and largest over those after key 0; the exponent of 2 that largest stands for.
void begin_sums(LaneBlock& block);
/// Takes the chunk's keys in. Chunks in ascending order.
void add_chunk(const ChunkCall& call);
/// What the block's row of this lane came to.
RowSummary end_sums(LaneBlock& block, std::int64_t lane);

}  // namespace headroom::score_detail
