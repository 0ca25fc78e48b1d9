#version 430 core
// Naive attention, third of three: head_out = probs · v. A thread computes one vec4 column of QUERIES queries.
#include "attention_params.h"
#include "mask.glsl"
#include "attention_place.glsl"
#include "kv_texels.glsl"
#include "dropout.glsl"

layout(local_size_x = LOCAL_SIZE) in;

layout(binding = 4) uniform samplerBuffer prob_texels;
layout(std430, binding = 0) writeonly buffer Out { vec4 head_out[]; };

void main() {
  int column = int(gl_GlobalInvocationID.x);
  int i0 = params.first_query + int(gl_WorkGroupID.y) * QUERIES;
  if (column >= params.d4) return;
  int i1 = min(i0 + QUERIES, params.end_query);
  Place place = place_of(int(gl_WorkGroupID.z) % params.n_active, int(gl_WorkGroupID.z) / params.n_active);
  ivec2 keys = visible_keys_of(place.batch, i0, i1);

  vec4 total[QUERIES];
  int prob_row[QUERIES];
  for (int r = 0; r < QUERIES; ++r) {
    total[r] = vec4(0.0);
    prob_row[r] = (place.slice_head * params.slab_queries + min(i0 + r, i1 - 1) - params.slab_query) * params.row4;
  }
  for (int j4 = keys.x / 4; 4 * j4 < keys.y; ++j4) {
    int j = 4 * j4;
    // Rows past the end repeat the last one; their probabilities are 0.
    ivec4 v_row = min(ivec4(j, j + 1, j + 2, j + 3), ivec4(keys.y - 1)) * params.kv_row4 + place.v_at + column;
    mat4 v = fetch_v4(v_row);
#if HAS_HOLES
    ivec4 is_seen = ivec4(0);  // by any of the queries
    for (int r = 0; r < QUERIES; ++r) is_seen |= ivec4(seen_of_four(query_mask(place.batch, min(i0 + r, i1 - 1)), j));
    v = seen_values(v, bvec4(is_seen));
#endif
    for (int r = 0; r < QUERIES; ++r) {
      vec4 kept = kept_factors(dropout_row(place.batch, place.head, min(i0 + r, i1 - 1)), j);
      total[r] += v * (texelFetch(prob_texels, prob_row[r] + j4) * kept);
    }
  }
  for (int r = 0; r < QUERIES; ++r) {
    int i = i0 + r;
    if (i < i1) head_out[place.out_at + i * params.out_row4 + column] = total[r];
  }
}
