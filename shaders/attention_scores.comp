#version 430 core
// Naive attention, first of three: scores = scale * q·k, -inf where masked. A thread computes QUERIES x 4 of them.
#include "attention_params.h"
#include "mask.glsl"
#include "attention_place.glsl"
#include "kv_texels.glsl"

layout(local_size_x = LOCAL_SIZE) in;

layout(std430, binding = 0) writeonly buffer Scores { vec4 scores[]; };  // [batch x heads of the slab, its queries, row4]

void main() {
  int j4 = int(gl_GlobalInvocationID.x);
  int i0 = params.first_query + int(gl_WorkGroupID.y) * QUERIES;
  if (j4 >= params.row4) return;
  int i1 = min(i0 + QUERIES, params.end_query);
  Place place = place_of(int(gl_WorkGroupID.z) % params.n_active, int(gl_WorkGroupID.z) / params.n_active);
  int j = 4 * j4;
  ivec2 keys = visible_keys_of(place.batch, i0, i1);

  vec4 score[QUERIES];
  for (int r = 0; r < QUERIES; ++r) score[r] = vec4(0.0);
  if (j < keys.y && j + 4 > keys.x) {
    ivec4 k_row = min(ivec4(j, j + 1, j + 2, j + 3), ivec4(keys.y - 1)) * params.kv_row4 + place.k_at;
    for (int c = 0; c < params.d4; ++c) {
      mat4 k = fetch_k4(k_row + c);
      for (int r = 0; r < QUERIES; ++r) {
        score[r] += fetch_q(place.q_at + min(i0 + r, i1 - 1) * params.q_row4 + c) * k;
      }
    }
  }
  for (int r = 0; r < QUERIES; ++r) {
    bvec4 seen = seen_of_four(query_mask(place.batch, min(i0 + r, i1 - 1)), j);
    int row = (place.slice_head * params.slab_queries + i0 + r - params.slab_query) * params.row4;
    if (i0 + r < i1) scores[row + j4] = mix(vec4(kMinusInfinity), score[r] * params.scale, seen);
  }
}
