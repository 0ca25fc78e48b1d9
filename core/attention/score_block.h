#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "core/attention/mask.h"
#include "core/tensor/aligned_buffer.h"

namespace headroom::score_detail {

/// One head's scores (nats) over the pairs that the mask shows, batch entry 0: scale * q_i·k_j, soft-capped, plus the bias. By reference.
struct ScoreSource {
  const float* q = nullptr;
  std::int64_t q_stride = 0;  ///< elements from one query to the next
  const float* k = nullptr;
  std::int64_t k_stride = 0;
  std::int64_t d_head = 0;
  std::int64_t seq_k = 0;
  float scale = 0;
  const Mask* mask = nullptr;
  float soft_cap = 0;           ///< as AttentionConfig::soft_cap
  const float* bias = nullptr;  ///< the head's [2 * reach + 1] of a PositionBias; null: none
  std::int64_t reach = 0;
};
/// A pair's score in double, masked or not.
double score_of(const ScoreSource& source, std::int64_t row, std::int64_t key);

/// Keys computed at a time; steps begin at multiples of it, so that no value depends on which rows share a block.
inline constexpr std::int64_t kKeysPerStep = 64;
/// Keys copied side by side at a time: with the queries of some blocks they stay in the second-level cache.
inline constexpr std::int64_t kKeysPerChunk = 256;

struct KeyChunk {
  KeyRange keys;
  const float* rows = nullptr;  ///< [keys, d_head]
};

/// Rows of one head, in ascending order, one a lane; and what is kept of each while its keys go by.
class LaneBlock {
 public:
  /// At most block_rows() rows.
  LaneBlock(const ScoreSource& source, std::span<const std::int64_t> rows);

  std::span<const std::int64_t> rows() const { return rows_; }
  std::int64_t n_rows() const { return std::ssize(rows_); }
  std::int64_t width() const { return width_; }  ///< lanes: whole vectors
  /// Keys that some row may see.
  KeyRange range() const { return range_; }
  /// Is there a pair to compute among these keys? Never wrongly no.
  bool may_see(KeyRange keys) const;

  /// Queries times scale, turned on their side [d_head, width]; lanes without a row are 0.
  const float* queries() const { return queries_.data(); }

  // One number a lane. Lanes without a row see no key.
  const std::int32_t* first_key() const { return ints_.data(); }
  const std::int32_t* end_key() const { return ints_.data() + width_; }
  const std::int32_t* position() const { return ints_.data() + 2 * width_; }
  /// strided: position mod stride; hashed buckets: the query's bucket; random blocks: scratch of the kernel.
  std::int32_t* tag() { return ints_.data() + 3 * width_; }
  const std::int32_t* tag() const { return ints_.data() + 3 * width_; }

  /// random blocks: a lane and a block of keys that it keeps, in ascending order of the blocks.
  struct KeptBlock {
    std::int32_t key_block = 0;
    std::int32_t lane = 0;
  };
  std::span<const KeptBlock> kept_blocks(KeyRange keys) const;

  /// [7, width] for the kernels: see each.
  float* state(std::int64_t index) { return state_.data() + index * width_; }

 private:
  void keep_blocks();

  const Mask* mask_ = nullptr;
  std::int64_t seq_k_ = 0;
  std::vector<std::int64_t> rows_;
  std::int64_t width_ = 0;
  KeyRange range_;
  AlignedBuffer<float> queries_;
  AlignedBuffer<std::int32_t> ints_;
  AlignedBuffer<float> state_;
  std::vector<KeptBlock> kept_;
};

/// Floats of a vector on this machine.
std::int64_t lanes();
/// Rows that fill a block: three vectors.
inline std::int64_t block_rows() { return 3 * lanes(); }
/// Floats of aligned scratch memory that the kernels need on each thread.
std::size_t scratch_size();

/// Keys that direction, padding and window leave a row, beside what a pattern hides within.
KeyRange outer_range(const Mask& mask, std::int64_t row, std::int64_t seq_k);

/// Cuts rows (ascending) into blocks of about the same size.
std::vector<LaneBlock> make_blocks(const ScoreSource& source, std::span<const std::int64_t> rows);

/// Brings the keys of `limit` that some block may see side by side, chunk by chunk, and calls body(block, chunk) for each block that may see
/// some of them. Chunks begin at multiples of kKeysPerChunk (or at limit's begin).
/// Errors  Cancelled; the token is looked at before each chunk.
void for_each_chunk(const ScoreSource& source, std::span<LaneBlock> blocks, KeyRange limit,
                    const std::function<void(LaneBlock&, const KeyChunk&)>& body, const std::stop_token& stop);

/// What a kernel is given: a chunk of keys for a block. scratch: scratch_size() floats.
struct ChunkCall {
  const ScoreSource& source;
  LaneBlock& block;
  const KeyChunk& chunk;
  float* scratch;
};

/// Lays the block's queries out: LaneBlock's constructor calls it.
void pack_queries(const ScoreSource& source, std::span<const std::int64_t> rows, std::int64_t width, float* packed);

}  // namespace headroom::score_detail
