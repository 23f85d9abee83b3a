// 16 floats at a time. Every operation here rounds exactly like the scalar one in generic.hpp.
#pragma once

#include <immintrin.h>

namespace hopcodec::kernels::HOPCODEC_ISA {

using F = __m512;
inline constexpr int kLanes = 16;
// Register blocking of the panel kernel: rows x vectors of accumulators.
inline constexpr int kRows4 = 6, kRows2 = 8, kRows1 = 8;
inline constexpr int kWideVectors = 4;    // vectors per row of a block
inline constexpr int kSingleVectors = 4;  // vectors per block of a single row
inline constexpr int kTogether = 2;       // chains of a single row computed at the same time

static inline F load(const float* p) { return _mm512_loadu_ps(p); }
static inline void store(float* p, F v) { _mm512_storeu_ps(p, v); }
static inline F all(float x) { return _mm512_set1_ps(x); }
static inline F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
static inline F add(F a, F b) { return _mm512_add_ps(a, b); }
static inline F sub(F a, F b) { return _mm512_sub_ps(a, b); }
static inline F mul(F a, F b) { return _mm512_mul_ps(a, b); }
static inline F div(F a, F b) { return _mm512_div_ps(a, b); }
static inline F min(F a, F b) { return _mm512_min_ps(a, b); }
static inline F max(F a, F b) { return _mm512_max_ps(a, b); }
static inline F abs(F a) { return _mm512_abs_ps(a); }
// x < y ? a : b
static inline F select_less(F x, F y, F a, F b) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), b, a);
}
static inline F copy_sign(F magnitude, F sign) {
  return _mm512_or_ps(_mm512_and_ps(sign, all(-0.0F)), abs(magnitude));
}
// 2^n for an integral n in [-126, 127].
static inline F exp2_integral(F n) {
  const __m512i bits =
      _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23);
  return _mm512_castsi512_ps(bits);
}

using U = __m512i;
static inline U load_bits(const unsigned* p) { return _mm512_loadu_si512(p); }
// One of the two bfloat16 in each word, widened to float32.
static inline F low_half(U w) { return _mm512_castsi512_ps(_mm512_slli_epi32(w, 16)); }
static inline F high_half(U w) {
  return _mm512_castsi512_ps(_mm512_and_si512(w, _mm512_set1_epi32(-65536)));
}

}  // namespace hopcodec::kernels::HOPCODEC_ISA
