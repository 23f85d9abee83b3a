// product() and lstm_step() for matrices that are packed for a tensor core. The bits of a product
// do not depend on the number of rows.
#pragma once

#include "kernels/cuda/product.hpp"

namespace hopcodec::kernels::cuda {

cudaError_t product_mma(const Product& product, cudaStream_t stream);
cudaError_t lstm_step_mma(const Product& product, const Cell& cell, cudaStream_t stream);

}  // namespace hopcodec::kernels::cuda
