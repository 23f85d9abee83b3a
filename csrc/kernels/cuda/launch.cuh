// A launch into a stream: the error, if any, is the caller's to report.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace hopcodec::kernels::cuda {

// With `shared_bytes` of dynamic shared memory. Beyond 48 KiB, together with what a kernel declares
// itself, it must be allowed them; as the latter is not known here, it always is.
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
