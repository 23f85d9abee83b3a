// Index of the largest of n values, the lowest index on ties (as torch documents for argmax). The
// first pass finds the value, one maximum per vector lane. The second pass finds its first index.
#pragma once

#include "kernels/kernels.hpp"

namespace hopcodec::kernels::HOPCODEC_ISA {

static int argmax(const float* x, std::size_t n) {
  F best = all(x[0]);
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) best = max(load(x + i), best);
  float lanes[kLanes];
  store(lanes, best);
  float largest = lanes[0];
  for (int lane = 1; lane < kLanes; ++lane) {
    if (lanes[lane] > largest) largest = lanes[lane];
  }
  for (; i < n; ++i) {
    if (x[i] > largest) largest = x[i];
  }
  for (std::size_t j = 0; j < n; ++j) {
    if (x[j] == largest) return static_cast<int>(j);
  }
  return 0;  // reached only if the maximum is NaN, which equals nothing
}

}  // namespace hopcodec::kernels::HOPCODEC_ISA
