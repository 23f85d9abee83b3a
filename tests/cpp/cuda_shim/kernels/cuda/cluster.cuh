// The stand-in of csrc/kernels/cuda/cluster.cuh: the same functions, with fibers.
#pragma once

#include <cuda_runtime.h>

namespace hopcodec::kernels::cuda {

inline int cluster_rank() { return static_cast<int>(shim::cluster_rank()); }
inline void cluster_arrive() { shim::cluster_arrive(); }
inline void cluster_wait() { shim::cluster_wait(); }
template <class T>
T* at_rank(T* mine, int rank) {
  return static_cast<T*>(shim::at_rank(mine, static_cast<unsigned>(rank)));
}

}  // namespace hopcodec::kernels::cuda
