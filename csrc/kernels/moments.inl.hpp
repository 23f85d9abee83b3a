// The two passes of a group normalisation over its rows, in float64. They are plain loops over
// channels, which the compiler vectorises for each instruction set without changing the order of a
// sum.
#pragma once

#include "kernels/kernels.hpp"

namespace hopcodec::kernels::HOPCODEC_ISA {

static void add_moments(const float* x, std::size_t rows, std::size_t channels,
                        double* __restrict sum, double* __restrict squares) noexcept {
  std::size_t row = 0;
  // Adds four rows per load and store of the sums. The order of the additions stays that of the
  // rows.
  for (; row + 4 <= rows; row += 4) {
    const float* x0 = x + row * channels;
    const float* x1 = x0 + channels;
    const float* x2 = x1 + channels;
    const float* x3 = x2 + channels;
    for (std::size_t c = 0; c < channels; ++c) {
      const auto a = static_cast<double>(x0[c]);
      const auto b = static_cast<double>(x1[c]);
      const auto d = static_cast<double>(x2[c]);
      const auto e = static_cast<double>(x3[c]);
      sum[c] = sum[c] + a + b + d + e;
      squares[c] = squares[c] + a * a + b * b + d * d + e * e;
    }
  }
  for (; row < rows; ++row) {
    for (std::size_t c = 0; c < channels; ++c) {
      const auto v = static_cast<double>(x[row * channels + c]);
      sum[c] += v;
      squares[c] += v * v;
    }
  }
}

static void map_channels(const float* x, float* y, std::size_t rows, std::size_t channels,
                         const double* __restrict scale, const double* __restrict shift) noexcept {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < channels; ++c) {
      y[c] = static_cast<float>(static_cast<double>(x[c]) * scale[c] + shift[c]);
    }
    x += channels;
    y += channels;
  }
}

}  // namespace hopcodec::kernels::HOPCODEC_ISA
