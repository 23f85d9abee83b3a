// Operations on one float per thread with explicit rounding: the compiler never contracts _rn
// intrinsics. The counterpart of kernels/simd/*.hpp.
#pragma once

#include <cuda_runtime.h>

namespace hopcodec::kernels::HOPCODEC_ISA {

using F = float;

__device__ inline F all(float x) { return x; }
__device__ inline F fma(F a, F b, F c) { return __fmaf_rn(a, b, c); }
__device__ inline F add(F a, F b) { return __fadd_rn(a, b); }
__device__ inline F sub(F a, F b) { return __fsub_rn(a, b); }
__device__ inline F mul(F a, F b) { return __fmul_rn(a, b); }
__device__ inline F div(F a, F b) { return __fdiv_rn(a, b); }
__device__ inline F min(F a, F b) { return a < b ? a : b; }
__device__ inline F max(F a, F b) { return a > b ? a : b; }
__device__ inline F abs(F a) { return fabsf(a); }
__device__ inline F select_less(F x, F y, F a, F b) { return x < y ? a : b; }
__device__ inline F copy_sign(F magnitude, F sign) { return copysignf(magnitude, sign); }
__device__ inline F exp2_integral(F n) { return __int_as_float((__float2int_rn(n) + 127) << 23); }

}  // namespace hopcodec::kernels::HOPCODEC_ISA
