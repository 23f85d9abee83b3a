// Group normalisation (Wu & He 2018) of one segment, channels last. The passes over the rows are in
// the kernel table (moments.inl.hpp): every sum is one channel's, float64, rows in order. Channels
// are added here, in order, so the statistics are the same bits on every CPU.
//
// One pass suffices: a float32 squared is exact in float64, which leaves 29 bits more than the
// difference of the two sums can lose on anything that float32 itself can resolve.
#pragma once

#include <cstddef>

#include "base/realtime.hpp"

namespace hopcodec::kernels {

// From the sums over `rows` rows to y = x * scale + shift, one pair per channel, which is
// (x - mean_g) / sqrt(var_g + eps) * weight + bias; groups of neighbouring channels.
HOPCODEC_REALTIME void normalising_map(const double* sum, const double* squares, std::size_t rows,
                                       std::size_t channels, std::size_t groups,
                                       const float* weight, const float* bias, float eps,
                                       double* scale, double* shift) noexcept;

}  // namespace hopcodec::kernels
