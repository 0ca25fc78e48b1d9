// q, keys and values read from storage blocks, four numbers a load: the functions of kv_texels.glsl for GPUs whose texture units are
// slower than their loads. Halves are widened by unpackHalf2x16. Needs STORAGE.

layout(std430, binding = 2) readonly restrict buffer QBlock { vec4 q_block[]; };
vec4 fetch_q(int at) { return q_block[at]; }

#if STORAGE == HEADROOM_FLOAT32
layout(std430, binding = 3) readonly restrict buffer KBlock { vec4 k_block[]; };
layout(std430, binding = 4) readonly restrict buffer VBlock { vec4 v_block[]; };

vec4 fetch_k(int at) { return k_block[at]; }
vec4 fetch_v(int at) { return v_block[at]; }
#else
layout(std430, binding = 3) readonly restrict buffer KBlock { uvec2 k_block[]; };
layout(std430, binding = 4) readonly restrict buffer VBlock { uvec2 v_block[]; };

#if STORAGE == HEADROOM_FLOAT16
vec4 widened(uvec2 words) { return vec4(unpackHalf2x16(words.x), unpackHalf2x16(words.y)); }
#else
// A bfloat16 is the upper half of a float32; the first of two lies in a word's lower half.
vec4 widened(uvec2 words) { return uintBitsToFloat(uvec4(words.x << 16, words.x & 0xffff0000u, words.y << 16, words.y & 0xffff0000u)); }
#endif
vec4 fetch_k(int at) { return widened(k_block[at]); }
vec4 fetch_v(int at) { return widened(v_block[at]); }
#endif
