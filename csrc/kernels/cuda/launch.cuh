// Launches a kernel into a stream and returns the error for the caller to report.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace hopcodec::kernels::cuda {

// The stream of a launch, and whether it may begin before the previous launch has ended
// (overlap.cuh).
struct Order {
  cudaStream_t stream;
  bool overlaps;
  Order(cudaStream_t of, bool may_overlap = false) : stream(of), overlaps(may_overlap) {}
};

// Launches with `shared_bytes` of dynamic shared memory, at most `most_bytes` in any launch of this
// kernel. More than 48 KiB in total, including static shared memory, must be allowed by an
// attribute. The static size is not known here, so the attribute is always set. It is set to
// `most_bytes`, because it belongs to the function and is shared by all sessions of the process.
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

// The same for a kernel whose dynamic shared memory is always `shared_bytes`.
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
