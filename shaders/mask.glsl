// Which keys a query may see: mirrors is_visible in core/attention/mask.h. Needs attention_params.h and PATTERN.
// Positions stay below 2^30, so that sums of two of them fit an int.

// Whether a tile may hold keys that none of its queries sees. Their values must not count, not even times 0: they may be anything.
#define HAS_HOLES (PATTERN >= HEADROOM_STRIDED)

layout(binding = 3) uniform usamplerBuffer mask_words;

int mask_word(int at) { return int(texelFetch(mask_words, at).r); }

// Length, direction and window of the mask in numbers: [x, y) holds every key that query i of batch entry b sees.
ivec2 visible_keys(int b, int i) {
  int position = params.query_offset + i;
  ivec2 keys = ivec2(0, params.seq_k);
  if (params.key_lengths_at >= 0) keys.y = min(keys.y, mask_word(params.key_lengths_at + b));
  if (params.is_causal != 0) keys.y = min(keys.y, position + 1);
#if PATTERN == HEADROOM_LOCAL_WINDOW
  keys = ivec2(max(keys.x, position - params.window + 1), min(keys.y, position + params.window));
#endif
  return keys;
}

// Holds every key visible to queries [i0, i1): both ends of visible_keys grow with i.
ivec2 visible_keys_of(int b, int i0, int i1) { return ivec2(visible_keys(b, i0).x, visible_keys(b, i1 - 1).y); }

// What a kernel keeps of one query to judge its keys.
struct QueryMask {
  ivec2 keys;  // visible_keys
  int position;
  int word;  // its row in the table of kept blocks, its bucket, or its remainder by the stride
};

QueryMask query_mask(int b, int i) {
  QueryMask query;
  query.keys = visible_keys(b, i);
  query.position = params.query_offset + i;
#if PATTERN == HEADROOM_RANDOM_BLOCKS
  query.word = params.blocks_at + (query.position / params.block - params.first_query_block) * params.block_row_words;
#elif PATTERN == HEADROOM_HASHED_BUCKETS
  query.word = mask_word(params.query_bucket_at + i);
#elif PATTERN == HEADROOM_STRIDED
  query.word = query.position % params.stride;
#else
  query.word = 0;
#endif
  return query;
}

// Which of the keys j .. j+3 the query sees. No branches: the compilers of software renderers pay for both sides anyhow.
bvec4 seen_of_four(QueryMask query, int j) {
  ivec4 keys = ivec4(j, j + 1, j + 2, j + 3);
  bvec4 before = lessThan(keys, ivec4(query.keys.y));
#if PATTERN == HEADROOM_DENSE
  return before;
#elif PATTERN == HEADROOM_LOCAL_WINDOW
  return bvec4(ivec4(before) & ivec4(greaterThanEqual(keys, ivec4(query.keys.x))));
#elif PATTERN == HEADROOM_STRIDED
  bvec4 near = lessThan(abs(keys - query.position), ivec4(params.stride));
  bvec4 on_stride = equal(keys % params.stride, ivec4(query.word));
  return bvec4(ivec4(before) & (ivec4(near) | ivec4(on_stride)));
#elif PATTERN == HEADROOM_GLOBAL_LOCAL
  bvec4 near = lessThan(abs(keys - query.position), ivec4(params.window));
  ivec4 is_global = ivec4(lessThan(keys, ivec4(params.n_global))) | ivec4(query.position < params.n_global);
  return bvec4(ivec4(before) & (ivec4(near) | is_global));
#elif PATTERN == HEADROOM_RANDOM_BLOCKS
  ivec4 blocks = min(keys, ivec4(params.seq_k - 1)) / params.block;
  ivec4 words = blocks >> 5;
  ivec4 first = ivec4(mask_word(query.word + words.x));
  ivec4 last = ivec4(mask_word(query.word + words.w));
  ivec4 bits = (last + (first - last) * ivec4(equal(words, ivec4(words.x)))) >> (blocks & 31);
  return bvec4(ivec4(before) & bits & 1);
#else
  ivec4 at = params.key_bucket_at + min(keys, ivec4(params.seq_k - 1));
  ivec4 buckets = ivec4(mask_word(at.x), mask_word(at.y), mask_word(at.z), mask_word(at.w));
  return bvec4(ivec4(before) & ivec4(equal(buckets, ivec4(query.word))));
#endif
}

// False only when no query of [i0, i1) sees a key of [j0, j1): such a tile is skipped. Mirrored by TileCount in core/gl/tile_count.cpp.
bool may_see(int i0, int i1, int j0, int j1) {
#if PATTERN == HEADROOM_STRIDED || PATTERN == HEADROOM_GLOBAL_LOCAL
  int farthest = params.query_offset + i1 - 1 - j0;  // positions minus keys run through every number from nearest to farthest
  int nearest = params.query_offset + i0 - (j1 - 1);
  int least = max(max(nearest, -farthest), 0);
#endif
#if PATTERN == HEADROOM_STRIDED
  int most = max(abs(nearest), abs(farthest));
  return least < params.stride || most / params.stride > (least - 1) / params.stride;
#elif PATTERN == HEADROOM_GLOBAL_LOCAL
  return least < params.window || params.query_offset + i0 < params.n_global || j0 < params.n_global;
#elif PATTERN == HEADROOM_RANDOM_BLOCKS
  int last_row = (params.query_offset + i1 - 1) / params.block - params.first_query_block;
  int last_block = min(j1 - 1, params.seq_k - 1) / params.block;
  uint kept = 0u;
  for (int row = (params.query_offset + i0) / params.block - params.first_query_block; row <= last_row; ++row) {
    for (int block = j0 / params.block; block <= last_block; ++block) {
      kept |= texelFetch(mask_words, params.blocks_at + row * params.block_row_words + (block >> 5)).r >> uint(block & 31);
    }
  }
  return (kept & 1u) != 0u;
#else
  return true;
#endif
}

// The next tile of `step` keys, from j on, that holds something to see; at least `end` when there is none.
int next_tile(ivec2 queries, int j, int end, int step) {
#if PATTERN == HEADROOM_STRIDED || PATTERN == HEADROOM_GLOBAL_LOCAL || PATTERN == HEADROOM_RANDOM_BLOCKS
  while (j < end && !may_see(queries.x, queries.y, j, j + step)) j += step;
#endif
  return j;
}

// Values of four keys, zeros for those that no query sees.
mat4 seen_values(mat4 v, bvec4 seen) {
  return mat4(mix(vec4(0.0), v[0], bvec4(seen.x)), mix(vec4(0.0), v[1], bvec4(seen.y)), mix(vec4(0.0), v[2], bvec4(seen.z)),
              mix(vec4(0.0), v[3], bvec4(seen.w)));
}
