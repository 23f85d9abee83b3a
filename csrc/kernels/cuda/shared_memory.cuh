// The dynamic shared memory of a block.
#pragma once

#include <cuda_runtime.h>

namespace hopcodec::kernels::cuda {

template <class T>
__device__ inline T& shared_memory() {
  extern __shared__ uint4 hopcodec_shared[];
  return *reinterpret_cast<T*>(hopcodec_shared);
}

}  // namespace hopcodec::kernels::cuda
