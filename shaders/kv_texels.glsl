// q, keys and values through texture fetches. float16 needs no other code: its texels are halves that the fetch widens. Needs STORAGE.

layout(binding = 0) uniform samplerBuffer q_texels;
vec4 fetch_q(int at) { return texelFetch(q_texels, at); }

#if STORAGE == HEADROOM_BFLOAT16
layout(binding = 1) uniform usamplerBuffer k_texels;
layout(binding = 2) uniform usamplerBuffer v_texels;

// A bfloat16 is the upper half of a float32; the first of two lies in a word's lower half.
vec4 widened(uvec2 words) { return uintBitsToFloat(uvec4(words.x << 16, words.x & 0xffff0000u, words.y << 16, words.y & 0xffff0000u)); }
vec4 fetch_k(int at) { return widened(texelFetch(k_texels, at).rg); }
vec4 fetch_v(int at) { return widened(texelFetch(v_texels, at).rg); }
#else
layout(binding = 1) uniform samplerBuffer k_texels;
layout(binding = 2) uniform samplerBuffer v_texels;

vec4 fetch_k(int at) { return texelFetch(k_texels, at); }
vec4 fetch_v(int at) { return texelFetch(v_texels, at); }
#endif

// Four rows of one column of vec4s.
mat4 fetch_k4(ivec4 at) { return mat4(fetch_k(at.x), fetch_k(at.y), fetch_k(at.z), fetch_k(at.w)); }
mat4 fetch_v4(ivec4 at) { return mat4(fetch_v(at.x), fetch_v(at.y), fetch_v(at.z), fetch_v(at.w)); }
