// Which probabilities dropout keeps: mirrors is_kept in core/attention/dropout.h. Needs attention_params.h and DROPOUT.

uint scramble(uint x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  x ^= x >> 16;
  return x;
}

uint dropout_row(int batch, int head, int i) {
  return scramble(scramble(scramble(uint(params.dropout_seed) ^ uint(batch)) ^ uint(head)) ^ uint(i));
}

// Factors on the probabilities of the four keys from j, given the row's hash.
vec4 kept_factors(uint row, int j) {
#if DROPOUT
  uvec4 hash = uvec4(scramble(row ^ uint(j)), scramble(row ^ uint(j + 1)), scramble(row ^ uint(j + 2)), scramble(row ^ uint(j + 3)));
  return mix(vec4(0.0), vec4(params.kept_factor), greaterThanEqual(hash >> 8, uvec4(params.dropout_threshold)));
#else
  return vec4(1.0);
#endif
}
