#version 430 core
// Naive attention, second of three: probs = exp(score - logsumexp). A thread computes one row.
#include "attention_params.h"
#include "mask.glsl"
#include "attention_place.glsl"

layout(local_size_x = LOCAL_SIZE) in;

layout(binding = 0) uniform samplerBuffer score_texels;
layout(std430, binding = 0) writeonly buffer Probs { vec4 probs[]; };  // as scores
layout(std430, binding = 1) writeonly buffer LogSumExp { float logsumexp[]; };

// exp(score - top), exactly 0 where masked: an exp of -inf may be a smallest float instead.
vec4 weight_of(vec4 score, float top) {
  return mix(vec4(0.0), exp(score - top), greaterThan(score, vec4(kMinusInfinity)));
}

void main() {
  int i = params.first_query + int(gl_GlobalInvocationID.x);
  if (i >= params.end_query) return;
  Place place = place_of(int(gl_WorkGroupID.y), int(gl_WorkGroupID.z));
  int row = (place.slice_head * params.slab_queries + i - params.slab_query) * params.row4;

  float top = kMinusInfinity;
  for (int c = 0; c < params.row4; ++c) {
    vec4 s = texelFetch(score_texels, row + c);
    top = max(top, max(max(s.x, s.y), max(s.z, s.w)));
  }
  bool is_empty = top == kMinusInfinity;
  float sum = 0.0;
  if (!is_empty) {
    for (int c = 0; c < params.row4; ++c) sum += dot(weight_of(texelFetch(score_texels, row + c), top), vec4(1.0));
  }
  float scale = is_empty ? 0.0 : 1.0 / sum;
  for (int c = 0; c < params.row4; ++c) {
    probs[row + c] = is_empty ? vec4(0.0) : weight_of(texelFetch(score_texels, row + c), top) * scale;
  }
  logsumexp[(place.batch * params.n_heads + place.head) * params.seq_q + i] =
      is_empty ? kMinusInfinity : top + log(sum);
}
