// The instructions of a tensor core as functions. sm_80 has them, and so has everything newer.
//
// A warp multiplies 16 rows by 16 k by 8 columns at a time: a *slice* of an operand. PTX says which
// thread holds which element of it, but a sum does not care what its terms are called: we hand the
// k out so that a thread's share is four neighbouring ones, for rows and columns alike. Thread
// (g, t) = (lane / 4, lane % 4) holds k = 4 t .. 4 t + 3 of rows g and g + 8 and of column g, and
// of the result rows g and g + 8 in columns 2 t and 2 t + 1.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace hopcodec::kernels::cuda {

__device__ inline std::uint32_t to_tf32(float x) {
  std::uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}

__device__ inline std::uint32_t to_bf16_pair(float low, float high) {
  std::uint32_t bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

// Factors with 10 bits behind the point and the range of float32.
struct Tf32 {
  using Weight = std::uint32_t;
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
  // `weights`: this thread's four, rounded when they were packed.
  __device__ static Columns columns(const Weight* weights) {
    const uint4 w = *reinterpret_cast<const uint4*>(weights);
    return {{w.x, w.y, w.z, w.w}};
  }
  __device__ static void multiply(const Rows& a, const Columns& b, int half, float (&sum)[4]) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a.bits[4 * half]), "r"(a.bits[4 * half + 1]), "r"(a.bits[4 * half + 2]),
          "r"(a.bits[4 * half + 3]), "r"(b.bits[2 * half]), "r"(b.bits[2 * half + 1]));
  }
};

// Factors with 7 bits behind the point and the range of float32: half the bytes of a weight.
struct Bf16 {
  using Weight = std::uint16_t;
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
  __device__ static void multiply(const Rows& a, const Columns& b, int, float (&sum)[4]) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a.bits[0]), "r"(a.bits[1]), "r"(a.bits[2]), "r"(a.bits[3]), "r"(b.bits[0]),
          "r"(b.bits[1]));
  }
};

// sum[m][n] += a[m] b[n], by the whole warp. Halves outside: a sum waits for its own last addition.
template <class Format, int kM, int kN>
__device__ inline void multiply_slices(const typename Format::Rows (&a)[kM],
                                       const typename Format::Columns (&b)[kN],
                                       float (&sum)[kM][kN][4]) {
#pragma unroll
  for (int half = 0; half < Format::kHalves; ++half) {
#pragma unroll
    for (int m = 0; m < kM; ++m) {
#pragma unroll
      for (int n = 0; n < kN; ++n) Format::multiply(a[m], b[n], half, sum[m][n]);
    }
  }
}

}  // namespace hopcodec::kernels::cuda
