// The instructions of a tensor core as functions, for sm_80 and newer.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace hopcodec::kernels::cuda {

// Rounds like cvt.rna.tf32.f32, which compiles to three instructions that work in place and would
// need further moves between registers. The minimum keeps a NaN from becoming a zero.
__device__ inline std::uint32_t to_tf32(float x) {
  constexpr int kMost = 0x7fffe000;
  const int bits = __float_as_int(x);
  return (static_cast<std::uint32_t>(bits < kMost ? bits : kMost) + 0x1000U) & ~0x1fffU;
}

// Packs two bfloat16, `low` in the lower half of the word.
__device__ inline std::uint32_t to_bf16_pair(float low, float high) {
  std::uint32_t bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

// The registers of a thread for both factors, in the order of PTX.
struct Operands {
  std::uint32_t a[4];
  std::uint32_t b[2];
};

// sum += a b, computed by the whole warp.
struct M16n8k8Tf32 {
  __device__ static void multiply(const Operands& o, float (&sum)[4]) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(o.a[0]), "r"(o.a[1]), "r"(o.a[2]), "r"(o.a[3]), "r"(o.b[0]), "r"(o.b[1]));
  }
};

struct M16n8k16Bf16 {
  __device__ static void multiply(const Operands& o, float (&sum)[4]) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(o.a[0]), "r"(o.a[1]), "r"(o.a[2]), "r"(o.a[3]), "r"(o.b[0]), "r"(o.b[1]));
  }
};

// sum[m][n] += a[m] b[n]. The loop over halves is outermost, because an addition to a sum waits for
// the previous one to the same sum.
template <class Format, int kM, int kN>
__device__ inline void multiply_slices(const typename Format::Rows (&a)[kM],
                                       const typename Format::Columns (&b)[kN],
                                       float (&sum)[kM][kN][4]) {
#pragma unroll
  for (int half = 0; half < Format::kHalves; ++half) {
#pragma unroll
    for (int m = 0; m < kM; ++m) {
#pragma unroll
      for (int n = 0; n < kN; ++n) {
        Format::Instruction::multiply(Format::operands(a[m], b[n], half), sum[m][n]);
      }
    }
  }
}

}  // namespace hopcodec::kernels::cuda
