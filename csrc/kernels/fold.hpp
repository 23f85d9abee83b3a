// Folds weight normalisation (Salimans & Kingma 2016) into the weights: w = g v / ||v||, one norm
// per row.
#pragma once

#include <cstddef>

#include "base/realtime.hpp"

namespace hopcodec::kernels {

// Row r of w is g[r] * v[r] / ||v[r]||_2. The sum is sequential in float64 and the result is
// rounded once, so every machine gets the same bits, within one ulp of torch's float32 folding.
// Zero rows stay zero.
void fold_weight_norm(const float* g, const float* v, float* w, std::size_t rows,
                      std::size_t columns) noexcept;

// x / max(||x||_2, 1e-12), as torch's F.normalize; n is small (a codebook's dimension).
HOPCODEC_REALTIME void normalise(const float* x, float* y, std::size_t n) noexcept;

}  // namespace hopcodec::kernels
