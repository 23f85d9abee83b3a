// Group normalisation (Wu & He 2018) of one segment, channels last. Plain C++: the statistics are
// float64 sums in one fixed order, the same on every CPU.
#pragma once

#include <cstddef>

namespace hopcodec::kernels {

// y = (x - mean_g) / sqrt(var_g + eps) * weight + bias over `rows` rows of `channels` channels, in
// `groups` groups of neighbouring channels; statistics over the rows and the group's channels.
// x may be y. channels must be a multiple of groups.
void group_norm(const float* x, const float* weight, const float* bias, float* y, std::size_t rows,
                std::size_t channels, std::size_t groups, float eps) noexcept;

}  // namespace hopcodec::kernels
