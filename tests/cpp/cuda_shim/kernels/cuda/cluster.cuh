// In place of csrc/kernels/cuda/cluster.cuh: the same functions, by fibers.
#pragma once

#include <cuda_runtime.h>

namespace hopcodec::kernels::cuda {

inline float* block_memory() { return static_cast<float*>(shim::dynamic_shared()); }

inline int cluster_rank() { return static_cast<int>(shim::cluster_rank()); }
inline void cluster_arrive() { shim::cluster_arrive(); }
inline void cluster_wait() { shim::cluster_wait(); }
template <class T>
T* at_rank(T* mine, int rank) {
  return static_cast<T*>(shim::at_rank(mine, static_cast<unsigned>(rank)));
}

inline void begin_copy(float* to, const float* from) { shim::copy_later(to, from, 16, true); }
inline void begin_copy4(float* to, const float* from) { shim::copy_later(to, from, 4, true); }
inline void close_group() { shim::commit_copies(); }
template <int kLeft>
void await_groups() {
  shim::await_copies(kLeft);
}

}  // namespace hopcodec::kernels::cuda
