// Launches that begin before the previous launch in the stream has ended (compute capability 9.0).
// Work that does not depend on the previous results is then done while the previous launch
// finishes.
#pragma once

#include <cuda_runtime.h>

namespace hopcodec::kernels::cuda {

// Allows the next launch to begin once every block has called this. It is safe to call at once,
// because kernels launched with an overlap wait for this launch in await_previous(). It must not be
// called where the next launch may be a foreign kernel, which does not wait.
__device__ inline void let_next_begin([[maybe_unused]] bool overlaps) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  if (overlaps) asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// Waits until the previous launch has ended and its writes are visible. Before it, a kernel may
// read only constants and write only shared memory. Every thread of a kernel launched with an
// overlap must call it, because the next launch relies on that.
__device__ inline void await_previous() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Both calls, for kernels that have nothing to do in between.
__device__ inline void take_turn(bool overlaps) {
  let_next_begin(overlaps);
  await_previous();
}

}  // namespace hopcodec::kernels::cuda
