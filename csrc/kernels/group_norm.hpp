// Group normalisation (Wu & He 2018) of one segment, channels last. The passes over the rows are in
// the kernel table (moments.inl.hpp). Each channel has its own float64 sums over the rows in order,
// and this file adds the channels in order, so the statistics have the same bits on every CPU.
//
// A single pass for sum and sum of squares is accurate enough: the square of a float32 is exact in
// float64, whose 29 extra bits cover the cancellation in any variance that float32 can resolve.
#pragma once

#include <cstddef>

#include "base/realtime.hpp"

namespace hopcodec::kernels {

// Computes, from the sums over `rows` rows, a scale and a shift per channel such that x * scale +
// shift = (x - mean_g) / sqrt(var_g + eps) * weight + bias. A group is a run of neighbouring
// channels.
HOPCODEC_REALTIME void normalising_map(const double* sum, const double* squares, std::size_t rows,
                                       std::size_t channels, std::size_t groups,
                                       const float* weight, const float* bias, float eps,
                                       double* scale, double* shift) noexcept;

}  // namespace hopcodec::kernels
