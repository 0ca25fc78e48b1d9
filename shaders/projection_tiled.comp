#version 430 core
// y = x · weightᵀ + bias for GPUs: a work group stages tiles of x and weight in shared memory, a thread keeps THREAD_ROWS x THREAD_COLS of
// y in registers.
#include "projection_params.h"
#include "tile_product.glsl"

layout(binding = 0) uniform samplerBuffer x_texels;       // [rows, d_in4]
layout(binding = 1) uniform samplerBuffer weight_texels;  // [4 * cols4, d_in4]
layout(binding = 2) uniform samplerBuffer bias_texels;    // [cols4]
layout(std430, binding = 0) writeonly buffer Y { vec4 y[]; };

void main() {
  int row0 = projection.first_row + int(gl_WorkGroupID.y) * TILE_ROWS;
  int column0 = int(gl_WorkGroupID.x) * TILE_COLS;

  float total[THREAD_ROWS][THREAD_COLS];
  for (int r = 0; r < THREAD_ROWS; ++r) {
    for (int s = 0; s < THREAD_COLS; ++s) total[r][s] = 0.0;
  }
  for (int k0 = 0; k0 < projection.d_in4; k0 += 8) {
    wait_for_group();  // until the chunk before is used up
    for (int slot = int(gl_LocalInvocationIndex); slot < 8 * TILE_ROWS; slot += THREADS) {
      int row = slot >> 3, c = slot & 7;
      bool is_there = row0 + row < projection.end_row && k0 + c < projection.d_in4;
      tiles[row_slot(row, c)] = is_there ? texelFetch(x_texels, (row0 + row) * projection.d_in4 + k0 + c) : vec4(0.0);
    }
    for (int slot = int(gl_LocalInvocationIndex); slot < 8 * TILE_COLS; slot += THREADS) {
      int column = slot >> 3, c = slot & 7;
      bool is_there = column0 + column < 4 * projection.cols4 && k0 + c < projection.d_in4;
      tiles[column_slot(column, c)] = is_there ? texelFetch(weight_texels, (column0 + column) * projection.d_in4 + k0 + c) : vec4(0.0);
    }
    wait_for_group();
    add_products(total);
  }
  for (int s = 0; s < THREAD_COLS; s += 4) {
    int column4 = (column0 + column_of(s)) / 4;
    if (column4 < projection.cols4) {
      vec4 bias = texelFetch(bias_texels, column4);
      for (int r = 0; r < THREAD_ROWS; ++r) {
        int row = row0 + ty() * THREAD_ROWS + r;
        if (row < projection.end_row) {
          y[(row - projection.first_row) * projection.cols4 + column4] =
              bias + vec4(total[r][s], total[r][s + 1], total[r][s + 2], total[r][s + 3]);
        }
      }
    }
  }
}
