// The stand-in of csrc/kernels/cuda/mma_instructions.cuh: the same functions in C++. Rounding and
// register order are written out from their definitions. A warp multiplies when its 32nd thread
// arrives, in float64, and each instruction rounds its sum to float32 once.
#pragma once

#include <cstdint>

#include "cuda_runtime.h"
#include "fragments.hpp"
#include "rounding.hpp"

namespace hopcodec::kernels::cuda {

inline std::uint32_t to_tf32(float x) { return __float_as_uint(shim::rounded_to(x, 10, false)); }

inline std::uint32_t to_bf16_pair(float low, float high) {
  const auto half = [](float x) { return __float_as_uint(shim::rounded_to(x, 7, true)) >> 16; };
  return half(low) | half(high) << 16;
}

struct Operands {
  std::uint32_t a[4];
  std::uint32_t b[2];
};

inline float float_of(std::uint32_t bits) { return __int_as_float(static_cast<int>(bits)); }

// Element i of the registers, as a tensor core reads it.
struct M16n8k8Tf32 {
  using Fragments = shim::FragmentsOfTf32;
  static float element(const std::uint32_t* registers, int i) {
    return float_of(registers[i] & 0xffffe000U);
  }
};
struct M16n8k16Bf16 {
  using Fragments = shim::FragmentsOfBf16;
  static float element(const std::uint32_t* registers, int i) {
    return float_of(registers[i / 2] >> (i % 2 * 16) << 16);
  }
};

// One instruction of a warp: sums[lane] from operands[lane].
template <class Instruction>
void multiply_for_warp(const Operands (&operands)[32], float* const (&sums)[32]) {
  using Fragments = typename Instruction::Fragments;
  float a[16][Fragments::kDepth];
  float b[Fragments::kDepth][8];
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < Fragments::kOfA; ++i) {
      const shim::Place at = Fragments::a(lane, i);
      a[at.row][at.column] = Instruction::element(operands[lane].a, i);
    }
    for (int i = 0; i < Fragments::kOfB; ++i) {
      const shim::Place at = Fragments::b(lane, i);
      b[at.row][at.column] = Instruction::element(operands[lane].b, i);
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const shim::Place at = shim::result_place(lane, i);
      double exact = static_cast<double>(sums[lane][i]);
      for (int k = 0; k < Fragments::kDepth; ++k) {
        exact += static_cast<double>(a[at.row][k]) * static_cast<double>(b[k][at.column]);
      }
      sums[lane][i] = static_cast<float>(exact);
    }
  }
}

template <class F, int kM, int kN>
struct WarpShare {
  const typename F::Rows* a;
  const typename F::Columns* b;
  float (*sum)[kN][4];
};

template <class F, int kM, int kN>
void multiply_shares(void* const* shares) {
  const auto of = [&](int lane) { return *static_cast<WarpShare<F, kM, kN>*>(shares[lane]); };
  for (int half = 0; half < F::kHalves; ++half) {
    for (int m = 0; m < kM; ++m) {
      for (int n = 0; n < kN; ++n) {
        Operands operands[32];
        float* sums[32];
        for (int lane = 0; lane < 32; ++lane) {
          operands[lane] = F::operands(of(lane).a[m], of(lane).b[n], half);
          sums[lane] = of(lane).sum[m][n];
        }
        multiply_for_warp<typename F::Instruction>(operands, sums);
      }
    }
  }
}

// All instructions of a thread at one synchronisation, because synchronising fibers is slow.
template <class F, int kM, int kN>
void multiply_slices(const typename F::Rows (&a)[kM], const typename F::Columns (&b)[kN],
                     float (&sum)[kM][kN][4]) {
  WarpShare<F, kM, kN> share{a, b, sum};
  shim::meet_warp(&share, &multiply_shares<F, kM, kN>);
}

}  // namespace hopcodec::kernels::cuda
