// A launch into a stream: the error, if any, is the caller's to report.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace hopcodec::kernels::cuda {

// Where a launch goes, and whether it may begin before the one ahead of it has ended (overlap.cuh).
struct Order {
  cudaStream_t stream;
  bool overlaps;
  Order(cudaStream_t of, bool may_overlap = false) : stream(of), overlaps(may_overlap) {}
};

// With `shared_bytes` of dynamic shared memory, of which the kernel never asks for more than
// `most_bytes`. Beyond 48 KiB, together with what a kernel declares itself, it must be allowed
// them; as the latter is not known here, it always is. Not `shared_bytes` but the most: the limit
// is the function's, in all sessions of the process.
template <class... Params, class... Args>
cudaError_t launch_within(void (*kernel)(Params...), dim3 grid, unsigned threads,
                          std::size_t shared_bytes, std::size_t most_bytes, const Order& order,
                          const Args&... args) {
  if (most_bytes > 0) {
    const cudaError_t error = cudaFuncSetAttribute(
        kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(most_bytes));
    if (error != cudaSuccess) return error;
  }
  cudaLaunchAttribute overlap{};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.dynamicSmemBytes = shared_bytes;
  config.stream = order.stream;
  config.attrs = &overlap;
  config.numAttrs = order.overlaps ? 1 : 0;
  return cudaLaunchKernelEx(&config, kernel, args...);
}

// With always as much.
template <class... Params, class... Args>
cudaError_t launch_shared(void (*kernel)(Params...), dim3 grid, unsigned threads,
                          std::size_t shared_bytes, const Order& order, const Args&... args) {
  return launch_within(kernel, grid, threads, shared_bytes, shared_bytes, order, args...);
}

template <class... Params, class... Args>
cudaError_t launch(void (*kernel)(Params...), dim3 grid, unsigned threads, const Order& order,
                   const Args&... args) {
  return launch_within(kernel, grid, threads, 0, 0, order, args...);
}

}  // namespace hopcodec::kernels::cuda
