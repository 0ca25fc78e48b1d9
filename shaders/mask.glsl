// Which keys a query may see: mirrors is_visible in core/attention/mask.h. Needs attention_params.h and PATTERN.
// Positions stay below 2^30, so that sums of two of them fit an int.

layout(binding = 3) uniform usamplerBuffer mask_words;

int mask_word(int at) { return int(texelFetch(mask_words, at).r); }

bool pattern_keeps(int i, int j) {
  int position = params.query_offset + i;
  int distance = abs(position - j);
#if PATTERN == HEADROOM_LOCAL_WINDOW
  return distance < params.window;
#elif PATTERN == HEADROOM_STRIDED
  return distance < params.stride || distance % params.stride == 0;
#elif PATTERN == HEADROOM_GLOBAL_LOCAL
  return distance < params.window || position < params.n_global || j < params.n_global;
#elif PATTERN == HEADROOM_RANDOM_BLOCKS
  int row = position / params.block - params.first_query_block;
  int key_block = j / params.block;
  uint word = texelFetch(mask_words, params.blocks_at + row * params.block_row_words + key_block / 32).r;
  return ((word >> uint(key_block % 32)) & 1u) != 0u;
#elif PATTERN == HEADROOM_HASHED_BUCKETS
  return mask_word(params.query_bucket_at + i) == mask_word(params.key_bucket_at + j);
#else
  return true;
#endif
}

bool is_visible(int i, int j, int end_key) {
  bool is_past = params.is_causal == 0 || j <= params.query_offset + i;
  return j < end_key && is_past && pattern_keeps(i, j);
}

// Holds every key visible to queries [i0, i1) of batch entry b.
ivec2 visible_keys(int b, int i0, int i1) {
  int begin = 0;
  int end = params.seq_k;
  if (params.key_lengths_at >= 0) end = min(end, mask_word(params.key_lengths_at + b));
  if (params.is_causal != 0) end = min(end, params.query_offset + i1);
#if PATTERN == HEADROOM_LOCAL_WINDOW
  begin = max(begin, params.query_offset + i0 - params.window + 1);
  end = min(end, params.query_offset + i1 - 1 + params.window);
#endif
  return ivec2(begin, end);
}

// True only when every query of [i0, i1) sees all four keys from j; j + 4 must not pass the end of visible_keys.
bool sees_all_four(int i0, int i1, int j) {
#if PATTERN == HEADROOM_DENSE
  return params.is_causal == 0 || j + 3 <= params.query_offset + i0;
#elif PATTERN == HEADROOM_LOCAL_WINDOW
  return (params.is_causal == 0 || j + 3 <= params.query_offset + i0) && params.query_offset + i1 - 1 - j < params.window &&
         j + 3 - params.query_offset - i0 < params.window;
#else
  return false;
#endif
}

bvec4 which_of_four(int i, int j, int end_key) {
  return bvec4(is_visible(i, j, end_key), is_visible(i, j + 1, end_key), is_visible(i, j + 2, end_key), is_visible(i, j + 3, end_key));
}
