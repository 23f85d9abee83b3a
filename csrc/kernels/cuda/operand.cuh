// Reads windows four factors at a time where they are contiguous.
#pragma once

#include "kernels/cuda/index.hpp"
#include "kernels/cuda/scalar.cuh"

namespace hopcodec::kernels::cuda {

__device__ inline float& part_of(float4& v, int i) {
  return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w;
}

// Four factors from k on; zeros beyond the depth of the source.
__device__ inline float4 four_of(const float* window, const Source& s, bool by_four, int k) {
  if (by_four && k < s.depth) return *reinterpret_cast<const float4*>(window + window_offset(s, k));
  float4 v = {0.0F, 0.0F, 0.0F, 0.0F};
  for (int i = 0; i < 4; ++i) {
    if (k + i < s.depth) part_of(v, i) = window[window_offset(s, k + i)];
  }
  return v;
}

}  // namespace hopcodec::kernels::cuda
