// Instructions for clusters of blocks that CUDA C++ has no plain functions for.
//
// A cluster is up to eight blocks that run at the same time and can access each other's shared
// memory (compute capability 9.0). Its kernels are compiled for older devices too, but never
// launched there.
#pragma once

#include <cuda_runtime.h>

namespace hopcodec::kernels::cuda {

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900

__device__ inline int cluster_rank() {
  int rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

// The two halves of a barrier of all threads of the cluster: what was written before arriving, here
// or in another block's memory, is seen after waiting.
__device__ inline void cluster_arrive() {
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}
__device__ inline void cluster_wait() {
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

// The same place in the shared memory of another block, which must have begun and not ended.
template <class T>
__device__ inline T* at_rank(T* mine, int rank) {
  T* there;
  asm("mapa.u64 %0, %1, %2;" : "=l"(there) : "l"(mine), "r"(rank));
  return there;
}

#else

__device__ inline int cluster_rank() { return 0; }
__device__ inline void cluster_arrive() { __trap(); }
__device__ inline void cluster_wait() { __trap(); }
template <class T>
__device__ inline T* at_rank(T* mine, int) {
  return mine;
}

#endif

}  // namespace hopcodec::kernels::cuda
