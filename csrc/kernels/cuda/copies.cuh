// Copies into shared memory that go on while a thread works (cp.async, since sm_80), as functions.
#pragma once

#include <cuda_runtime.h>

namespace hopcodec::kernels::cuda {

__device__ inline unsigned shared_address(void* shared) {
  return static_cast<unsigned>(__cvta_generic_to_shared(shared));
}

// Where nothing is `there`, zeros
// arrive and nothing is read. Through the first-level cache, for what a neighbour reads again; past
// it; and four bytes at a time.
__device__ inline void copy16(void* to, const void* from, bool there) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(there ? 16 : 0)
               : "memory");
}
__device__ inline void copy16_once(void* to, const void* from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(there ? 16 : 0)
               : "memory");
}
__device__ inline void copy4(void* to, const void* from, bool there) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(there ? 4 : 0)
               : "memory");
}

// This thread's copies since the last call become a group; all but the last kLeft groups arrive.
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kLeft>
__device__ inline void await_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
}

}  // namespace hopcodec::kernels::cuda
