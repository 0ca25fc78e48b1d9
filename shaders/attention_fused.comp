#version 430 core
// Fused softmax attention for software renderers: one pass over the keys with a running maximum and sum; scores never leave the registers.
// A thread owns QUERIES whole queries: their q and their out, D4 vec4s each, stay in what such a renderer calls registers (its stack, in
// the nearest cache), and each fetched vec4 of K and V serves all of them. A step takes 4 KEYS4 keys. No shared memory and no barrier:
// software renderers run both as scalar loops.
// The columns run through loops of at most 32, in PARTS, because compilers unroll no longer ones; unrolled they must be, or the arrays
// would be indexed lane by lane.
#include "attention_params.h"
#include "mask.glsl"
#include "attention_place.glsl"
#include "kv_texels.glsl"
#include "dropout.glsl"

layout(local_size_x = LOCAL_SIZE) in;

layout(std430, binding = 0) writeonly buffer Out { vec4 head_out[]; };
layout(std430, binding = 1) writeonly buffer LogSumExp { float logsumexp[]; };

// Wider heads would take twice as long to compile with both q and out unrolled, and their q leaves the nearest cache: it is fetched each time.
#define PARTS ((D4 + 31) / 32)
#define PART4 ((D4 + PARTS - 1) / PARTS)
#define KEEPS_Q (PARTS == 1)

const float kLog2E = 1.44269504088896341;

void main() {
  int i0 = params.first_query + int(gl_GlobalInvocationID.x) * QUERIES;
  if (i0 >= params.end_query) return;
  int i1 = min(i0 + QUERIES, params.end_query);
  Place place = place_of(int(gl_WorkGroupID.y), int(gl_WorkGroupID.z));
  ivec2 keys = visible_keys_of(place.batch, i0, i1);

  QueryMask query[QUERIES];
#if KEEPS_Q
  vec4 q[QUERIES][PART4];  // times scale and log2 e, so that exp2 does
#endif
  vec4 mix_of_v[QUERIES][PARTS][PART4];
  float top[QUERIES];  // running maximum of the scores
  float sum[QUERIES];  // running sum of exp2(score - top)
  for (int r = 0; r < QUERIES; ++r) {
    int i = min(i0 + r, i1 - 1);
    query[r] = query_mask(place.batch, i);
    top[r] = kMinusInfinity;
    sum[r] = 0.0;
    for (int p = 0; p < PARTS; ++p) {
      for (int c = 0; c < PART4; ++c) mix_of_v[r][p][c] = vec4(0.0);
    }
#if KEEPS_Q
    for (int c = 0; c < PART4; ++c) q[r][c] = fetch_q(place.q_at + i * params.q_row4 + c) * (params.scale * kLog2E);
#endif
  }

  for (int j = next_tile(ivec2(i0, i1), keys.x, keys.y, 4 * KEYS4); j < keys.y;
       j = next_tile(ivec2(i0, i1), j + 4 * KEYS4, keys.y, 4 * KEYS4)) {
    ivec4 rows[KEYS4];  // those past the end repeat the last one; their scores are masked
    vec4 score[QUERIES][KEYS4];
    for (int g = 0; g < KEYS4; ++g) {
      rows[g] = min(j + 4 * g + ivec4(0, 1, 2, 3), ivec4(keys.y - 1)) * params.kv_row4;
      for (int r = 0; r < QUERIES; ++r) score[r][g] = vec4(0.0);
    }
#if KEEPS_Q
    for (int c = 0; c < PART4; ++c) {
      for (int g = 0; g < KEYS4; ++g) {
        mat4 k = fetch_k4(rows[g] + (place.k_at + c));
        for (int r = 0; r < QUERIES; ++r) score[r][g] += q[r][c] * k;
      }
    }
#else
    for (int c = 0; c < D4; ++c) {
      vec4 q[QUERIES];
      for (int r = 0; r < QUERIES; ++r) {
        q[r] = fetch_q(place.q_at + min(i0 + r, i1 - 1) * params.q_row4 + c) * (params.scale * kLog2E);
      }
      for (int g = 0; g < KEYS4; ++g) {
        mat4 k = fetch_k4(rows[g] + (place.k_at + c));
        for (int r = 0; r < QUERIES; ++r) score[r][g] += q[r] * k;
      }
    }
#endif
#if HAS_HOLES
    ivec4 is_seen[KEYS4];  // by any of the queries
    for (int g = 0; g < KEYS4; ++g) is_seen[g] = ivec4(0);
#endif
    for (int r = 0; r < QUERIES; ++r) {
      float new_top = top[r];
      bvec4 seen[KEYS4];
      for (int g = 0; g < KEYS4; ++g) {
        seen[g] = seen_of_four(query[r], j + 4 * g);
#if HAS_HOLES
        is_seen[g] |= ivec4(seen[g]);
#endif
        score[r][g] = mix(vec4(kMinusInfinity), score[r][g], seen[g]);
        new_top = max(max(max(score[r][g].x, score[r][g].y), max(score[r][g].z, score[r][g].w)), new_top);
      }
      // Nothing seen yet: the difference of two infinities must not count.
      float finite_top = new_top == kMinusInfinity ? 0.0 : new_top;
      float keep = exp2(top[r] - finite_top);
      top[r] = new_top;
      sum[r] *= keep;
      for (int g = 0; g < KEYS4; ++g) {
        vec4 weight = mix(vec4(0.0), exp2(score[r][g] - finite_top), seen[g]);
        sum[r] += dot(weight, vec4(1.0));
        score[r][g] = weight * kept_factors(dropout_row(place.batch, place.head, min(i0 + r, i1 - 1)), j + 4 * g);
      }
      for (int p = 0; p < PARTS; ++p) {
        for (int c = 0; c < PART4; ++c) mix_of_v[r][p][c] *= keep;
      }
    }
    for (int p = 0; p < PARTS; ++p) {
      for (int c = 0; c < PART4; ++c) {
        if (p * PART4 + c < D4) {
          for (int g = 0; g < KEYS4; ++g) {
            mat4 v = fetch_v4(rows[g] + (place.v_at + p * PART4 + c));
#if HAS_HOLES
            v = seen_values(v, bvec4(is_seen[g]));
#endif
            for (int r = 0; r < QUERIES; ++r) mix_of_v[r][p][c] += v * score[r][g];
          }
        }
      }
    }
  }

  // No continue in these loops: it would keep compilers from unrolling them.
  for (int r = 0; r < QUERIES; ++r) {
    float scale = sum[r] == 0.0 ? 0.0 : 1.0 / sum[r];
    int out_row = place.out_at + (i0 + r) * params.out_row4;
    for (int p = 0; p < PARTS; ++p) {
      for (int c = 0; c < PART4; ++c) {
        if (i0 + r < i1 && p * PART4 + c < D4) head_out[out_row + p * PART4 + c] = mix_of_v[r][p][c] * scale;
      }
    }
    if (i0 + r < i1) {
      logsumexp[(place.batch * params.n_heads + place.head) * params.seq_q + i0 + r] =
          sum[r] == 0.0 ? kMinusInfinity : (top[r] + log2(sum[r])) / kLog2E;
    }
  }
}
