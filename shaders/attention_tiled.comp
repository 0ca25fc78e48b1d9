#version 430 core
// Fused softmax attention for GPUs: a work group owns TILE_ROWS queries of one head and walks over the keys, TILE_COLS a step. q and k are
// staged in shared memory in chunks of 32 columns; a thread keeps THREAD_ROWS x THREAD_COLS scores in registers, the group exchanges their
// exponentials through shared memory, and a thread keeps the same rows of out, every eighth of OUT4 x 8 vec4s. Scores never leave the chip.
// SUBGROUPS: the eight threads of a row agree on its maximum and sum by subgroup operations, else through shared memory.
#if SUBGROUPS
#extension GL_KHR_shader_subgroup_clustered : require
#endif
#include "attention_params.h"
#include "mask.glsl"
#include "attention_place.glsl"
#if FROM_STORAGE
#include "kv_storage.glsl"
#else
#include "kv_texels.glsl"
#endif
#include "dropout.glsl"
#include "tile_product.glsl"

layout(std430, binding = 0) writeonly buffer Out { vec4 head_out[]; };
layout(std430, binding = 1) writeonly buffer LogSumExp { float logsumexp[]; };

#define ROW4 (TILE_ROWS / 4)     // vec4s of four queries each
#define THREAD_ROW4 (THREAD_ROWS / 4)
#define VALUE4 (8 * OUT4)        // vec4s of a row of v, padding included

// exp2(score - maximum) of four queries of a key, [TILE_COLS][ROW4]; between the steps, what threads tell each other of their rows.
shared vec4 weights[TILE_COLS * ROW4];
#if HAS_HOLES
shared int is_seen[TILE_COLS];  // by any of the queries
#endif

const float kLog2E = 1.44269504088896341;

// Rotated for the banks, as the other tiles.
int weight_slot(int key, int row4) { return key * ROW4 + (row4 ^ ((key >> 2) & 7)); }

#if SUBGROUPS
void reduce_max(inout float rows[THREAD_ROWS]) {
  for (int r = 0; r < THREAD_ROWS; ++r) rows[r] = subgroupClusteredMax(rows[r], 8u);
}
void reduce_sum(inout float rows[THREAD_ROWS]) {
  for (int r = 0; r < THREAD_ROWS; ++r) rows[r] = subgroupClusteredAdd(rows[r], 8u);
}
#else
void tell_rows(float rows[THREAD_ROWS]) {
  for (int r = 0; r < THREAD_ROW4; ++r) {
    weights[8 * (ty() * THREAD_ROW4 + r) + tx()] = vec4(rows[4 * r], rows[4 * r + 1], rows[4 * r + 2], rows[4 * r + 3]);
  }
  wait_for_group();
}
void reduce_max(inout float rows[THREAD_ROWS]) {
  tell_rows(rows);
  for (int r = 0; r < THREAD_ROW4; ++r) {
    vec4 all = weights[8 * (ty() * THREAD_ROW4 + r)];
    for (int t = 1; t < 8; ++t) all = max(all, weights[8 * (ty() * THREAD_ROW4 + r) + t]);
    for (int e = 0; e < 4; ++e) rows[4 * r + e] = all[e];
  }
  wait_for_group();
}
void reduce_sum(inout float rows[THREAD_ROWS]) {
  tell_rows(rows);
  for (int r = 0; r < THREAD_ROW4; ++r) {
    vec4 all = weights[8 * (ty() * THREAD_ROW4 + r)];
    for (int t = 1; t < 8; ++t) all += weights[8 * (ty() * THREAD_ROW4 + r) + t];
    for (int e = 0; e < 4; ++e) rows[4 * r + e] = all[e];
  }
  wait_for_group();
}
#endif

void main() {
  int i0 = params.first_query + int(gl_WorkGroupID.x) * TILE_ROWS;
  int i1 = min(i0 + TILE_ROWS, params.end_query);
  Place place = place_of(int(gl_WorkGroupID.y), int(gl_WorkGroupID.z));
  ivec2 keys = visible_keys_of(place.batch, i0, i1);

  vec4 mix_of_v[THREAD_ROWS][OUT4];
  float top[THREAD_ROWS];  // running maximum of the scores, of the whole row
  float sum[THREAD_ROWS];  // running sum of exp2(score - top), of this thread's keys
  QueryMask query[THREAD_ROWS];
  for (int r = 0; r < THREAD_ROWS; ++r) {
    query[r] = query_mask(place.batch, min(i0 + ty() * THREAD_ROWS + r, i1 - 1));
    top[r] = kMinusInfinity;
    sum[r] = 0.0;
    for (int o = 0; o < OUT4; ++o) mix_of_v[r][o] = vec4(0.0);
  }

  for (int j = next_tile(ivec2(i0, i1), keys.x, keys.y, TILE_COLS); j < keys.y;
       j = next_tile(ivec2(i0, i1), j + TILE_COLS, keys.y, TILE_COLS)) {
    float score[THREAD_ROWS][THREAD_COLS];
    for (int r = 0; r < THREAD_ROWS; ++r) {
      for (int s = 0; s < THREAD_COLS; ++s) score[r][s] = 0.0;
    }
    for (int c0 = 0; c0 < params.d4; c0 += 8) {
      wait_for_group();  // until the tiles are used up
      for (int slot = int(gl_LocalInvocationIndex); slot < 8 * TILE_ROWS; slot += THREADS) {
        int row = slot >> 3, c = slot & 7;
        bool is_there = i0 + row < i1 && c0 + c < params.d4;
        tiles[row_slot(row, c)] =
            is_there ? fetch_q(place.q_at + (i0 + row) * params.q_row4 + c0 + c) * (params.scale * kLog2E) : vec4(0.0);
      }
      for (int slot = int(gl_LocalInvocationIndex); slot < 8 * TILE_COLS; slot += THREADS) {
        int key = slot >> 3, c = slot & 7;
        bool is_there = j + key < keys.y && c0 + c < params.d4;
        tiles[column_slot(key, c)] = is_there ? fetch_k(place.k_at + (j + key) * params.kv_row4 + c0 + c) : vec4(0.0);
      }
#if HAS_HOLES
      for (int key = int(gl_LocalInvocationIndex); key < TILE_COLS; key += THREADS) is_seen[key] = 0;
#endif
      wait_for_group();
      add_products(score);
    }

    float tile_top[THREAD_ROWS];
    for (int r = 0; r < THREAD_ROWS; ++r) {
      tile_top[r] = kMinusInfinity;
      for (int s = 0; s < THREAD_COLS; s += 4) {
        bvec4 seen = seen_of_four(query[r], j + column_of(s));
        for (int e = 0; e < 4; ++e) {
#if HAS_HOLES
          if (seen[e]) is_seen[column_of(s) + e] = 1;
#endif
          if (!seen[e]) score[r][s + e] = kMinusInfinity;
          tile_top[r] = max(tile_top[r], score[r][s + e]);
        }
      }
    }
    reduce_max(tile_top);
    for (int r = 0; r < THREAD_ROWS; ++r) {
      float new_top = max(top[r], tile_top[r]);
      // Nothing seen yet: the difference of two infinities must not count.
      float finite_top = new_top == kMinusInfinity ? 0.0 : new_top;
      float keep = top[r] == kMinusInfinity ? 0.0 : exp2(top[r] - finite_top);
      top[r] = new_top;
      sum[r] *= keep;
      for (int o = 0; o < OUT4; ++o) mix_of_v[r][o] *= keep;
      uint dropped = dropout_row(place.batch, place.head, i0 + ty() * THREAD_ROWS + r);
      for (int s = 0; s < THREAD_COLS; s += 4) {
        vec4 kept = kept_factors(dropped, j + column_of(s));
        for (int e = 0; e < 4; ++e) {
          float weight = score[r][s + e] == kMinusInfinity ? 0.0 : exp2(score[r][s + e] - finite_top);
          sum[r] += weight;
          score[r][s + e] = weight * kept[e];
        }
      }
    }
    for (int s = 0; s < THREAD_COLS; ++s) {
      for (int r = 0; r < THREAD_ROW4; ++r) {
        weights[weight_slot(column_of(s), ty() * THREAD_ROW4 + r)] =
            vec4(score[4 * r][s], score[4 * r + 1][s], score[4 * r + 2][s], score[4 * r + 3][s]);
      }
    }

    for (int key0 = 0; key0 < TILE_COLS; key0 += VALUE_KEYS) {
      wait_for_group();  // the weights are there; the tiles, or the values before, are used up
      for (int slot = int(gl_LocalInvocationIndex); slot < VALUE_KEYS * VALUE4; slot += THREADS) {
        int key = j + key0 + slot / VALUE4, c = slot % VALUE4;
        bool is_there = key < keys.y && c < params.d4;
#if HAS_HOLES
        is_there = is_there && is_seen[key - j] != 0;
#endif
        tiles[slot] = is_there ? fetch_v(place.v_at + key * params.kv_row4 + c) : vec4(0.0);
      }
      wait_for_group();
      for (int key = 0; key < VALUE_KEYS; ++key) {
        vec4 v[OUT4];
        for (int o = 0; o < OUT4; ++o) v[o] = tiles[key * VALUE4 + 8 * o + tx()];
        for (int r = 0; r < THREAD_ROW4; ++r) {
          vec4 weight = weights[weight_slot(key0 + key, ty() * THREAD_ROW4 + r)];
          for (int o = 0; o < OUT4; ++o) {
            mix_of_v[4 * r][o] = fma(vec4(weight.x), v[o], mix_of_v[4 * r][o]);
            mix_of_v[4 * r + 1][o] = fma(vec4(weight.y), v[o], mix_of_v[4 * r + 1][o]);
            mix_of_v[4 * r + 2][o] = fma(vec4(weight.z), v[o], mix_of_v[4 * r + 2][o]);
            mix_of_v[4 * r + 3][o] = fma(vec4(weight.w), v[o], mix_of_v[4 * r + 3][o]);
          }
        }
      }
    }
    wait_for_group();  // until the weights are used up
  }

  reduce_sum(sum);
  for (int r = 0; r < THREAD_ROWS; ++r) {
    int i = i0 + ty() * THREAD_ROWS + r;
    float scale = sum[r] == 0.0 ? 0.0 : 1.0 / sum[r];
    for (int o = 0; o < OUT4; ++o) {
      int column = 8 * o + tx();
      if (i < i1 && column < params.d4) head_out[place.out_at + i * params.out_row4 + column] = mix_of_v[r][o] * scale;
    }
    if (i < i1 && tx() == 0) {
      logsumexp[(place.batch * params.n_heads + place.head) * params.seq_q + i] =
          sum[r] == 0.0 ? kMinusInfinity : (top[r] + log2(sum[r])) / kLog2E;
    }
  }
}
