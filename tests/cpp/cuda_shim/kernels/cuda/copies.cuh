// The stand-in of csrc/kernels/cuda/copies.cuh. A copy happens only when the thread waits for it.
#pragma once

#include "cuda_runtime.h"

namespace hopcodec::kernels::cuda {

inline void copy16(void* to, const void* from, bool there) {
  shim::copy_later(to, from, 16, there);
}
inline void copy16_once(void* to, const void* from, bool there) {
  shim::copy_later(to, from, 16, there);
}
inline void copy4(void* to, const void* from, bool there) { shim::copy_later(to, from, 4, there); }
inline void commit_copies() { shim::commit_copies(); }
template <int kLeft>
inline void await_copies() {
  shim::await_copies(kLeft);
}

}  // namespace hopcodec::kernels::cuda
