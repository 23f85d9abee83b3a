// A launch into a stream: the error, if any, is the caller's to report.
#pragma once

#include <cuda_runtime.h>

namespace hopcodec::kernels::cuda {

template <class... Params, class... Args>
cudaError_t launch(void (*kernel)(Params...), dim3 grid, unsigned threads, cudaStream_t stream,
                   const Args&... args) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, args...);
}

}  // namespace hopcodec::kernels::cuda
