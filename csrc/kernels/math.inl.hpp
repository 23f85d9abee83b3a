// exp, sigmoid, tanh and sin^2 as polynomials in IEEE operations. libm is never used, so every CPU
// computes the same bits. tests/kernels/test_ops.py asserts their errors against float64.
#pragma once

#include "kernels/kernels.hpp"

#if defined(__CUDACC__)
#define HOPCODEC_KERNEL __device__ inline
#else
#define HOPCODEC_KERNEL static inline
#endif

namespace hopcodec::kernels::HOPCODEC_ISA {

// Nearest integer, ties to even, for |x| < 2^22: after adding 1.5 * 2^23 the significand has no bit
// left for a fraction.
HOPCODEC_KERNEL F nearest(F x) {
  const F magic = all(12582912.0F);
  return sub(add(x, magic), magic);
}

struct Reduced {
  F scale;  // 2^n
  F expm1;  // e^r - 1, |r| <= ln(2) / 2
};

// e^x = scale * (1 + expm1). x is clamped to [-87, 88], where 2^n is a normal number.
HOPCODEC_KERNEL Reduced reduce_exp(F x) {
  x = max(min(x, all(88.0F)), all(-87.0F));
  const F n = nearest(mul(x, all(1.44269504088896341F)));
  F r = fma(n, all(-0.693145751953125F), x);     // ln 2, high part: 16 bits, n * high is exact
  r = fma(n, all(-1.42860682030941723e-6F), r);  // ln 2, low part
  // Minimax polynomial of (e^r - 1 - r) / r^2 on [-ln(2)/2, ln(2)/2].
  F p = all(1.9875691500e-4F);
  p = fma(p, r, all(1.3981999507e-3F));
  p = fma(p, r, all(8.3334519073e-3F));
  p = fma(p, r, all(4.1665795894e-2F));
  p = fma(p, r, all(1.6666665459e-1F));
  p = fma(p, r, all(5.0000001201e-1F));
  p = fma(mul(p, r), r, r);
  return {exp2_integral(n), p};
}

// e^x - 1 without cancellation near zero: 2^n p + (2^n - 1).
HOPCODEC_KERNEL F expm1(F x) {
  const Reduced e = reduce_exp(x);
  return fma(e.scale, e.expm1, sub(e.scale, all(1.0F)));
}

HOPCODEC_KERNEL F exp(F x) {
  const Reduced e = reduce_exp(x);
  return fma(e.scale, e.expm1, e.scale);
}

// 1 / (1 + e^-x), computed from e^-|x| so that nothing overflows.
HOPCODEC_KERNEL F sigmoid(F x) {
  const F z = exp(sub(all(0.0F), abs(x)));
  const F one_plus = add(all(1.0F), z);
  return div(select_less(x, all(0.0F), z, all(1.0F)), one_plus);
}

// sign(x) * t / (t + 2), t = e^2|x| - 1; beyond 9.02 the result rounds to one.
HOPCODEC_KERNEL F tanh(F x) {
  const F t = expm1(mul(all(2.0F), min(abs(x), all(9.02F))));
  const F y = div(t, add(t, all(2.0F)));
  return copy_sign(y, x);
}

// x for x > 0, e^x - 1 otherwise (ELU, alpha = 1).
HOPCODEC_KERNEL F elu(F x) { return select_less(all(0.0F), x, x, expm1(min(x, all(0.0F)))); }

// sin^2(x) has period pi, so reduction needs no quadrant: r = x - n pi, |r| <= pi / 2. Beyond |x| =
// 2^20 a float is too coarse to represent a phase, so x is replaced by zero.
HOPCODEC_KERNEL F sin_squared(F x) {
  x = select_less(abs(x), all(1048576.0F), x, all(0.0F));
  const F n = nearest(mul(x, all(0.318309886183790672F)));
  F r = fma(n, all(-3.140625F), x);  // pi in four parts; n times either of the first two is exact
  r = fma(n, all(-9.67502593994140625e-4F), r);
  r = fma(n, all(-1.50995799097837768e-7F), r);
  r = fma(n, all(-5.1266882910133205e-12F), r);
  const F z = mul(r, r);
  // Minimax polynomial of (sin(r)/r - 1)/z in z = r^2 on [0, (pi/2)^2], relative error 2.4e-11.
  F p = all(-2.3888792e-8F);
  p = fma(p, z, all(2.7525378e-6F));
  p = fma(p, z, all(-1.9840868e-4F));
  p = fma(p, z, all(8.3333311e-3F));
  p = fma(p, z, all(-1.6666666626e-1F));
  const F s = fma(mul(r, z), p, r);
  return mul(s, s);
}

}  // namespace hopcodec::kernels::HOPCODEC_ISA
