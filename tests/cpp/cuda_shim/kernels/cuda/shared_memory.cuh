// The stand-in of csrc/kernels/cuda/shared_memory.cuh.
#pragma once

#include "cuda_runtime.h"

namespace hopcodec::kernels::cuda {

template <class T>
inline T& shared_memory() {
  return *static_cast<T*>(shim::dynamic_shared());
}

}  // namespace hopcodec::kernels::cuda
