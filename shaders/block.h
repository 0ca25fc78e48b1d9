// How a uniform block is declared so that C++ and GLSL compile the same text: HEADROOM_BLOCK(Name, slot) { ... } HEADROOM_INSTANCE(name);
// Only 4-byte scalars go into a block, padded to a multiple of 16 bytes: then std140 and C++ agree without thought.
#ifndef HEADROOM_BLOCK_H
#define HEADROOM_BLOCK_H

#ifdef __cplusplus
#include <cstddef>
#define HEADROOM_BLOCK(name, slot) struct alignas(16) name
#define HEADROOM_INSTANCE(instance)
static_assert(sizeof(int) == 4 && sizeof(float) == 4);
#else
#define HEADROOM_BLOCK(name, slot) layout(std140, binding = slot) uniform name
#define HEADROOM_INSTANCE(instance) instance
#endif

#endif
