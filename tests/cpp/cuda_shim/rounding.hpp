// Rounding of a tensor core's factors, written out from the definitions of the formats.
#pragma once

#include <cmath>

namespace hopcodec::shim {

// Rounds x to `bits` fraction bits, ties to even or away from zero.
inline float rounded_to(float x, int bits, bool even) {
  if (x == 0.0F || !std::isfinite(x)) return x;
  int exponent = 0;
  const float scaled = std::ldexp(std::frexp(x, &exponent), bits + 1);
  const float whole = even ? std::nearbyint(scaled) : std::round(scaled);
  return std::ldexp(whole, exponent - bits - 1);
}

}  // namespace hopcodec::shim
