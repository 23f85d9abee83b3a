// The factors that a thread holds for a tensor core, and their registers.
//
// A warp multiplies 16 rows by 16 k by 8 columns at a time: a *slice* of an operand. PTX defines
// which thread holds which element. The order of k within a slice does not matter to a sum, so we
// assign the k such that a thread holds four neighbouring ones, for rows and columns alike. Thread
// (g, t) = (lane / 4, lane % 4) holds k = 4 t .. 4 t + 3 of rows g and g + 8 and of column g, and
// the results of rows g and g + 8 in columns 2 t and 2 t + 1.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/mma_instructions.cuh"

namespace hopcodec::kernels::cuda {

// Factors with 10 fraction bits and the range of float32.
struct Tf32 {
  using Weight = std::uint32_t;
  using Instruction = M16n8k8Tf32;
  static constexpr int kHalves = 2;  // instructions per slice
  struct Rows {
    std::uint32_t bits[8];
  };
  struct Columns {
    std::uint32_t bits[4];
  };
  __device__ static Rows rows(const float4& low, const float4& high) {
    return {{to_tf32(low.x), to_tf32(high.x), to_tf32(low.y), to_tf32(high.y), to_tf32(low.z),
             to_tf32(high.z), to_tf32(low.w), to_tf32(high.w)}};
  }
  // `weights` are this thread's four, which were rounded when they were packed.
  __device__ static Columns columns(const Weight* weights) {
    const uint4 w = *reinterpret_cast<const uint4*>(weights);
    return {{w.x, w.y, w.z, w.w}};
  }
  __device__ static Operands operands(const Rows& a, const Columns& b, int half) {
    return {{a.bits[4 * half], a.bits[4 * half + 1], a.bits[4 * half + 2], a.bits[4 * half + 3]},
            {b.bits[2 * half], b.bits[2 * half + 1]}};
  }
};

// Factors with 7 fraction bits and the range of float32; a weight takes two bytes.
struct Bf16 {
  using Weight = std::uint16_t;
  using Instruction = M16n8k16Bf16;
  static constexpr int kHalves = 1;
  struct Rows {
    std::uint32_t bits[4];
  };
  struct Columns {
    std::uint32_t bits[2];
  };
  __device__ static Rows rows(const float4& low, const float4& high) {
    return {{to_bf16_pair(low.x, low.y), to_bf16_pair(high.x, high.y), to_bf16_pair(low.z, low.w),
             to_bf16_pair(high.z, high.w)}};
  }
  __device__ static Columns columns(const Weight* weights) {
    const uint2 w = *reinterpret_cast<const uint2*>(weights);
    return {{w.x, w.y}};
  }
  __device__ static Operands operands(const Rows& a, const Columns& b, int) {
    return {{a.bits[0], a.bits[1], a.bits[2], a.bits[3]}, {b.bits[0], b.bits[1]}};
  }
};

}  // namespace hopcodec::kernels::cuda
