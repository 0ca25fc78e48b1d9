#version 430 core
// Multiply-adds in registers, nothing else: eight chains of vec4, more than any device's latency asks for. One result keeps them alive.
layout(local_size_x = LOCAL_SIZE) in;

layout(location = 0) uniform int rounds;
layout(location = 1) uniform float factor;  // a little below 1, unknown to the compiler
layout(std430, binding = 0) buffer Sink { float sink[]; };

void main() {
  vec4 a = vec4(factor), b = vec4(1.0 - factor);
  float start = float(gl_GlobalInvocationID.x) * 1e-6;
  vec4 c0 = vec4(start), c1 = c0 + 0.1, c2 = c0 + 0.2, c3 = c0 + 0.3, c4 = c0 + 0.4, c5 = c0 + 0.5, c6 = c0 + 0.6, c7 = c0 + 0.7;
  for (int i = 0; i < rounds; ++i) {
    c0 = fma(c0, a, b);
    c1 = fma(c1, a, b);
    c2 = fma(c2, a, b);
    c3 = fma(c3, a, b);
    c4 = fma(c4, a, b);
    c5 = fma(c5, a, b);
    c6 = fma(c6, a, b);
    c7 = fma(c7, a, b);
  }
  vec4 sum = ((c0 + c1) + (c2 + c3)) + ((c4 + c5) + (c6 + c7));
  // Never true, and the compiler cannot know.
  if (dot(sum, vec4(1.0)) == -1.0) sink[0] = sum.x;
}
