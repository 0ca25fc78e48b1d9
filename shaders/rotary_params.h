// The parameters of the rotary kernel, compiled by C++ and by GLSL alike.
#ifndef HEADROOM_ROTARY_PARAMS_H
#define HEADROOM_ROTARY_PARAMS_H

#include "block.h"

#ifdef __cplusplus
namespace headroom::gl {
#endif

#define HEADROOM_ROTARY_SLOT 2

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
static_assert(sizeof(RotaryParams) == 32 && offsetof(RotaryParams, head_width) == 16);
}  // namespace headroom::gl
#endif

#endif
