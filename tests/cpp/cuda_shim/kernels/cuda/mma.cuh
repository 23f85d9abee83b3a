// The stand-in of csrc/kernels/cuda/mma.cuh: the same functions, in C++. Rounding is written out
// from the formats' definitions; a warp multiplies when its 32nd thread has come, in float64, each
// instruction's sum rounded to float32 once.
#pragma once

#include <cstdint>

#include "cuda_runtime.h"
#include "rounding.hpp"

namespace hopcodec::kernels::cuda {

// One slice's factors: what a thread holds of two rows, and of a column.
template <class W, int kBits, bool kEven>
struct Format {
  using Weight = W;
  struct Rows {
    float low[4];
    float high[4];
  };
  struct Columns {
    float k[4];
  };
  static Rows rows(const float4& low, const float4& high) {
    const auto r = [](float x) { return shim::rounded_to(x, kBits, kEven); };
    return {{r(low.x), r(low.y), r(low.z), r(low.w)}, {r(high.x), r(high.y), r(high.z), r(high.w)}};
  }
  static Columns columns(const Weight* weights) {
    Columns c;
    for (int i = 0; i < 4; ++i) {
      const std::uint32_t word = weights[i];
      const std::uint32_t bits = sizeof(Weight) == 2 ? word << 16 : word;
      std::memcpy(&c.k[i], &bits, sizeof bits);
    }
    return c;
  }
};

struct Tf32 : Format<std::uint32_t, 10, false> {
  static constexpr int kHalves = 2;
};
struct Bf16 : Format<std::uint16_t, 7, true> {
  static constexpr int kHalves = 1;
};

template <class F, int kM, int kN>
struct WarpShare {
  const typename F::Rows* a;
  const typename F::Columns* b;
  float (*sum)[kN][4];
};

// Result (row, column) of one slice: thread (g, t) has rows g and g + 8, columns 2 t and 2 t + 1.
template <class F, int kM, int kN>
void multiply_for_warp(void* const* shares) {
  const auto of = [&](int lane) { return *static_cast<WarpShare<F, kM, kN>*>(shares[lane]); };
  for (int lane = 0; lane < 32; ++lane) {
    for (int m = 0; m < kM; ++m) {
      for (int n = 0; n < kN; ++n) {
        for (int i = 0; i < 4; ++i) {
          float& sum = of(lane).sum[m][n][i];
          for (int half = 0; half < F::kHalves; ++half) {
            double exact = static_cast<double>(sum);
            for (int t = 0; t < 4; ++t) {
              const auto& rows = of(lane / 4 * 4 + t).a[m];
              const auto& column = of((lane % 4 * 2 + i % 2) * 4 + t).b[n];
              for (int k = half * 4 / F::kHalves; k < (half + 1) * 4 / F::kHalves; ++k) {
                const float x = i < 2 ? rows.low[k] : rows.high[k];
                exact += static_cast<double>(x) * static_cast<double>(column.k[k]);
              }
            }
            sum = static_cast<float>(exact);
          }
        }
      }
    }
  }
}

template <class F, int kM, int kN>
void multiply_slices(const typename F::Rows (&a)[kM], const typename F::Columns (&b)[kN],
                     float (&sum)[kM][kN][4]) {
  WarpShare<F, kM, kN> share{a, b, sum};
  shim::meet_warp(&share, &multiply_for_warp<F, kM, kN>);
}

}  // namespace hopcodec::kernels::cuda
