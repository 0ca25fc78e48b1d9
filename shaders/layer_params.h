// The parameters of the kernels around attention (projection, rotary), compiled by C++ and by GLSL alike. Include attention_params.h first.
#ifndef HEADROOM_LAYER_PARAMS_H
#define HEADROOM_LAYER_PARAMS_H

#ifdef __cplusplus
#include "shaders/attention_params.h"
namespace headroom::gl {
#endif

#define HEADROOM_PROJECTION_SLOT 1
#define HEADROOM_ROTARY_SLOT 2

// y = x · weightᵀ + bias for rows [first_row, end_row); the storage block of y begins at first_row.
HEADROOM_BLOCK(ProjectionParams, HEADROOM_PROJECTION_SLOT) {
  int first_row;
  int end_row;
  int d_in4;  // vec4s of a row of x and of weight
  int cols4;  // vec4s of a row of y
} HEADROOM_INSTANCE(projection);

// Turns rows [first_row, end_row) of q and k in place; the storage block begins at first_row.
HEADROOM_BLOCK(RotaryParams, HEADROOM_ROTARY_SLOT) {
  int first_row;
  int n_rows;
  int n_heads;     // heads to turn, side by side from the row's start
  int half_width;  // pairs of one head
  int head_width;  // floats of one head, padding included
  int row_width;   // floats of one row
  int unused_0;
  int unused_1;
} HEADROOM_INSTANCE(rotary);

#ifdef __cplusplus
static_assert(sizeof(ProjectionParams) == 16 && offsetof(ProjectionParams, cols4) == 12);
static_assert(sizeof(RotaryParams) == 32 && offsetof(RotaryParams, head_width) == 16);
}  // namespace headroom::gl
#endif

#endif
