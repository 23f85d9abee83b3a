// Asynchronous copies to shared memory (cp.async, since sm_80) as functions.
#pragma once

#include <cuda_runtime.h>

namespace hopcodec::kernels::cuda {

__device__ inline unsigned shared_address(void* shared) {
  return static_cast<unsigned>(__cvta_generic_to_shared(shared));
}

// If `there` is false, these write zeros and read nothing. copy16 goes through the first-level
// cache, for data that neighbours read again; copy16_once bypasses it; copy4 copies four bytes.
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

// commit_copies() makes a group of this thread's copies since its last call. await_copies() waits
// for all but the last kLeft groups.
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kLeft>
__device__ inline void await_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
}

}  // namespace hopcodec::kernels::cuda
