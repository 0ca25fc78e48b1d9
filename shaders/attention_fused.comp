#version 430 core
// Fused softmax attention: one pass over the keys with a running maximum and sum; scores never leave the registers.
// A thread owns QUERIES queries and a part of CHUNK4 vec4s of their out; where a head is wider than that, its parts compute the same
// scores again, which is cheaper than registers that spill. No shared memory and no barrier: see core/gl/attention_kernels.h.
#include "attention_params.h"
#include "mask.glsl"
#include "attention_place.glsl"
#include "dropout.glsl"

layout(local_size_x = LOCAL_SIZE) in;

layout(binding = 0) uniform samplerBuffer q_texels;
layout(binding = 1) uniform samplerBuffer k_texels;
layout(binding = 2) uniform samplerBuffer v_texels;
layout(std430, binding = 0) writeonly buffer Out { vec4 head_out[]; };
layout(std430, binding = 1) writeonly buffer LogSumExp { float logsumexp[]; };

void main() {
  int i0 = params.first_query + int(gl_GlobalInvocationID.x) * QUERIES;
  if (i0 >= params.end_query) return;
  int i1 = min(i0 + QUERIES, params.end_query);
  int chunk = int(gl_WorkGroupID.z) % params.n_chunks;
  Place place = place_of(int(gl_WorkGroupID.y), int(gl_WorkGroupID.z) / params.n_chunks);
  ivec2 keys = visible_keys(place.batch, i0, i1);

  int q_row[QUERIES];
  float top[QUERIES];  // running maximum of the scores
  float sum[QUERIES];  // running sum of exp(score - top)
  vec4 mix_of_v[QUERIES][CHUNK4];
  for (int r = 0; r < QUERIES; ++r) {
    q_row[r] = place.q_at + min(i0 + r, i1 - 1) * params.q_row4;
    top[r] = kMinusInfinity;
    sum[r] = 0.0;
    for (int c = 0; c < CHUNK4; ++c) mix_of_v[r][c] = vec4(0.0);
  }

  for (int j = keys.x; j < keys.y; j += 4) {
    // Rows past the end repeat the last one; their scores are masked.
    ivec4 rows = min(ivec4(j, j + 1, j + 2, j + 3), ivec4(keys.y - 1)) * params.kv_row4;
    ivec4 k_row = rows + place.k_at;
    vec4 score[QUERIES];
    for (int r = 0; r < QUERIES; ++r) score[r] = vec4(0.0);
    for (int c = 0; c < params.d4; ++c) {
      mat4 k = mat4(texelFetch(k_texels, k_row.x + c), texelFetch(k_texels, k_row.y + c), texelFetch(k_texels, k_row.z + c),
                    texelFetch(k_texels, k_row.w + c));
      for (int r = 0; r < QUERIES; ++r) score[r] += texelFetch(q_texels, q_row[r] + c) * k;
    }
    bool sees_all = j + 4 <= keys.y && sees_all_four(i0, i1, j);
    vec4 weight[QUERIES];
    for (int r = 0; r < QUERIES; ++r) {
      bvec4 seen = bvec4(true);
      if (!sees_all) seen = which_of_four(min(i0 + r, i1 - 1), j, keys.y);
      vec4 s = mix(vec4(kMinusInfinity), score[r] * params.scale, seen);
      float new_top = max(max(max(s.x, s.y), max(s.z, s.w)), top[r]);
      // Nothing seen yet: the difference of two infinities must not count.
      float keep = sum[r] == 0.0 ? 0.0 : exp(top[r] - new_top);
      weight[r] = mix(vec4(0.0), exp(s - new_top), seen);
      sum[r] = sum[r] * keep + dot(weight[r], vec4(1.0));
      top[r] = new_top;
      weight[r] *= kept_factors(dropout_row(place.batch, place.head, min(i0 + r, i1 - 1)), j);
      for (int c = 0; c < CHUNK4; ++c) mix_of_v[r][c] *= keep;
    }
    ivec4 v_row = rows + place.v_at;
    for (int c = 0; c < CHUNK4; ++c) {
      int column = min(chunk * CHUNK4 + c, params.d4 - 1);
      mat4 v = mat4(texelFetch(v_texels, v_row.x + column), texelFetch(v_texels, v_row.y + column),
                    texelFetch(v_texels, v_row.z + column), texelFetch(v_texels, v_row.w + column));
      for (int r = 0; r < QUERIES; ++r) mix_of_v[r][c] += v * weight[r];
    }
  }

  // No continue in these loops: it would keep compilers from unrolling them, and the arrays would leave the registers.
  for (int r = 0; r < QUERIES; ++r) {
    float scale = sum[r] == 0.0 ? 0.0 : 1.0 / sum[r];
    int out_row = place.out_at + (i0 + r) * params.out_row4;
    for (int c = 0; c < CHUNK4; ++c) {
      int column = chunk * CHUNK4 + c;
      if (i0 + r < i1 && column < params.d4) head_out[out_row + column] = mix_of_v[r][c] * scale;
    }
    if (i0 + r < i1 && chunk == 0) {
      logsumexp[(place.batch * params.n_heads + place.head) * params.seq_q + i0 + r] =
          sum[r] == 0.0 ? kMinusInfinity : top[r] + log(sum[r]);
    }
  }
}
