// The parameters of the projection kernel, compiled by C++ and by GLSL alike.
#ifndef HEADROOM_PROJECTION_PARAMS_H
#define HEADROOM_PROJECTION_PARAMS_H

#include "block.h"

#ifdef __cplusplus
namespace headroom::gl {
#endif

#define HEADROOM_PROJECTION_SLOT 1

// y = x · weightᵀ + bias for rows [first_row, end_row); the storage block of y begins at first_row.
HEADROOM_BLOCK(ProjectionParams, HEADROOM_PROJECTION_SLOT) {
  int first_row;
  int end_row;
  int d_in4;  // vec4s of a row of x and of weight
  int cols4;  // vec4s of a row of y
} HEADROOM_INSTANCE(projection);

#ifdef __cplusplus
static_assert(sizeof(ProjectionParams) == 16 && offsetof(ProjectionParams, cols4) == 12);
}  // namespace headroom::gl
#endif

#endif
