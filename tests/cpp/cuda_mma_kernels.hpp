// Runs each tensor-core kernel by name. The library would choose one by the number of rows.
#pragma once

#include "kernels/cuda/product.hpp"

namespace hopcodec::test {

// Uses tiles of (rows, columns) (128, 128), (128, 64), (128, 32), (128, 16) or (64, 64). Returns
// cudaErrorInvalidValue for others.
cudaError_t mma_tiles(const kernels::cuda::Product& p, int rows, int columns, cudaStream_t stream);

// Uses the kernel for few rows, with 16 * blocks rows at a time; blocks is 1, 2 or 4.
cudaError_t mma_thin_blocks(const kernels::cuda::Product& p, int blocks, cudaStream_t stream);

}  // namespace hopcodec::test
