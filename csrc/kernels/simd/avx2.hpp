// 8 floats at a time. Every operation here rounds exactly like the scalar one in generic.hpp.
#pragma once

#include <immintrin.h>

namespace hopcodec::kernels::HOPCODEC_ISA {

using F = __m256;
inline constexpr int kLanes = 8;
inline constexpr int kRows4 = 6, kRows2 = 6, kRows1 = 6;
inline constexpr int kWideVectors = 2;
inline constexpr int kSingleVectors = 4;
inline constexpr int kTogether = 2;

static inline F load(const float* p) { return _mm256_loadu_ps(p); }
static inline void store(float* p, F v) { _mm256_storeu_ps(p, v); }
static inline F all(float x) { return _mm256_set1_ps(x); }
static inline F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
static inline F add(F a, F b) { return _mm256_add_ps(a, b); }
static inline F sub(F a, F b) { return _mm256_sub_ps(a, b); }
static inline F mul(F a, F b) { return _mm256_mul_ps(a, b); }
static inline F div(F a, F b) { return _mm256_div_ps(a, b); }
static inline F min(F a, F b) { return _mm256_min_ps(a, b); }
static inline F max(F a, F b) { return _mm256_max_ps(a, b); }
static inline F abs(F a) { return _mm256_andnot_ps(all(-0.0F), a); }
static inline F select_less(F x, F y, F a, F b) {
  return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, y, _CMP_LT_OQ));
}
static inline F copy_sign(F magnitude, F sign) {
  return _mm256_or_ps(_mm256_and_ps(sign, all(-0.0F)), abs(magnitude));
}
static inline F exp2_integral(F n) {
  const __m256i bits =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_castsi256_ps(bits);
}

using U = __m256i;
static inline U load_bits(const unsigned* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
static inline F low_half(U w) { return _mm256_castsi256_ps(_mm256_slli_epi32(w, 16)); }
static inline F high_half(U w) {
  return _mm256_castsi256_ps(_mm256_and_si256(w, _mm256_set1_epi32(-65536)));
}

}  // namespace hopcodec::kernels::HOPCODEC_ISA
