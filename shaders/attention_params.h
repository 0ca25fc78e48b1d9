// The parameters of the attention kernels, compiled by C++ and by GLSL alike so that the two layouts cannot drift.
#ifndef HEADROOM_ATTENTION_PARAMS_H
#define HEADROOM_ATTENTION_PARAMS_H

#include "block.h"

#ifdef __cplusplus
namespace headroom::gl {
#endif

// Values of PATTERN, as in PatternKind.
#define HEADROOM_DENSE 0
#define HEADROOM_LOCAL_WINDOW 1
#define HEADROOM_STRIDED 2
#define HEADROOM_GLOBAL_LOCAL 3
#define HEADROOM_RANDOM_BLOCKS 4
#define HEADROOM_HASHED_BUCKETS 5

// Values of STORAGE, as in KvStorage.
#define HEADROOM_FLOAT32 0
#define HEADROOM_FLOAT16 1
#define HEADROOM_BFLOAT16 2

#define HEADROOM_PARAMS_SLOT 0

// One dispatch of one attention call. Places and strides ending in 4 count vec4s (of 16-bit numbers: 8 bytes each); every head's width is
// padded with zeros to whole vec4s.
HEADROOM_BLOCK(AttentionParams, HEADROOM_PARAMS_SLOT) {
  int seq_q;
  int seq_k;
  int d4;       // vec4s of one head
  int n_heads;  // of logsumexp, pruned ones included

  int first_batch;  // this dispatch: batch entries from here, heads [first_active, first_active + n_active) of the table,
  int first_active;
  int n_active;
  int first_query;  // queries [first_query, end_query)

  int end_query;
  int slab_query;    // naive kernels: the scores held begin at this query
  int slab_queries;  // and are those of this many queries
  int row4;          // vec4s of one row of scores

  int q_at4;
  int q_batch4;
  int q_head4;
  int q_row4;

  int k_at4;  // may be below 0: the block bound begins where the dispatch's heads lie
  int v_at4;
  int kv_batch4;
  int kv_head4;

  int kv_row4;
  int out_at4;  // likewise
  int out_batch4;
  int out_head4;

  int out_row4;
  float scale;
  int is_causal;
  int query_offset;

  int window;
  int stride;
  int n_global;
  int block;

  int first_query_block;  // block of the first query: row 0 of the table of kept blocks
  int block_row_words;    // words of one row of that table
  // Places in the words: heads [n_active][2] = {head, K/V head}; one length a batch entry (-1: none); buckets; kept blocks, a bit each.
  int heads_at;
  int key_lengths_at;

  int query_bucket_at;
  int key_bucket_at;
  int blocks_at;
  int dropout_seed;  // bits of the hash of the seed

  int dropout_threshold;  // a probability is dropped when the top 24 bits of its hash lie below
  float kept_factor;
  int unused_0;
  int unused_1;
} HEADROOM_INSTANCE(params);

#ifdef __cplusplus
static_assert(sizeof(AttentionParams) == 176 && sizeof(AttentionParams) % 16 == 0);
static_assert(offsetof(AttentionParams, first_batch) == 16 && offsetof(AttentionParams, end_query) == 32);
static_assert(offsetof(AttentionParams, q_at4) == 48 && offsetof(AttentionParams, k_at4) == 64);
static_assert(offsetof(AttentionParams, kv_row4) == 80 && offsetof(AttentionParams, out_row4) == 96);
static_assert(offsetof(AttentionParams, scale) == 100 && offsetof(AttentionParams, window) == 112);
static_assert(offsetof(AttentionParams, first_query_block) == 128 && offsetof(AttentionParams, query_bucket_at) == 144);
static_assert(offsetof(AttentionParams, dropout_threshold) == 160 && offsetof(AttentionParams, kept_factor) == 164);
}  // namespace headroom::gl
#endif

#endif
