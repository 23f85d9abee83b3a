// Launches that begin before the one ahead of them in the stream has ended (compute
// capability 9.0): what a block needs before its first instruction, and all that does not depend on
// another launch's results, is then done by the time those are there.
#pragma once

#include <cuda_runtime.h>

namespace hopcodec::kernels::cuda {

// The launch behind this one may begin once every block has said so. It waits for this one's end
// even so, which makes it safe to say at once: where launches overlap, as that of a stranger behind
// an operator may not wait.
__device__ inline void let_next_begin([[maybe_unused]] bool overlaps) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  if (overlaps) asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// Until the launch ahead of this one has ended and what it wrote can be seen. Before, nothing may
// be read but constants, and nothing written but shared memory. Every thread of a kernel that is
// launched with an overlap comes here: the launch behind it relies on that for all before it.
__device__ inline void await_previous() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Both, for kernels that have nothing to do in between.
__device__ inline void take_turn(bool overlaps) {
  let_next_begin(overlaps);
  await_previous();
}

}  // namespace hopcodec::kernels::cuda
