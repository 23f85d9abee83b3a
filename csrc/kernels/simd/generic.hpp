// One float at a time: the specification of the vector versions, and the fallback for any CPU. By
// the C++ standard, fma rounds once, with or without hardware support.
#pragma once

namespace hopcodec::kernels::HOPCODEC_ISA {

using F = float;
inline constexpr int kLanes = 1;
inline constexpr int kRows4 = 1, kRows2 = 1, kRows1 = 1;
inline constexpr int kWideVectors = 16;
inline constexpr int kSingleVectors = 16;
inline constexpr int kTogether = 1;

static inline F load(const float* p) { return *p; }
static inline void store(float* p, F v) { *p = v; }
static inline F all(float x) { return x; }
static inline F fma(F a, F b, F c) { return __builtin_fmaf(a, b, c); }
static inline F add(F a, F b) { return a + b; }
static inline F sub(F a, F b) { return a - b; }
static inline F mul(F a, F b) { return a * b; }
static inline F div(F a, F b) { return a / b; }
static inline F min(F a, F b) { return a < b ? a : b; }
static inline F max(F a, F b) { return a > b ? a : b; }
static inline F abs(F a) { return __builtin_fabsf(a); }
static inline F select_less(F x, F y, F a, F b) { return x < y ? a : b; }
static inline F copy_sign(F magnitude, F sign) { return __builtin_copysignf(magnitude, sign); }
static inline F float_of(unsigned bits) {
  float y;
  __builtin_memcpy(&y, &bits, sizeof y);
  return y;
}
static inline F exp2_integral(F n) {
  return float_of(static_cast<unsigned>(static_cast<int>(n) + 127) << 23);
}

using U = unsigned;
static inline U load_bits(const unsigned* p) { return *p; }
static inline F low_half(U w) { return float_of(w << 16); }
static inline F high_half(U w) { return float_of(w & 0xffff0000U); }

}  // namespace hopcodec::kernels::HOPCODEC_ISA
