// Products on a tensor core: what product() and lstm_step() do with a matrix that was packed for
// one. Sums of one product are the same bits for any number of rows.
#pragma once

#include "kernels/cuda/product.hpp"

namespace hopcodec::kernels::cuda {

// One or two, of one precision, in one launch where both are small.
cudaError_t product_mma(const Product* products, int n, cudaStream_t stream);
cudaError_t lstm_step_mma(const Product& product, const Cell& cell, cudaStream_t stream);

}  // namespace hopcodec::kernels::cuda
