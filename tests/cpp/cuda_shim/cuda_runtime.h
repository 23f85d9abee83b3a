// The device part of the stand-in. Kernels are ordinary functions, the threads of a block are
// fibers on one OS thread, and __shared__ memory is a static variable, because blocks run one after
// the other. Between barriers the threads run in an order that changes from block to block, so a
// kernel that lacks a barrier gives different results.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>
#include <utility>

#include "cuda_runtime_api.h"

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __launch_bounds__(...)

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned vx = 1, unsigned vy = 1, unsigned vz = 1) : x(vx), y(vy), z(vz) {}
};
struct alignas(8) uint2 {
  std::uint32_t x, y;
};
struct alignas(16) uint4 {
  std::uint32_t x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

struct cudaLaunchConfig_t {
  dim3 gridDim;
  dim3 blockDim;
  std::size_t dynamicSmemBytes;
  cudaStream_t stream;
};

namespace hopcodec::shim {
// The current block and thread.
extern dim3 block_index;
extern dim3 thread_index;
void barrier();
// Waits for the rest of the warp. The last thread calls `together` with every thread's `share`.
void meet_warp(void* share, void (*together)(void* const* shares));
// Dynamic shared memory of the current block, initially filled with NaN.
void* dynamic_shared();
// Asynchronous copies of this thread. Nothing arrives before the thread waits for it. Writes zeros
// if `there` is false.
void copy_later(void* to, const void* from, std::size_t bytes, bool there);
void commit_copies();
void await_copies(int groups_left);

struct Shape {
  dim3 grid;
  unsigned threads;  // threads of a block
  std::size_t shared_bytes;
};
// Runs `body` once for every thread of every block.
void run_grid(const Shape& shape, const std::function<void()>& body);
// Limit of the dynamic shared memory of a kernel. The default is somewhat below 48 KiB, because
// static shared memory counts too and its size is not known here.
std::size_t& shared_limit(const void* kernel);
}  // namespace hopcodec::shim

#define blockIdx (hopcodec::shim::block_index)
#define threadIdx (hopcodec::shim::thread_index)
inline void __syncthreads() { hopcodec::shim::barrier(); }

inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline int __float2int_rn(float x) { return static_cast<int>(std::nearbyint(x)); }
inline float __int_as_float(int bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
inline std::uint32_t __float_as_uint(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcg(const T* p) {
  return *p;
}
using std::sqrt;

template <class... Params, class... Args>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Params...),
                               Args&&... args) {
  const hopcodec::shim::Aside aside;
  const dim3 grid = config->gridDim;
  const dim3 block = config->blockDim;
  // The limits of every supported GPU.
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffU || grid.y > 65535 ||
      grid.z > 65535 || block.x == 0 || block.x > 1024 || block.y != 1 || block.z != 1) {
    return cudaErrorInvalidValue;
  }
  const hopcodec::shim::Shape shape{grid, block.x, config->dynamicSmemBytes};
  if (shape.shared_bytes > hopcodec::shim::shared_limit(reinterpret_cast<const void*>(kernel))) {
    return cudaErrorInvalidValue;
  }
  // Parameters are copied at the launch, as on a GPU.
  return hopcodec::shim::enqueue(
      config->stream, [kernel, shape, ... copies = std::decay_t<Params>(std::forward<Args>(args))] {
        hopcodec::shim::run_grid(shape, [&] { kernel(copies...); });
      });
}

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
template <class... Params>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Params...), cudaFuncAttribute, int bytes) {
  const hopcodec::shim::Aside aside;
  if (bytes < 0 || bytes > hopcodec::shim::machine().shared_bytes) return cudaErrorInvalidValue;
  hopcodec::shim::shared_limit(reinterpret_cast<const void*>(kernel)) =
      static_cast<std::size_t>(bytes);
  return cudaSuccess;
}
