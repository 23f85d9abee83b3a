// Multiplying weight norm out (Salimans & Kingma 2016): w = g v / ||v||, one norm per row.
#pragma once

#include <cstddef>

#include "base/realtime.hpp"

namespace hopcodec::kernels {

// Row r of w is g[r] * v[r] / ||v[r]||_2, in float64 with a sequential sum, rounded once: the same
// bits on every machine, within one ulp of torch's float32 folding. Zero rows stay zero.
void fold_weight_norm(const float* g, const float* v, float* w, std::size_t rows,
                      std::size_t columns) noexcept;

// x / max(||x||_2, 1e-12), as torch's F.normalize; n is small (a codebook's dimension).
HOPCODEC_REALTIME void normalise(const float* x, float* y, std::size_t n) noexcept;

}  // namespace hopcodec::kernels
