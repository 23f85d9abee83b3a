// Common parts of the quantisers: dot products with packed matrices, and the best of many scores.
#pragma once

#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/rvq.hpp"

namespace hopcodec::kernels::cuda {

// bias + x . column n, for kFrames vectors `pitch` floats apart in shared memory.
template <int kFrames>
__device__ inline void dot(const Matrix& m, int depth, int n, const float* x, int pitch,
                           float (&total)[kFrames]) {
  const float* weight = m.weight + packed_at(m.groups, 0, 0, n);
  for (int f = 0; f < kFrames; ++f) total[f] = m.bias[n];
  for (int from = 0; from < depth; from += kChainTerms) {
    const int to = from + kChainTerms < depth ? from + kChainTerms : depth;
    float sum[kFrames] = {};
    int k = from;
#pragma unroll 8
    for (; k + 4 <= to; k += 4) {
      const float4 w = __ldg(reinterpret_cast<const float4*>(weight + k / 4 * 16));
#pragma unroll
      for (int f = 0; f < kFrames; ++f) {
        const float* v = x + f * pitch + k;
        sum[f] = fma(v[3], w.w, fma(v[2], w.z, fma(v[1], w.y, fma(v[0], w.x, sum[f]))));
      }
    }
    for (; k < to; ++k) {
      const float w = weight[k / 4 * 16 + k % 4];
      for (int f = 0; f < kFrames; ++f) sum[f] = fma(x[f * pitch + k], w, sum[f]);
    }
    for (int f = 0; f < kFrames; ++f) total[f] = add(total[f], sum[f]);
  }
}

__device__ inline bool beats(const Best& a, const Best& b) {
  return a.score > b.score || (a.score == b.score && a.index < b.index);
}

// Reduces the kWidth candidates of each frame to the best, in best[frame * kWidth].
template <int kFrames, int kWidth, int kThreads>
__device__ inline void reduce(Best* best) {
  for (int width = kWidth / 2; width >= 1; width /= 2) {
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < kFrames * width; i += kThreads) {
      Best* mine = best + i / width * kWidth + i % width;
      if (beats(mine[width], *mine)) *mine = mine[width];
    }
  }
  __syncthreads();
}

// A candidate with a valid index that loses to every finite score, so that NaN scores never lead to
// an index beyond the codebook.
__device__ inline Best no_candidate() { return {-3.4e38F, 0}; }

}  // namespace hopcodec::kernels::cuda
