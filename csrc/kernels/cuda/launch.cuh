// Launches a kernel into a stream and returns the error for the caller to report.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace hopcodec::kernels::cuda {

// Launches a kernel whose dynamic shared memory is always `shared_bytes`. More than 48 KiB in
// total, including static shared memory, must be allowed by an attribute. The static size is not
// known here, so the attribute is always set.
template <class... Params, class... Args>
cudaError_t launch_shared(void (*kernel)(Params...), dim3 grid, unsigned threads,
                          std::size_t shared_bytes, cudaStream_t stream, const Args&... args) {
  if (shared_bytes > 0) {
    const cudaError_t error = cudaFuncSetAttribute(
        kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
    if (error != cudaSuccess) return error;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, args...);
}

template <class... Params, class... Args>
cudaError_t launch(void (*kernel)(Params...), dim3 grid, unsigned threads, cudaStream_t stream,
                   const Args&... args) {
  return launch_shared(kernel, grid, threads, 0, stream, args...);
}

}  // namespace hopcodec::kernels::cuda
