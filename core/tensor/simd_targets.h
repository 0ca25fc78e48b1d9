#pragma once

// Include before any header of Highway: which instruction sets the kernels are compiled for.
//
// SSSE3 adds nothing to float32 arithmetic over its neighbours and would only lengthen the build. Scalable vectors (SVE, RVV) cannot be
// struct members, which the register tiles need; NEON runs there instead.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
