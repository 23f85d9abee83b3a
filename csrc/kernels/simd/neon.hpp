// 4 floats at a time on AArch64. min and max are comparisons because NEON's own instructions differ
// from x86 on signed zeros.
#pragma once

#include <arm_neon.h>

namespace hopcodec::kernels::HOPCODEC_ISA {

using F = float32x4_t;
inline constexpr int kLanes = 4;
inline constexpr int kRows4 = 6, kRows2 = 6, kRows1 = 6;
inline constexpr int kWideVectors = 4;
inline constexpr int kSingleVectors = 8;
inline constexpr int kTogether = 2;

static inline F load(const float* p) { return vld1q_f32(p); }
static inline void store(float* p, F v) { vst1q_f32(p, v); }
static inline F all(float x) { return vdupq_n_f32(x); }
static inline F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
static inline F add(F a, F b) { return vaddq_f32(a, b); }
static inline F sub(F a, F b) { return vsubq_f32(a, b); }
static inline F mul(F a, F b) { return vmulq_f32(a, b); }
static inline F div(F a, F b) { return vdivq_f32(a, b); }
static inline F min(F a, F b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline F max(F a, F b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline F abs(F a) { return vabsq_f32(a); }
static inline F select_less(F x, F y, F a, F b) { return vbslq_f32(vcltq_f32(x, y), a, b); }
static inline F copy_sign(F magnitude, F sign) {
  return vbslq_f32(vdupq_n_u32(0x80000000U), sign, magnitude);
}
static inline F exp2_integral(F n) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)), 23));
}

using U = uint32x4_t;
static inline U load_bits(const unsigned* p) { return vld1q_u32(p); }
static inline F low_half(U w) { return vreinterpretq_f32_u32(vshlq_n_u32(w, 16)); }
static inline F high_half(U w) {
  return vreinterpretq_f32_u32(vandq_u32(w, vdupq_n_u32(0xffff0000U)));
}

}  // namespace hopcodec::kernels::HOPCODEC_ISA
