// The device half of the stand-in: kernels are ordinary functions, a block's threads are fibers
// that take turns on one OS thread, and __shared__ memory is a static variable, because blocks run
// one after the other. Between barriers the threads run in an order that changes from block to
// block: a kernel that lacks a barrier gives other results in one order than in another.
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
// The block and thread that run now.
extern dim3 block_index;
extern dim3 thread_index;
void barrier();
// Runs body once for every thread of every block.
void run_grid(dim3 grid, unsigned threads, const std::function<void()>& body);
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
template <class T>
T __ldg(const T* p) {
  return *p;
}
using std::sqrt;

template <class... Params, class... Args>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Params...),
                               Args&&... args) {
  const dim3 grid = config->gridDim;
  const dim3 block = config->blockDim;
  // The limits of every GPU that there is a kernel for.
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffU || grid.y > 65535 ||
      grid.z > 65535 || block.x == 0 || block.x > 1024 || block.y != 1 || block.z != 1) {
    return cudaErrorInvalidValue;
  }
  // Parameters are copied at the launch, as a GPU's are.
  return hopcodec::shim::enqueue(
      config->stream,
      [kernel, grid, block, ... copies = std::decay_t<Params>(std::forward<Args>(args))] {
        hopcodec::shim::run_grid(grid, block.x, [&] { kernel(copies...); });
      });
}
