#version 430 core
// Turns q and k by their positions, in place: coordinates (c, c + half) of a head turn together (the halves, not neighbours).
#include "rotary_params.h"

layout(local_size_x = LOCAL_SIZE) in;

layout(binding = 0) uniform samplerBuffer angles;  // [seq, half_width] of (cos, sin)
layout(std430, binding = 0) buffer Rows { float rows[]; };

void main() {
  int pair = int(gl_GlobalInvocationID.x);
  int row = int(gl_WorkGroupID.y);
  if (pair >= rotary.n_heads * rotary.half_width || row >= rotary.n_rows) return;
  int c = pair % rotary.half_width;
  int first = row * rotary.row_width + pair / rotary.half_width * rotary.head_width + c;
  int second = first + rotary.half_width;
  vec2 turn = texelFetch(angles, (rotary.first_row + row) * rotary.half_width + c).xy;
  float a = rows[first];
  float b = rows[second];
  rows[first] = a * turn.x - b * turn.y;
  rows[second] = b * turn.x + a * turn.y;
}
