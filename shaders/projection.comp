#version 430 core
// y = x · weightᵀ + bias. A thread computes ROWS rows x COLS4 vec4s of y: of 4 (ROWS + 4 COLS4) fetched floats it makes 16 ROWS COLS4
// products a step. Reads through texture fetches, which software renderers gather without a loop.
#include "projection_params.h"

layout(local_size_x = LOCAL_X, local_size_y = LOCAL_Y) in;

layout(binding = 0) uniform samplerBuffer x_texels;       // [rows, d_in4]
layout(binding = 1) uniform samplerBuffer weight_texels;  // [4 * cols4, d_in4]
layout(binding = 2) uniform samplerBuffer bias_texels;    // [cols4]
layout(std430, binding = 0) writeonly buffer Y { vec4 y[]; };

void main() {
  int column = int(gl_GlobalInvocationID.x) * COLS4;
  int row = projection.first_row + int(gl_GlobalInvocationID.y) * ROWS;
  if (column >= projection.cols4 || row >= projection.end_row) return;

  int x_row[ROWS];
  int weight_row[COLS4];
  vec4 total[ROWS][COLS4];
  for (int c = 0; c < COLS4; ++c) weight_row[c] = 4 * min(column + c, projection.cols4 - 1) * projection.d_in4;
  for (int r = 0; r < ROWS; ++r) {
    x_row[r] = min(row + r, projection.end_row - 1) * projection.d_in4;
    for (int c = 0; c < COLS4; ++c) total[r][c] = texelFetch(bias_texels, min(column + c, projection.cols4 - 1));
  }
  for (int k = 0; k < projection.d_in4; ++k) {
    vec4 x[ROWS];
    for (int r = 0; r < ROWS; ++r) x[r] = texelFetch(x_texels, x_row[r] + k);
    for (int c = 0; c < COLS4; ++c) {
      int at = weight_row[c] + k;
      mat4 weight = mat4(texelFetch(weight_texels, at), texelFetch(weight_texels, at + projection.d_in4),
                         texelFetch(weight_texels, at + 2 * projection.d_in4), texelFetch(weight_texels, at + 3 * projection.d_in4));
      for (int r = 0; r < ROWS; ++r) total[r][c] += x[r] * weight;
    }
  }
  for (int r = 0; r < ROWS; ++r) {
    for (int c = 0; c < COLS4; ++c) {
      if (row + r < projection.end_row && column + c < projection.cols4) {
        y[(row + r - projection.first_row) * projection.cols4 + column + c] = total[r][c];
      }
    }
  }
}
